//! A convolution in which every channel has a filter of its own: a few long sums, and no matrices.
//!
//! An image of one channel is laid out so that each number of the filter meets an unbroken run of it. With its margins, every s-th row
//! and column of it is an image of its own, one of s², and in the row of results i the filter's row u meets row i + ⌊d·u / s⌋ of
//! number d·u mod s:
//!
//! ```text
//! y[i] = b + Σ_k w[k] · x[i + o_k]      dx[i + o_k] += w[k] · g[i]      dw[k] = Σ_i g[i] · x[i + o_k]
//! ```
//!
//! with the places o_k of the filter's numbers there, and i over all rows of results with the width of an image between them. What
//! stands between the results is left out.

use rayon::prelude::*;

use super::geometry::Geometry;
use crate::host::{self, Loop};
use crate::kernels::memory::parts;

/// Results that are summed at once, in registers.
const BLOCK: usize = 64;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 13;

/// The results, `bias` being where they start from.
pub(super) fn forward(geometry: &Geometry, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let layout = Layout::new(geometry);
    let [image_size, result_size] = layout.sizes;
    let planes = geometry.batch * geometry.groups;
    parts(
        [planes * result_size, result_size, grain(result_size)],
        || layout.space(),
        |[image, rows], plane, y| {
            let channel = plane % geometry.groups;
            layout.spread(nth(x, plane, image_size), image);
            let bias = bias.map_or(0.0, |bias| bias[channel]);
            host::vectorised(Sum {
                x: image,
                taps: layout.taps(nth(weight, channel, geometry.area())),
                bias,
                y: rows,
            });
            for (y, rows) in y.chunks_exact_mut(geometry.output[2]).zip(rows.chunks(layout.width)) {
                y.copy_from_slice(&rows[..geometry.output[2]]);
            }
        },
    )
}

/// The gradient of the images from that of the results.
pub(super) fn of_images(geometry: &Geometry, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let layout = Layout::new(geometry);
    let [image_size, result_size] = layout.sizes;
    let planes = geometry.batch * geometry.groups;
    parts(
        [planes * image_size, image_size, grain(image_size)],
        || layout.space(),
        |[image, rows], plane, dx| {
            layout.widen(nth(grad, plane, result_size), rows);
            image.fill(0.0);
            let taps = layout.taps(nth(weight, plane % geometry.groups, geometry.area()));
            host::vectorised(Scatter { grad: rows, taps, dx: image });
            layout.collect(image, dx);
        },
    )
}

/// The gradient of the filters.
pub(super) fn of_filters(geometry: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let layout = Layout::new(geometry);
    let [image_size, result_size] = layout.sizes;
    let mut dw = vec![0.0; geometry.groups * geometry.area()];
    dw.par_chunks_mut(geometry.area()).enumerate().for_each_init(
        || layout.space(),
        |[image, rows], (channel, dw)| {
            for plane in (0..geometry.batch).map(|image| image * geometry.groups + channel) {
                layout.spread(nth(x, plane, image_size), image);
                layout.widen(nth(grad, plane, result_size), rows);
                host::vectorised(Dots { x: image, grad: rows, places: &layout.places, dw });
            }
        },
    );
    dw
}

/// Planes that are worth a thread.
fn grain(size: usize) -> usize {
    GRAIN.div_ceil(size.max(1))
}

fn nth(numbers: &[f32], at: usize, size: usize) -> &[f32] {
    &numbers[at * size..(at + 1) * size]
}

/// How an image of one channel is laid out.
struct Layout {
    /// Numbers of an image and of its results, without margins.
    sizes: [usize; 2],
    /// Of the rows of each of the s² images.
    width: usize,
    /// Numbers of all of them.
    size: usize,
    /// From the first result to the last, with what is between.
    results: usize,
    /// o_k
    places: Vec<usize>,
    /// Runs of numbers that are there, and not margin.
    runs: Vec<Run>,
    stride: usize,
    /// Numbers in a row of results.
    columns: usize,
}

/// Some numbers of a row: where they begin in the layout and in the image, where they are `stride` apart.
struct Run {
    to: usize,
    from: usize,
    len: usize,
}

impl Layout {
    fn new(geometry: &Geometry) -> Self {
        let ([down, across], [rows, columns]) = (geometry.stride, geometry.kernel);
        let reach = |i: usize| (geometry.kernel[i] - 1) * geometry.dilation[i] / geometry.stride[i];
        let (height, width) = (geometry.output[1] + reach(0), geometry.output[2] + reach(1));
        let image = |a: usize, b: usize| (a * across + b) * height * width;
        let place = |k: usize| {
            let [u, v] = [k / columns * geometry.dilation[0], k % columns * geometry.dilation[1]];
            image(u % down, v % across) + u / down * width + v / across
        };
        let mut runs = Vec::new();
        for a in 0..down {
            for i in 0..height {
                let row = (down * i + a).checked_sub(geometry.padding[0]);
                let Some(row) = row.filter(|row| *row < geometry.input[1]) else { continue };
                for b in 0..across {
                    let first = geometry.padding[1].saturating_sub(b).div_ceil(across);
                    let end = (geometry.input[2] + geometry.padding[1]).saturating_sub(b).div_ceil(across);
                    let end = end.min(width);
                    if first < end {
                        let from = row * geometry.input[2] + across * first + b - geometry.padding[1];
                        runs.push(Run { to: image(a, b) + i * width + first, from, len: end - first });
                    }
                }
            }
        }
        Self {
            sizes: [geometry.input[1] * geometry.input[2], geometry.positions()],
            width,
            size: down * across * height * width,
            results: (geometry.output[1] - 1) * width + geometry.output[2],
            places: (0..rows * columns).map(place).collect(),
            runs,
            stride: across,
            columns: geometry.output[2],
        }
    }

    /// Zeros for an image and for results, a block longer than they are.
    fn space(&self) -> [Vec<f32>; 2] {
        [vec![0.0; self.size + BLOCK], vec![0.0; self.results.next_multiple_of(BLOCK)]]
    }

    /// Writes the image into zeros, or over another of the same layout.
    fn spread(&self, x: &[f32], image: &mut [f32]) {
        for Run { to, from, len } in &self.runs {
            let image = &mut image[*to..][..*len];
            match self.stride {
                1 => image.copy_from_slice(&x[*from..][..*len]),
                stride => {
                    image
                        .iter_mut()
                        .zip(x[*from..].iter().step_by(stride))
                        .for_each(|(image, x)| *image = *x);
                }
            }
        }
    }

    /// Writes the image without its margins.
    fn collect(&self, image: &[f32], x: &mut [f32]) {
        for Run { to, from, len } in &self.runs {
            let image = &image[*to..][..*len];
            match self.stride {
                1 => x[*from..][..*len].copy_from_slice(image),
                stride => {
                    x[*from..].iter_mut().step_by(stride).zip(image).for_each(|(x, image)| *x = *image);
                }
            }
        }
    }

    /// Writes results with zeros between their rows, into zeros or over others.
    fn widen(&self, grad: &[f32], rows: &mut [f32]) {
        for (grad, rows) in grad.chunks_exact(self.columns).zip(rows.chunks_mut(self.width)) {
            rows[..self.columns].copy_from_slice(grad);
        }
    }

    /// o_k and w_k
    fn taps<'a>(&'a self, filter: &'a [f32]) -> impl Iterator<Item = (usize, f32)> + Clone + use<'a> {
        self.places.iter().copied().zip(filter.iter().copied())
    }
}

struct Sum<'a, T> {
    x: &'a [f32],
    taps: T,
    bias: f32,
    /// Whole blocks.
    y: &'a mut [f32],
}

impl<T: Iterator<Item = (usize, f32)> + Clone> Loop for Sum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (block, y) in self.y.chunks_exact_mut(BLOCK).enumerate() {
            let mut sums = [self.bias; BLOCK];
            for (place, weight) in self.taps.clone() {
                let x = &self.x[block * BLOCK + place..][..BLOCK];
                for lane in 0..BLOCK {
                    sums[lane] += weight * x[lane];
                }
            }
            y.copy_from_slice(&sums);
        }
    }
}

struct Scatter<'a, T> {
    grad: &'a [f32],
    taps: T,
    dx: &'a mut [f32],
}

impl<T: Iterator<Item = (usize, f32)>> Loop for Scatter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (place, weight) in self.taps {
            // Behind the last result are zeros, and behind the image a block.
            self.dx[place..].iter_mut().zip(self.grad).for_each(|(dx, g)| *dx += weight * *g);
        }
    }
}

struct Dots<'a> {
    x: &'a [f32],
    /// With zeros between the rows.
    grad: &'a [f32],
    places: &'a [usize],
    dw: &'a mut [f32],
}

impl Loop for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (dw, place) in self.dw.iter_mut().zip(self.places) {
            let x = &self.x[*place..][..self.grad.len()];
            *dw += host::sum_of_products(self.grad, x, |g, x| g * x);
        }
    }
}

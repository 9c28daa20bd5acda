//! The three products of a convolution whose filters see several channels: the result, and the gradients of the image and of the
//! filters.
//!
//! With X the columns of an image, W the filters as rows and G the gradient of the result:
//!
//! ```text
//! Y = W·X        dX = Wᵀ·G, each column added back to where it came from        dW = Σ G·Xᵀ
//! ```
//!
//! Images are done side by side, a block of columns at a time, so that these stay in a core's cache. What is computed does not
//! depend on how many threads there are.

use std::ops::Range;

use rayon::prelude::*;

use super::columns::{Fold, Unfold, add};
use super::geometry::Geometry;
use crate::kernels::memory::{parts, scratch};
use crate::kernels::product::{Matrix, multiply};

/// Parts that the gradient of filters is computed in, side by side.
const PARTS: usize = 8;

/// Numbers of all filters up to which the parts are sums over images; with more of them they are the gradients of some channels.
const SUM: usize = 1 << 16;

/// The results, `bias` being where they start from.
pub(super) fn forward(geometry: &Geometry, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    in_chunks(geometry, geometry.result(), |start, images, alone, y| {
        let x = some_images(x, geometry.image(), start, images);
        if let Some(bias) = bias {
            let planes = y.chunks_exact_mut(geometry.positions());
            planes.zip(bias.iter().cycle()).for_each(|(y, bias)| y.fill(*bias));
        }
        for (rows, group) in work(geometry, images) {
            let count = rows.len() * geometry.output[2];
            scratch(sizes(geometry, images, count), |[columns, apart]| {
                let columns = unfold(geometry, x, geometry.channels_of(group), &rows, columns);
                let factors = [filters(geometry, weight, group), columns];
                if images == 1 {
                    let y = &mut y[place(geometry, group, &rows)..];
                    return multiply(y, geometry.positions(), factors, bias.is_some(), alone);
                }
                multiply(apart, count, factors, false, alone);
                for (line, plane) in planes(geometry, group, images) {
                    add(&mut y[plane], &apart[line]);
                }
            });
        }
    })
}

/// The gradient of the images from that of the results.
pub(super) fn of_images(geometry: &Geometry, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    in_chunks(geometry, geometry.image(), |start, images, alone, dx| {
        let grad = some_images(grad, geometry.result(), start, images);
        for (rows, group) in work(geometry, images) {
            let (count, channels) = (rows.len() * geometry.output[2], geometry.channels_of(group));
            scratch(sizes(geometry, images, count), |[columns, apart]| {
                let grad = gradient(geometry, grad, group, &rows, apart);
                let factors = [filters(geometry, weight, group).transposed(), grad];
                if images == 1 && geometry.is_pointwise() {
                    let start = channels.start * geometry.positions() + rows.start * geometry.output[2];
                    return multiply(&mut dx[start..], geometry.positions(), factors, false, alone);
                }
                multiply(columns, count, factors, false, alone);
                Fold { geometry, images: dx, channels, rows, columns }.run();
            });
        }
    })
}

/// The gradient of the filters.
pub(super) fn of_filters(geometry: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let ([all, ..], numbers) = (geometry.input, geometry.output[0] * geometry.patch());
    let batch = 0..geometry.batch;
    if geometry.groups > 1 {
        let part =
            |group| part(geometry, x, grad, (group, geometry.channels_of(group)), batch.clone(), false);
        let parts: Vec<Vec<f32>> = (0..geometry.groups).into_par_iter().map(part).collect();
        return parts.concat();
    }
    if numbers <= SUM {
        // Whole shares of what is multiplied at once.
        let share = geometry.batch.div_ceil(PARTS).next_multiple_of(geometry.images());
        let shares: Vec<_> = batch.step_by(share).map(|at| at..geometry.batch.min(at + share)).collect();
        let alone = shares.len() == 1;
        let part = |images| part(geometry, x, grad, (0, 0..all), images, alone);
        let parts: Vec<Vec<f32>> = shares.into_par_iter().map(part).collect();
        let mut parts = parts.into_iter();
        let mut sum = parts.next().unwrap_or_default();
        parts.for_each(|part| add(&mut sum, &part));
        return sum;
    }
    let share = all.div_ceil(PARTS);
    let shares: Vec<_> = (0..all).step_by(share).map(|at| at..all.min(at + share)).collect();
    let part = |channels: &Range<usize>| {
        part(geometry, x, grad, (0, channels.clone()), batch.clone(), shares.len() == 1)
    };
    let parts: Vec<Vec<f32>> = shares.par_iter().map(part).collect();
    let mut together = vec![0.0; numbers];
    for (channels, part) in shares.iter().zip(parts) {
        let (start, width) = (channels.start * geometry.area(), channels.len() * geometry.area());
        let rows = together.chunks_exact_mut(geometry.patch()).zip(part.chunks_exact(width));
        rows.for_each(|(row, part)| row[start..start + width].copy_from_slice(part));
    }
    together
}

/// Of the filters of a group, what some channels and images give.
fn part(
    geometry: &Geometry,
    x: &[f32],
    grad: &[f32],
    (group, channels): (usize, Range<usize>),
    batch: Range<usize>,
    alone: bool,
) -> Vec<f32> {
    let width = channels.len() * geometry.area();
    let mut sum = vec![0.0; geometry.filters() * width];
    for start in batch.clone().step_by(geometry.images()) {
        let images = geometry.images().min(batch.end - start);
        let x = some_images(x, geometry.image(), start, images);
        let grad = some_images(grad, geometry.result(), start, images);
        for rows in geometry.blocks(images) {
            let count = rows.len() * geometry.output[2];
            scratch(sizes(geometry, images, count), |[columns, apart]| {
                let columns = unfold(geometry, x, channels.clone(), &rows, columns);
                let factors = [gradient(geometry, grad, group, &rows, apart), columns.transposed()];
                multiply(&mut sum, width, factors, true, alone);
            });
        }
    }
    sum
}

/// `size` numbers for each image, zero before `run` is given the first image of some, how many these are, whether they are all, and
/// their numbers.
fn in_chunks(
    geometry: &Geometry,
    size: usize,
    run: impl Fn(usize, usize, bool, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let images = geometry.images();
    parts(
        [geometry.batch * size, images * size, 1],
        || (),
        |(), chunk, numbers| {
            run(chunk * images, numbers.len() / size, geometry.batch <= images, numbers);
        },
    )
}

/// Blocks of rows, and groups of channels in each.
fn work(geometry: &Geometry, images: usize) -> impl Iterator<Item = (Range<usize>, usize)> + use<> {
    let groups = geometry.groups;
    geometry.blocks(images).flat_map(move |rows| (0..groups).map(move |group| (rows.clone(), group)))
}

fn some_images(numbers: &[f32], size: usize, start: usize, count: usize) -> &[f32] {
    &numbers[start * size..(start + count) * size]
}

/// The filters of a group as rows.
fn filters<'a>(geometry: &Geometry, weight: &'a [f32], group: usize) -> Matrix<'a> {
    let size = [geometry.filters(), geometry.patch()];
    Matrix::new(&weight[group * size[0] * size[1]..], size, size[1])
}

/// The columns of some rows, in `space` unless the image is its own columns.
fn unfold<'a>(
    geometry: &Geometry,
    images: &'a [f32],
    channels: Range<usize>,
    rows: &Range<usize>,
    space: &'a mut [f32],
) -> Matrix<'a> {
    let (count, lines) = (rows.len() * geometry.output[2], channels.len() * geometry.area());
    if images.len() == geometry.image() && geometry.is_pointwise() {
        let start = channels.start * geometry.positions() + rows.start * geometry.output[2];
        return Matrix::new(&images[start..], [lines, count], geometry.positions());
    }
    let columns = &mut space[..lines * count];
    Unfold { geometry, images, channels, rows: rows.clone(), columns }.run();
    Matrix::new(space, [lines, count], count)
}

/// The gradient of some rows of results, `[filters, columns]`, in `space` if it is that of several images.
fn gradient<'a>(
    geometry: &Geometry,
    grad: &'a [f32],
    group: usize,
    rows: &Range<usize>,
    space: &'a mut [f32],
) -> Matrix<'a> {
    let (images, count) = (grad.len() / geometry.result(), rows.len() * geometry.output[2]);
    if images == 1 {
        let grad = &grad[place(geometry, group, rows)..];
        return Matrix::new(grad, [geometry.filters(), count], geometry.positions());
    }
    for (line, plane) in planes(geometry, group, images) {
        space[line].copy_from_slice(&grad[plane]);
    }
    Matrix::new(space, [geometry.filters(), count], count)
}

/// Where some rows of a group's first result begin in an image's results.
fn place(geometry: &Geometry, group: usize, rows: &Range<usize>) -> usize {
    group * geometry.filters() * geometry.positions() + rows.start * geometry.output[2]
}

/// Each result of each image: where it is among rows of several images, and where in the tensor.
fn planes(
    geometry: &Geometry,
    group: usize,
    images: usize,
) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<> {
    let (geometry, len) = (*geometry, geometry.positions());
    (0..geometry.filters()).flat_map(move |filter| {
        (0..images).map(move |image| {
            let apart = (filter * images + image) * len;
            let start = image * geometry.result() + (group * geometry.filters() + filter) * len;
            (apart..apart + len, start..start + len)
        })
    })
}

/// Numbers of columns, and of results of several images.
fn sizes(geometry: &Geometry, images: usize, count: usize) -> [usize; 2] {
    [geometry.patch() * count, if images > 1 { geometry.filters() * count } else { 0 }]
}

//! An image as columns: under each position of the filter what the filter meets there, and back again.

use std::ops::Range;

use super::geometry::Geometry;
use crate::host::{self, Loop};

/// What the filter meets, `[channels · area, columns]`: a column for each position in `rows` of the results of `images`.
pub(super) struct Unfold<'a> {
    pub(super) geometry: &'a Geometry,
    /// Some images, whole, all channels.
    pub(super) images: &'a [f32],
    pub(super) channels: Range<usize>,
    pub(super) rows: Range<usize>,
    pub(super) columns: &'a mut [f32],
}

/// The sum, over all that met it, of what stands in the columns, added to each number of the images.
pub(super) struct Fold<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) images: &'a mut [f32],
    pub(super) channels: Range<usize>,
    pub(super) rows: Range<usize>,
    /// Left changed where the filter hangs over an edge.
    pub(super) columns: &'a mut [f32],
}

impl Unfold<'_> {
    pub(super) fn run(self) {
        let Self { geometry, images, channels, rows, columns } = self;
        let ([_, height, width], count) = (geometry.input, rows.len() * geometry.output[2]);
        for (line, (channel, u, v)) in columns.chunks_exact_mut(count.max(1)).zip(lines(geometry, channels)) {
            let (inside, first) = geometry.columns(v);
            let planes = |image: usize| &images[image * geometry.image() + channel * height * width..];
            if let Some(shift) = whole(geometry, u, v) {
                for (image, at, part) in by_image(geometry, rows.clone()) {
                    let part = &mut line[part];
                    let plane = &planes(image)[..height * width];
                    let (skip, from, len) = overlap(at * width, part.len(), shift, plane.len());
                    part[..skip].fill(0.0);
                    part[skip..skip + len].copy_from_slice(&plane[from..from + len]);
                    part[skip + len..].fill(0.0);
                    edges(part, width, &inside);
                }
                continue;
            }
            for (row, out) in rows.clone().zip(line.chunks_exact_mut(geometry.output[2])) {
                let (image, at) = (row / geometry.output[1], row % geometry.output[1]);
                let Some(row) = geometry.row(at, u) else {
                    out.fill(0.0);
                    continue;
                };
                let source = &planes(image)[row * width..][..width];
                out[..inside.start].fill(0.0);
                out[inside.end..].fill(0.0);
                let out = &mut out[inside.clone()];
                match geometry.stride[1] {
                    1 => out.copy_from_slice(&source[first..][..out.len()]),
                    stride => out
                        .iter_mut()
                        .zip(source[first..].iter().step_by(stride))
                        .for_each(|(out, x)| *out = *x),
                }
            }
        }
    }
}

impl Fold<'_> {
    pub(super) fn run(self) {
        host::vectorised(self);
    }
}

impl Loop for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { geometry, images, channels, rows, columns } = self;
        let ([_, height, width], count) = (geometry.input, rows.len() * geometry.output[2]);
        for (line, (channel, u, v)) in columns.chunks_exact_mut(count.max(1)).zip(lines(geometry, channels)) {
            let (inside, first) = geometry.columns(v);
            let start = |image: usize| image * geometry.image() + channel * height * width;
            if let Some(shift) = whole(geometry, u, v) {
                for (image, at, part) in by_image(geometry, rows.clone()) {
                    let part = &mut line[part];
                    edges(part, width, &inside);
                    let plane = &mut images[start(image)..][..height * width];
                    let (skip, from, len) = overlap(at * width, part.len(), shift, plane.len());
                    add(&mut plane[from..from + len], &part[skip..skip + len]);
                }
                continue;
            }
            for (row, line) in rows.clone().zip(line.chunks_exact(geometry.output[2])) {
                let (image, at) = (row / geometry.output[1], row % geometry.output[1]);
                let Some(row) = geometry.row(at, u) else { continue };
                let target = &mut images[start(image) + row * width..][..width];
                let line = &line[inside.clone()];
                match geometry.stride[1] {
                    1 => add(&mut target[first..][..line.len()], line),
                    stride => target[first..]
                        .iter_mut()
                        .step_by(stride)
                        .zip(line)
                        .for_each(|(target, x)| *target += *x),
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn add(target: &mut [f32], x: &[f32]) {
    for (target, x) in target.iter_mut().zip(x) {
        *target += *x;
    }
}

/// Channel, row and column of the filter, in the order of a filter's numbers.
#[inline(always)]
fn lines(geometry: &Geometry, channels: Range<usize>) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    let [rows, columns] = geometry.kernel;
    channels.flat_map(move |c| (0..rows).flat_map(move |u| (0..columns).map(move |v| (c, u, v))))
}

/// How far a map of equal width is moved by row `u` and column `v` of the filter, if results and image agree line by line.
#[inline(always)]
fn whole(geometry: &Geometry, u: usize, v: usize) -> Option<isize> {
    let [_, _, width] = geometry.input;
    let equal = geometry.stride == [1, 1] && geometry.output[2] == width;
    let offset = |i: usize, at: usize| (at * geometry.dilation[i]) as isize - geometry.padding[i] as isize;
    equal.then(|| offset(0, u) * width as isize + offset(1, v))
}

/// Image, first row and place among the columns of each image's share of `rows`.
#[inline(always)]
fn by_image(
    geometry: &Geometry,
    rows: Range<usize>,
) -> impl Iterator<Item = (usize, usize, Range<usize>)> + use<> {
    let [_, height, width] = geometry.output;
    let last = rows.end.div_ceil(height.max(1));
    (rows.start / height.max(1)..last).map(move |image| {
        let (from, to) = (rows.start.max(image * height), rows.end.min((image + 1) * height));
        (image, from - image * height, (from - rows.start) * width..(to - rows.start) * width)
    })
}

/// Of `count` places from `at` on, moved by `shift` into a plane of `len`: how many lie before it, where the others begin there,
/// and how many lie in it.
#[inline(always)]
fn overlap(at: usize, count: usize, shift: isize, len: usize) -> (usize, usize, usize) {
    let start = at as isize + shift;
    let skip = (-start).clamp(0, count as isize) as usize;
    let from = (start + skip as isize).clamp(0, len as isize) as usize;
    (skip, from, (count - skip).min(len - from))
}

/// Zeros where the filter hangs over the left or the right edge.
#[inline(always)]
fn edges(part: &mut [f32], width: usize, inside: &Range<usize>) {
    if *inside != (0..width) {
        for row in part.chunks_exact_mut(width) {
            row[..inside.start].fill(0.0);
            row[inside.end..].fill(0.0);
        }
    }
}

//! Which place of which level is answerable for which thing.
//!
//! A place (x, y) of a level with stride s is a candidate for a box with centre (c_x, c_y) when
//!
//! ```text
//! it lies inside the box              l, t, r, b > 0                     the four distances to the edges
//! it lies near the middle             max(|x − c_x|, |y − c_y|) < ρ·s    from the edge a thing is hard to tell
//! the level is right for its size     a·s/2 < max(l, t, r, b) ≤ a·s      no bound on the finest and coarsest level
//! ```
//!
//! Of several boxes it takes the smallest: the large one has other places. A place without a box is background.
//!
//! From Z. Tian et al., *FCOS: fully convolutional one-stage object detection*, ICCV 2019
//! (<https://arxiv.org/abs/1904.01355>), with the centre sampling of the authors' code.

use super::Object;
use super::boxes::area;

/// A place of a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// Its column in the image, in pixels.
    pub x: f32,
    /// Its row.
    pub y: f32,
    /// Pixels to the next place.
    pub stride: f32,
    /// Which level of the pyramid, the finest first.
    pub level: usize,
    /// Things whose farthest edge is farther than the first and at most the second belong to it.
    pub range: [f32; 2],
}

/// The places of all levels, row by row; each in the middle of the pixels it stands for.
///
/// `sizes` are `[height, width]` of the levels, `scale` is a in the [page](self).
pub(super) fn locations(sizes: &[[usize; 2]], strides: &[usize], scale: f64) -> Vec<Location> {
    let mut locations = Vec::new();
    for (level, (&[height, width], &stride)) in sizes.iter().zip(strides).enumerate() {
        let stride = stride as f32;
        let bound = scale as f32 * stride;
        let least = if level == 0 { 0.0 } else { bound / 2.0 };
        let most = if level + 1 == sizes.len() { f32::INFINITY } else { bound };
        let middle = |i: usize| (i as f32 + 0.5) * stride;
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            locations.push(Location {
                x: middle(column),
                y: middle(row),
                stride,
                level,
                range: [least, most],
            });
        }
    }
    locations
}

/// The object each place is answerable for, by its number; none for background. `radius` is ρ in the [page](self).
pub fn assign(locations: &[Location], objects: &[Object], radius: f64) -> Vec<Option<usize>> {
    let of = |location: &Location| {
        let candidates = objects.iter().enumerate().filter(|(_, object)| {
            let [x1, y1, x2, y2] = object.bounds;
            let distances = distances(location, object.bounds);
            let farthest = distances.into_iter().fold(f32::NEG_INFINITY, f32::max);
            let off = (location.x - (x1 + x2) / 2.0).abs().max((location.y - (y1 + y2) / 2.0).abs());
            distances.into_iter().all(|distance| distance > 0.0)
                && off < radius as f32 * location.stride
                && farthest > location.range[0]
                && farthest <= location.range[1]
        });
        let smallest = candidates.min_by(|a, b| area(a.1.bounds).total_cmp(&area(b.1.bounds)));
        smallest.map(|(number, _)| number)
    };
    locations.iter().map(of).collect()
}

/// Distances l, t, r, b to the edges of a box; negative outside.
pub(super) fn distances(location: &Location, [x1, y1, x2, y2]: [f32; 4]) -> [f32; 4] {
    [location.x - x1, location.y - y1, x2 - location.x, y2 - location.y]
}

/// 1 in the middle of a box, 0 at its edges: √(min(l, r)/max(l, r) · min(t, b)/max(t, b)).
pub(super) fn centerness([l, t, r, b]: [f32; 4]) -> f32 {
    (l.min(r) / l.max(r) * (t.min(b) / t.max(b))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(bounds: [f32; 4]) -> Object {
        Object { bounds, class: 0 }
    }

    /// Levels of stride 4 and 8 on 32 × 32 pixels.
    fn two_levels() -> Vec<Location> {
        locations(&[[8, 8], [4, 4]], &[4, 8], 4.0)
    }

    #[test]
    fn places_are_the_middles_of_their_pixels() {
        let places = two_levels();
        assert_eq!(places.len(), 64 + 16);
        assert_eq!((places[9].x, places[9].y, places[9].level), (6.0, 6.0, 0));
        assert_eq!((places[64].x, places[79].y, places[64].level), (4.0, 28.0, 1));
        assert_eq!(places[0].range, [0.0, 16.0]);
        assert_eq!(places[64].range, [16.0, f32::INFINITY]);
    }

    #[test]
    fn a_thing_is_found_near_its_middle_on_the_level_for_its_size() {
        let places = two_levels();
        let assigned = assign(&places, &[object([4.0, 4.0, 16.0, 16.0])], 1.0);
        let found: Vec<(f32, f32, usize)> = places
            .iter()
            .zip(&assigned)
            .filter_map(|(place, object)| object.map(|_| (place.x, place.y, place.level)))
            .collect();
        // The centre is (10, 10), itself a place; its neighbours lie a whole stride away.
        assert_eq!(found, [(10.0, 10.0, 0)]);
        let large = assign(&places, &[object([0.0, 0.0, 32.0, 32.0])], 1.0);
        assert!(places.iter().zip(&large).all(|(place, object)| object.is_none() || place.level == 1));
        assert_eq!(large.iter().flatten().count(), 4);
    }

    #[test]
    fn the_smaller_of_two_things_takes_the_place() {
        let places = two_levels();
        let objects = [object([2.0, 2.0, 14.0, 14.0]), object([4.0, 4.0, 12.0, 12.0])];
        let at = places.iter().position(|place| (place.x, place.y) == (6.0, 6.0)).unwrap();
        assert_eq!(assign(&places, &objects, 1.5)[at], Some(1));
        assert_eq!(assign(&places, &objects[..1], 1.5)[at], Some(0));
        assert!(assign(&places, &[], 1.5).iter().all(Option::is_none));
    }

    #[test]
    fn centerness_is_one_in_the_middle_only() {
        assert_eq!(centerness([3.0, 5.0, 3.0, 5.0]), 1.0);
        assert!((centerness([1.0, 2.0, 4.0, 2.0]) - 0.5).abs() < 1e-7);
        assert_eq!(centerness([0.0, 2.0, 4.0, 2.0]), 0.0);
    }
}

//! What becomes of boxes and points when the image moves under its frame.

use serde::{Deserialize, Serialize};

use super::Projection;
use crate::image::{BoundingBox, Keypoint, Object, Sample};

/// What becomes of objects that a transformation moves out of the image, in part or altogether.
///
/// The four corners of a box are mapped, the quadrilateral between them is cut along the image's edges, and
/// the new box is the smallest around what is left. So a box that was turned grows (it must hold the turned
/// object, of which only the old box is known), and one that was cut never sticks out. An object is dropped
/// with its box and keypoints when the cut leaves nothing of it, or less than these bounds say. An object
/// that was not cut is never dropped.
///
/// The fraction counts for one transformation: half of a half is a quarter, and passes `min_visible = 0.4`
/// twice. Where that matters, cut once: crop last.
///
/// Keypoints are never dropped, because their order says what they are; one outside the image has
/// `visible: false` and keeps its position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutOfFrame {
    /// The fraction of a box's area that must stay in the image. Default: 0, as in torchvision.
    pub min_visible: f32,
    /// The width and height in pixels that a cut box must keep. Default: 1, the `min_size` of torchvision's
    /// `SanitizeBoundingBoxes`.
    pub min_side: f32,
}

impl Default for OutOfFrame {
    fn default() -> Self {
        Self { min_visible: 0.0, min_side: 1.0 }
    }
}

impl OutOfFrame {
    /// Drops objects of whose box less than this fraction stays in the image.
    pub fn min_visible(fraction: f32) -> Self {
        Self { min_visible: fraction, ..Self::default() }
    }

    /// Carries the boxes and points of `sample`, whose image was of size `from`, into an image of size `to`.
    pub(crate) fn carry(&self, sample: &mut Sample, map: &Projection, from: [usize; 2], to: [usize; 2]) {
        sample.objects.retain_mut(|object| self.object(object, map, from, to));
        for point in &mut sample.keypoints {
            carry_point(point, map, to);
        }
    }

    /// Moves an object; whether it stays.
    fn object(&self, object: &mut Object, map: &Projection, from: [usize; 2], to: [usize; 2]) -> bool {
        let quad = quad(&object.bounds, map).or_else(|| quad(&object.bounds.clipped(from), map));
        let Some(quad) = quad else { return false };
        let whole = area(&quad);
        let rest = cut(quad.to_vec(), to);
        let left = area(&rest);
        let Some(bounds) = envelope(&rest) else { return false };
        let is_cut = left < whole * (1.0 - 1e-9);
        if is_cut
            && (left <= 0.0
                || left < f64::from(self.min_visible) * whole
                || bounds.width() < self.min_side
                || bounds.height() < self.min_side)
        {
            return false;
        }
        object.bounds = bounds;
        for point in &mut object.keypoints {
            carry_point(point, map, to);
        }
        true
    }
}

fn carry_point(point: &mut Keypoint, map: &Projection, [height, width]: [usize; 2]) {
    match map.map([point.x.into(), point.y.into()]) {
        Some([x, y]) => {
            (point.x, point.y) = (x as f32, y as f32);
            let inside = (0.0..=width as f32).contains(&point.x) && (0.0..=height as f32).contains(&point.y);
            point.visible &= inside;
        }
        None => point.visible = false,
    }
}

/// The corners of a box, mapped, in turn.
fn quad(bounds: &BoundingBox, map: &Projection) -> Option<[[f64; 2]; 4]> {
    let [left, top, right, bottom] = bounds.corners().map(f64::from);
    let mut quad = [[left, top], [right, top], [right, bottom], [left, bottom]];
    for corner in &mut quad {
        *corner = map.map(*corner)?;
    }
    Some(quad)
}

/// The shoelace formula, whichever way round.
fn area(corners: &[[f64; 2]]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    let twice: f64 = corners.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum();
    twice.abs() / 2.0
}

/// The part of a convex polygon inside the image: cut along one edge after the other (Sutherland and
/// Hodgman, *Reentrant polygon clipping*, 1974, <https://doi.org/10.1145/360767.360802>).
fn cut(mut corners: Vec<[f64; 2]>, [height, width]: [usize; 2]) -> Vec<[f64; 2]> {
    // Axis, bound, and the sign that makes inside positive.
    for (axis, bound, sign) in
        [(0, 0.0, 1.0), (0, width as f64, -1.0), (1, 0.0, 1.0), (1, height as f64, -1.0)]
    {
        let depth = |corner: &[f64; 2]| sign * (corner[axis] - bound);
        let mut kept = Vec::with_capacity(corners.len() + 1);
        for (index, corner) in corners.iter().enumerate() {
            let next = &corners[(index + 1) % corners.len()];
            let (here, there) = (depth(corner), depth(next));
            if here >= 0.0 {
                kept.push(*corner);
            }
            if (here > 0.0 && there < 0.0) || (here < 0.0 && there > 0.0) {
                let t = here / (here - there);
                let mut crossing =
                    [corner[0] + t * (next[0] - corner[0]), corner[1] + t * (next[1] - corner[1])];
                crossing[axis] = bound;
                kept.push(crossing);
            }
        }
        corners = kept;
    }
    corners
}

fn envelope(corners: &[[f64; 2]]) -> Option<BoundingBox> {
    let first = corners.first()?;
    let [mut low, mut high] = [*first; 2];
    for corner in corners {
        for axis in 0..2 {
            low[axis] = low[axis].min(corner[axis]);
            high[axis] = high[axis].max(corner[axis]);
        }
    }
    Some(BoundingBox::from_corners([low[0], low[1], high[0], high[1]].map(|value| value as f32)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Channels, Image};

    fn carried(corners: [f32; 4], map: Projection, policy: OutOfFrame) -> Option<[f32; 4]> {
        let image = Image::filled(0, [10, 10], Channels::Grey).unwrap();
        let object = Object::new(BoundingBox::from_corners(corners), 0);
        let mut sample = Sample::new(image).with_objects(vec![object]);
        policy.carry(&mut sample, &map, [10, 10], [10, 10]);
        sample.objects.first().map(|object| object.bounds.corners())
    }

    #[test]
    fn a_cut_box_ends_at_the_edge_and_a_lost_one_is_dropped() {
        let shift = |x| Projection::translation([x, 0.0]);
        let any = OutOfFrame::default();
        assert_eq!(carried([2.0, 2.0, 6.0, 4.0], shift(6.0), any), Some([8.0, 2.0, 10.0, 4.0]));
        assert_eq!(carried([2.0, 2.0, 6.0, 4.0], shift(8.0), any), None);
        assert_eq!(carried([2.0, 2.0, 6.0, 4.0], shift(7.5), any), None, "half a pixel is left");
        let half = OutOfFrame::min_visible(0.5);
        assert_eq!(carried([2.0, 2.0, 6.0, 4.0], shift(6.0), half), Some([8.0, 2.0, 10.0, 4.0]));
        assert_eq!(carried([2.0, 2.0, 6.0, 4.0], shift(6.1), half), None);
    }

    #[test]
    fn a_small_box_that_is_not_cut_stays() {
        let shrink = Projection::scaling([0.1, 0.1]);
        let strict = OutOfFrame { min_visible: 1.0, min_side: 5.0 };
        let [left, .., bottom] = carried([2.0, 2.0, 6.0, 4.0], shrink, strict).unwrap();
        assert!((left - 0.2).abs() < 1e-6 && (bottom - 0.4).abs() < 1e-6);
    }

    #[test]
    fn a_turned_box_is_cut_as_a_quadrilateral() {
        // A square of side 2√2 around the corner (0, 0), turned by 45°: its part in the image is the triangle
        // (0, 0), (2, 0), (0, 2), a quarter of it.
        let (sin, cos) = 45f64.to_radians().sin_cos();
        let turn = Projection::linear([[cos, -sin], [sin, cos]]);
        let half = 2f32.sqrt();
        let [left, top, right, bottom] =
            carried([-half, -half, half, half], turn, OutOfFrame::default()).unwrap();
        assert_eq!((left, top), (0.0, 0.0));
        assert!((right - 2.0).abs() < 1e-5 && (bottom - 2.0).abs() < 1e-5);
        assert!(carried([-half, -half, half, half], turn, OutOfFrame::min_visible(0.249)).is_some());
        assert!(carried([-half, -half, half, half], turn, OutOfFrame::min_visible(0.251)).is_none());
    }

    #[test]
    fn points_outside_are_kept_and_hidden() {
        let image = Image::filled(0, [10, 10], Channels::Grey).unwrap();
        let point = |x| Keypoint { x, y: 5.0, visible: true };
        let mut sample = Sample::new(image).with_keypoints(vec![point(1.0), point(9.0)]);
        let shift = Projection::translation([4.0, 0.0]);
        OutOfFrame::default().carry(&mut sample, &shift, [10, 10], [10, 10]);
        assert_eq!(sample.keypoints[0], point(5.0));
        assert_eq!(sample.keypoints[1], Keypoint { x: 13.0, y: 5.0, visible: false });
    }
}

//! Stamps on a canvas: what digit scenes and shapes share.

use crate::image::{BoundingBox, Channels, Image, Mask, Object, Sample};
use crate::random::Stream;
use crate::worlds::normal;
use crate::{Error, Key};

/// How often a place is looked for before an object is left out.
const TRIES: usize = 64;

/// What all scenes have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    pub(super) size: [usize; 2],
    pub(super) channels: Channels,
    /// Fewest and most objects.
    pub(super) count: [usize; 2],
    pub(super) max_overlap: f32,
    pub(super) noise: f32,
    /// How much of a pixel an object must cover to own it.
    pub(super) ink: f32,
}

/// An object before it has a place: how much of each pixel it covers, from 0 to 1.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    pub(super) coverage: Vec<f32>,
    pub(super) side: usize,
    pub(super) class: usize,
}

impl Stamp {
    /// `[left, top, right, bottom]` of the pixels it owns, the last two exclusive.
    fn extent(&self, ink: f32) -> Option<[usize; 4]> {
        let owned = self.coverage.iter().enumerate().filter(|&(_, &covered)| covered >= ink);
        owned.map(|(i, _)| (i % self.side, i / self.side)).fold(None, |extent, (x, y)| {
            let [left, top, right, bottom] = extent.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)])
        })
    }
}

impl Stage {
    /// Refuses what no scene can be made of; `sides` are the smallest and largest object.
    pub(super) fn check(&self, sides: [usize; 2]) -> Result<(), Error> {
        check_size(self.size)?;
        if self.count[0] > self.count[1] {
            return Err(Error::argument("count", "at least as many at most as at least", pair(self.count)));
        }
        let room = self.size[0].min(self.size[1]);
        if sides[0] > sides[1] || sides[1] > room {
            let expected = format!("a range of sides, none above the canvas's {room}");
            return Err(Error::argument("side", expected, pair(sides)));
        }
        if !(0.0..=1.0).contains(&self.max_overlap) {
            return Err(Error::argument("max_overlap", "a fraction from 0 to 1", self.max_overlap));
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return Err(Error::argument("noise", "a deviation of at least 0 grey levels", self.noise));
        }
        Ok(())
    }

    /// A scene of stamps that `draw` makes.
    pub(super) fn sample(
        &self,
        key: Key,
        mut draw: impl FnMut(&mut Stream) -> Stamp,
    ) -> Result<Sample, Error> {
        let [height, width] = self.size;
        let depth = self.channels.count();
        let mut stream = key.fold(0).stream();
        // Paper darker than ink, both of any colour: what tells them apart is the step, not the level.
        let paper: Vec<f32> = (0..depth).map(|_| stream.between(0.0, 96.0)).collect();
        let mut canvas: Vec<f32> = (0..height * width).flat_map(|_| paper.iter().copied()).collect();
        let mut mask = vec![0u8; height * width];
        let mut objects: Vec<Object> = Vec::new();

        let spread = (self.count[1] - self.count[0]) as u64 + 1;
        let wanted = self.count[0] + stream.below(spread) as usize;
        for _ in 0..wanted {
            let stamp = draw(&mut stream);
            let ink: Vec<f32> = (0..depth).map(|_| stream.between(160.0, 255.0)).collect();
            let Some([left, top, right, bottom]) = stamp.extent(self.ink) else { continue };
            let (w, h) = (right - left, bottom - top);
            let mut place = || {
                let x = stream.below((width - w) as u64 + 1) as usize;
                let y = stream.below((height - h) as u64 + 1) as usize;
                BoundingBox::from_corner_size([x as f32, y as f32, w as f32, h as f32])
            };
            let fits = |bounds: &BoundingBox| {
                objects.iter().all(|other| overlap(bounds, &other.bounds) <= self.max_overlap)
            };
            let Some(bounds) = (0..TRIES).map(|_| place()).find(fits) else { continue };

            // The stamp's own corner may lie outside the canvas: its faint rim is cut there.
            let (x0, y0) = (bounds.x_min as isize - left as isize, bounds.y_min as isize - top as isize);
            for (i, &covered) in stamp.coverage.iter().enumerate() {
                let x = x0 + (i % stamp.side) as isize;
                let y = y0 + (i / stamp.side) as isize;
                if covered <= 0.0 || x < 0 || y < 0 || x >= width as isize || y >= height as isize {
                    continue;
                }
                let at = y as usize * width + x as usize;
                for (value, ink) in canvas[at * depth..][..depth].iter_mut().zip(&ink) {
                    *value += covered * (ink - *value);
                }
                if covered >= self.ink {
                    mask[at] = stamp.class as u8 + 1;
                }
            }
            objects.push(Object::new(bounds, stamp.class));
        }

        let mut stream = key.fold(1).stream();
        let pixels = canvas
            .into_iter()
            .map(|value| {
                let noise = if self.noise > 0.0 { self.noise * normal(&mut stream) as f32 } else { 0.0 };
                (value + noise).round().clamp(0.0, 255.0) as u8
            })
            .collect();
        let image = Image::new(pixels, self.size, self.channels)?;
        Sample::new(image).with_objects(objects).with_mask(Mask::new(mask, self.size)?)
    }
}

/// The common area as a fraction of the smaller box.
pub(super) fn overlap(a: &BoundingBox, b: &BoundingBox) -> f32 {
    let width = (a.x_max.min(b.x_max) - a.x_min.max(b.x_min)).max(0.0);
    let height = (a.y_max.min(b.y_max) - a.y_min.max(b.y_min)).max(0.0);
    let smaller = a.area().min(b.area());
    if smaller > 0.0 { width * height / smaller } else { 0.0 }
}

fn check_size([height, width]: [usize; 2]) -> Result<(), Error> {
    let sides = 1..=4096;
    if sides.contains(&height) && sides.contains(&width) {
        return Ok(());
    }
    Err(Error::argument("size", "sides from 1 to 4,096", format_args!("{height}×{width}")))
}

fn pair([low, high]: [usize; 2]) -> String {
    format!("{low} to {high}")
}

/// What a test of any scene asks: boxes and mask say the same, and lie in the canvas.
#[cfg(test)]
pub(super) fn assert_boxes_are_those_of_the_mask(sample: &Sample) {
    let mask = sample.mask.as_ref().expect("a scene has a mask");
    let [height, width] = mask.size();
    let owners = |bounds: &BoundingBox, class: usize| {
        let [x0, y0, x1, y1] = bounds.corners().map(|edge| edge as usize);
        assert!(x1 <= width && y1 <= height && x0 < x1 && y0 < y1, "{bounds:?}");
        let inside = (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y)));
        let owned: Vec<_> =
            inside.filter(|&(x, y)| usize::from(mask.classes()[y * width + x]) == class + 1).collect();
        let (xs, ys): (Vec<_>, Vec<_>) = owned.iter().copied().unzip();
        let tight = [xs.iter().min(), ys.iter().min(), xs.iter().max(), ys.iter().max()];
        let tight = tight.map(|edge| *edge.expect("an object owns pixels"));
        assert_eq!(tight, [x0, y0, x1 - 1, y1 - 1]);
        owned.len()
    };
    let owned: usize = sample.objects.iter().map(|object| owners(&object.bounds, object.class)).sum();
    let inked = mask.classes().iter().filter(|&&class| class != 0).count();
    assert_eq!(owned, inked, "every pixel of the mask belongs to one box");
}

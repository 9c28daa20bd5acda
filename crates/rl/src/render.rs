//! # Frames
//!
//! What an environment looks like, as a plain buffer of RGB bytes: no window, no graphics library. An example makes a GIF of
//! them; a [`Frame`] converts to the `[3, height, width]` floats a network takes.

/// Red, green and blue, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(
    /// Red.
    pub u8,
    /// Green.
    pub u8,
    /// Blue.
    pub u8,
);

impl Rgb {
    /// Background.
    pub const WHITE: Self = Self(255, 255, 255);
    /// Bodies.
    pub const INK: Self = Self(45, 45, 50);
    /// Things of less interest.
    pub const MUTED: Self = Self(140, 140, 145);
    /// Cells, ground.
    pub const FAINT: Self = Self(225, 225, 230);
    /// Okabe and Ito's blue, safe for colour-blind readers, as the following.
    pub const BLUE: Self = Self(0, 114, 178);
    /// Their orange.
    pub const ORANGE: Self = Self(230, 159, 0);
    /// Their green.
    pub const GREEN: Self = Self(0, 158, 115);
    /// Their vermillion.
    pub const RED: Self = Self(213, 94, 0);
    /// Their sky blue.
    pub const SKY: Self = Self(86, 180, 233);
    /// Their yellow.
    pub const YELLOW: Self = Self(240, 228, 66);
}

/// A picture of `width` × `height` pixels, row by row from the top left, three bytes each.
///
/// ```
/// use fornax_rl::render::{Frame, Rgb};
///
/// let mut frame = Frame::new(8, 4, Rgb::WHITE);
/// frame.rectangle((2.0, 1.0), (4.0, 3.0), Rgb::BLUE);
/// assert_eq!(frame.at(3, 2), Some(Rgb::BLUE));
/// assert_eq!(frame.pixels().len(), 8 * 4 * 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Frame {
    /// A frame in one colour.
    pub fn new(width: usize, height: usize, color: Rgb) -> Self {
        let pixels = [color.0, color.1, color.2].repeat(width * height);
        Self { width, height, pixels }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `height · width · 3` bytes.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The colour at column `x` of row `y`.
    pub fn at(&self, x: usize, y: usize) -> Option<Rgb> {
        let start = (x < self.width && y < self.height).then(|| 3 * (y * self.width + x))?;
        self.pixels.get(start..start + 3).map(|p| Rgb(p[0], p[1], p[2]))
    }

    /// The frame as a network takes it: planes of red, green, blue, 0 to 1.
    ///
    /// # Shapes
    ///
    /// - output: `[3, height, width]`, row-major
    pub fn planes(&self) -> Vec<f32> {
        let plane = |c: usize| self.pixels.iter().skip(c).step_by(3).map(|&byte| f32::from(byte) / 255.0);
        (0..3).flat_map(plane).collect()
    }

    /// Colours every pixel whose centre has `inside(x, y)` > 0 fully, with a soft edge where it lies between 0 and 1.
    fn paint(&mut self, [left, top, right, bottom]: [f64; 4], color: Rgb, cover: impl Fn(f64, f64) -> f64) {
        let range = |low: f64, high: f64, size: usize| {
            (low.floor().max(0.0) as usize).min(size)..(high.ceil().max(0.0) as usize).min(size)
        };
        for y in range(top, bottom, self.height) {
            for x in range(left, right, self.width) {
                let part = cover(x as f64 + 0.5, y as f64 + 0.5).clamp(0.0, 1.0);
                let start = 3 * (y * self.width + x);
                for (byte, new) in self.pixels[start..start + 3].iter_mut().zip([color.0, color.1, color.2]) {
                    *byte = (f64::from(*byte) * (1.0 - part) + f64::from(new) * part).round() as u8;
                }
            }
        }
    }

    /// A filled rectangle between two corners, the lower numbers first.
    pub fn rectangle(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), color: Rgb) {
        self.paint([x0, y0, x1, y1], color, |x, y| {
            (0.5 + (x - x0).min(x1 - x)).clamp(0.0, 1.0) * (0.5 + (y - y0).min(y1 - y)).clamp(0.0, 1.0)
        });
    }

    /// A filled circle.
    pub fn disc(&mut self, (cx, cy): (f64, f64), radius: f64, color: Rgb) {
        let reach = radius + 1.0;
        self.paint([cx - reach, cy - reach, cx + reach, cy + reach], color, |x, y| {
            radius + 0.5 - (x - cx).hypot(y - cy)
        });
    }

    /// A line with round ends.
    pub fn line(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), width: f64, color: Rgb) {
        let reach = width / 2.0 + 1.0;
        let bounds = [x0.min(x1) - reach, y0.min(y1) - reach, x0.max(x1) + reach, y0.max(y1) + reach];
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length = (dx * dx + dy * dy).max(f64::MIN_POSITIVE);
        self.paint(bounds, color, |x, y| {
            let along = (((x - x0) * dx + (y - y0) * dy) / length).clamp(0.0, 1.0);
            width / 2.0 + 0.5 - (x - x0 - along * dx).hypot(y - y0 - along * dy)
        });
    }

    /// A filled convex polygon, its corners in either order.
    pub fn polygon(&mut self, corners: &[(f64, f64)], color: Rgb) {
        let fold = |f: fn(f64, f64) -> f64, start: f64, pick: fn(&(f64, f64)) -> f64| {
            corners.iter().map(pick).fold(start, f)
        };
        let bounds = [
            fold(f64::min, f64::INFINITY, |c| c.0),
            fold(f64::min, f64::INFINITY, |c| c.1),
            fold(f64::max, f64::NEG_INFINITY, |c| c.0),
            fold(f64::max, f64::NEG_INFINITY, |c| c.1),
        ];
        let edges = || corners.iter().zip(corners.iter().cycle().skip(1));
        let area: f64 = edges().map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
        self.paint(bounds, color, |x, y| {
            let distance = |(a, b): (&(f64, f64), &(f64, f64))| {
                let (dx, dy) = (b.0 - a.0, b.1 - a.1);
                area.signum() * (dx * (y - a.1) - dy * (x - a.0)) / dx.hypot(dy).max(f64::MIN_POSITIVE)
            };
            0.5 + edges().map(distance).fold(f64::INFINITY, f64::min)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(frame: &Frame, color: Rgb) -> usize {
        frame.pixels().chunks_exact(3).filter(|p| Rgb(p[0], p[1], p[2]) == color).count()
    }

    #[test]
    fn shapes_cover_their_area() {
        let draw = |f: &dyn Fn(&mut Frame)| {
            let mut frame = Frame::new(100, 100, Rgb::WHITE);
            f(&mut frame);
            count(&frame, Rgb::INK)
        };
        assert_eq!(draw(&|f| f.rectangle((10.0, 20.0), (30.0, 50.0), Rgb::INK)), 600);
        // Fully covered pixels: less than the area, more than the area of a disc smaller by one.
        let disc = draw(&|f| f.disc((50.0, 50.0), 20.0, Rgb::INK));
        assert!((1_134..=1_257).contains(&disc), "{disc}");
        let triangle = draw(&|f| f.polygon(&[(10.0, 10.0), (90.0, 10.0), (10.0, 90.0)], Rgb::INK));
        let backwards = draw(&|f| f.polygon(&[(10.0, 90.0), (90.0, 10.0), (10.0, 10.0)], Rgb::INK));
        assert!((2_980..=3_200).contains(&triangle) && triangle == backwards, "{triangle} {backwards}");
        let line = draw(&|f| f.line((10.0, 50.0), (90.0, 50.0), 6.0, Rgb::INK));
        assert!((480..=520).contains(&line), "{line}");
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut frame = Frame::new(10, 10, Rgb::WHITE);
        frame.disc((-50.0, 5.0), 3.0, Rgb::INK);
        frame.line((f64::NAN, 0.0), (5.0, 5.0), 2.0, Rgb::INK);
        frame.rectangle((-5.0, -5.0), (500.0, 5.0), Rgb::INK);
        assert_eq!(count(&frame, Rgb::INK), 50);
        assert_eq!(frame.at(10, 0), None);
    }

    #[test]
    fn planes_hold_the_same_pixels() {
        let mut frame = Frame::new(3, 2, Rgb(0, 51, 255));
        frame.rectangle((0.0, 0.0), (1.0, 1.0), Rgb(255, 0, 0));
        let planes = frame.planes();
        assert_eq!(planes.len(), 18);
        assert_eq!((planes[0], planes[6], planes[12]), (1.0, 0.0, 0.0));
        assert_eq!((planes[1], planes[7], planes[13]), (0.0, 0.2, 1.0));
    }
}

//! The surface every figure is drawn on: lengths in points, pixels at twice that.
//!
//! Plotters' bitmap backend holds the pixels and blends them. Strokes and text are rasterised here, because
//! plotters 0.3 draws wide lines without antialiasing and sets glyphs without their side bearings.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, ScaleFont, point};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color as _, RGBColor};

use super::{Color, Picture, PlotError};

/// Pixels per point.
pub(crate) const RESOLUTION: f64 = 2.0;
/// Height of a capital letter in ems, of the embedded font.
const CAP_HEIGHT: f64 = 0.729;
/// The longest side a picture may have, in pixels.
const LARGEST: u32 = 16_384;

struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

static FONTS: LazyLock<Option<Fonts>> = LazyLock::new(|| {
    Some(Fonts {
        regular: FontRef::try_from_slice(include_bytes!("font/DejaVuSans.ttf")).ok()?,
        bold: FontRef::try_from_slice(include_bytes!("font/DejaVuSans-Bold.ttf")).ok()?,
    })
});

/// Which point of a text its position is, horizontally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// How a text looks. Its vertical position is always the middle of a capital letter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    pub(crate) size: f64,
    pub(crate) color: Color,
    pub(crate) bold: bool,
    pub(crate) align: Align,
    /// Written upwards.
    pub(crate) upwards: bool,
}

impl Type {
    pub(crate) fn new(size: f64, color: Color) -> Self {
        Self { size, color, bold: false, align: Align::Left, upwards: false }
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }

    pub(crate) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }

    /// Width of `text` in points.
    pub(crate) fn width(self, text: &str) -> f64 {
        self.glyphs(text).1
    }

    /// Each glyph with its left pen position, and the pen at the end; in points.
    fn glyphs(self, text: &str) -> (Vec<(char, f64)>, f64) {
        let Some(fonts) = FONTS.as_ref() else { return (Vec::new(), 0.0) };
        let font = if self.bold { &fonts.bold } else { &fonts.regular };
        let scale = self.scale(font);
        let scaled = font.as_scaled(scale as f32);
        let mut pen = 0.0;
        let mut last = None;
        let mut placed = Vec::with_capacity(text.len());
        for character in text.chars() {
            let glyph = scaled.glyph_id(character);
            if let Some(last) = last {
                pen += f64::from(scaled.kern(last, glyph));
            }
            placed.push((character, pen));
            pen += f64::from(scaled.h_advance(glyph));
            last = Some(glyph);
        }
        (placed, pen)
    }

    /// `ab_glyph` measures a font by ascent minus descent; designers by the em.
    fn scale(self, font: &FontRef<'static>) -> f64 {
        let em = f64::from(font.units_per_em().unwrap_or(1.0));
        self.size * f64::from(font.height_unscaled()) / em
    }
}

/// Whatever it takes to draw: everything in points, from the upper left.
pub(crate) struct Canvas {
    size: (u32, u32),
    pixels: Vec<u8>,
    clip: Option<[f64; 4]>,
}

impl Canvas {
    /// White paper of `width` × `height` points.
    pub(crate) fn new(width: f64, height: f64) -> Result<Self, PlotError> {
        let size = [width, height].map(|side| (side * RESOLUTION).ceil() as u32);
        if size.iter().any(|&side| side == 0 || side > LARGEST) {
            let reason = format!("would be {} × {} pixels, more than {LARGEST} on a side", size[0], size[1]);
            return Err(PlotError::data("the picture", reason));
        }
        let pixels = vec![255; 3 * size[0] as usize * size[1] as usize];
        Ok(Self { size: (size[0], size[1]), pixels, clip: None })
    }

    pub(crate) fn finish(self) -> Picture {
        Picture::new(self.size, self.pixels)
    }

    /// Strokes stay inside `[left, top, right, bottom]` until the next call.
    pub(crate) fn clip(&mut self, area: Option<[f64; 4]>) {
        self.clip = area;
    }

    /// A filled rectangle, its edges on pixel borders.
    pub(crate) fn rect(&mut self, left: f64, top: f64, right: f64, bottom: f64, color: Color) {
        let [left, top, right, bottom] =
            [left, top, right, bottom].map(|edge| (edge * RESOLUTION).round() as i32);
        if right <= left || bottom <= top {
            return;
        }
        let style = RGBColor(color.0, color.1, color.2).filled();
        // A buffer backend cannot fail here; the lower right corner is exclusive.
        let _ = self.backend().draw_rect((left, top), (right, bottom), &style, true);
    }

    /// The outline of a rectangle, drawn outside it.
    pub(crate) fn frame(&mut self, [left, top, right, bottom]: [f64; 4], thickness: f64, color: Color) {
        self.rect(left - thickness, top - thickness, right + thickness, top, color);
        self.rect(left - thickness, bottom, right + thickness, bottom + thickness, color);
        self.rect(left - thickness, top, left, bottom, color);
        self.rect(right, top, right + thickness, bottom, color);
    }

    /// A smooth line through `points` with round ends and joints.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], width: f64, color: Color) {
        self.stroke(points, width, color, 1.0);
    }

    /// The same, see-through: `opacity` from 0 to 1.
    pub(crate) fn stroke(&mut self, points: &[(f64, f64)], width: f64, color: Color, opacity: f64) {
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (x * RESOLUTION, y * RESOLUTION)).collect();
        let radius = width * RESOLUTION / 2.0;
        let clip = self.clip.map_or([0.0, 0.0, f64::from(self.size.0), f64::from(self.size.1)], |area| {
            area.map(|edge| edge * RESOLUTION)
        });
        let bounds = |pick: fn(&(f64, f64)) -> f64, low: f64, high: f64| {
            let least = points.iter().map(pick).fold(f64::INFINITY, f64::min) - radius - 1.0;
            let most = points.iter().map(pick).fold(f64::NEG_INFINITY, f64::max) + radius + 1.0;
            (least.max(low).floor() as i32, most.min(high).ceil() as i32)
        };
        let (left, right) = bounds(|p| p.0, clip[0].max(0.0), clip[2].min(f64::from(self.size.0)));
        let (top, bottom) = bounds(|p| p.1, clip[1].max(0.0), clip[3].min(f64::from(self.size.1)));
        if right <= left || bottom <= top {
            return;
        }
        // Coverage of the whole polyline first, blended once: no darker spots at joints.
        let columns = (right - left) as usize;
        let mut coverage = vec![0.0f32; columns * (bottom - top) as usize];
        let single = [(points[0], points[0])];
        let pairs: Vec<_> = points.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for &(a, b) in if pairs.is_empty() { &single[..] } else { &pairs[..] } {
            let reach = radius + 1.0;
            let rows = ((a.1.min(b.1) - reach).max(f64::from(top)) as i32)
                ..((a.1.max(b.1) + reach).min(f64::from(bottom)).ceil() as i32);
            let length2 = (b.0 - a.0).powi(2) + (b.1 - a.1).powi(2);
            for y in rows {
                let py = f64::from(y) + 0.5;
                // On steep lines only a few columns of the row are near.
                let (x0, x1) = near(a, b, py, reach);
                let first = (x0.max(f64::from(left)).floor() as i32).max(left);
                let last = (x1.min(f64::from(right)).ceil() as i32).min(right);
                for x in first..last {
                    let px = f64::from(x) + 0.5;
                    let along = if length2 > 0.0 {
                        (((px - a.0) * (b.0 - a.0) + (py - a.1) * (b.1 - a.1)) / length2).clamp(0.0, 1.0)
                    } else {
                        0.0
                    };
                    let (dx, dy) = (px - a.0 - along * (b.0 - a.0), py - a.1 - along * (b.1 - a.1));
                    let covered = (radius + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0) as f32;
                    let cell = &mut coverage[(y - top) as usize * columns + (x - left) as usize];
                    *cell = cell.max(covered);
                }
            }
        }
        let color = RGBColor(color.0, color.1, color.2);
        let mut backend = self.backend();
        for (i, &covered) in coverage.iter().enumerate() {
            if covered > 0.0 {
                let at = (left + (i % columns) as i32, top + (i / columns) as i32);
                let _ = backend.draw_pixel(at, color.mix(f64::from(covered) * opacity).to_backend_color());
            }
        }
    }

    /// A line broken into `on` points drawn and `off` points left out.
    pub(crate) fn dashed(&mut self, points: &[(f64, f64)], width: f64, color: Color, on: f64, off: f64) {
        let mut left = on;
        let mut drawing = true;
        let mut dash: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
        for pair in points.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            loop {
                let length = (to.0 - from.0).hypot(to.1 - from.1);
                if length <= left {
                    left -= length;
                    dash.push(to);
                    break;
                }
                let part = left / length;
                from = (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1));
                dash.push(from);
                if drawing {
                    self.line(&dash, width, color);
                }
                dash = vec![from];
                drawing = !drawing;
                left = if drawing { on } else { off };
            }
        }
        if drawing && dash.len() > 1 {
            self.line(&dash, width, color);
        }
    }

    /// A filled circle.
    pub(crate) fn disc(&mut self, center: (f64, f64), radius: f64, color: Color) {
        self.stroke(&[center], 2.0 * radius, color, 1.0);
    }

    /// The same, see-through.
    pub(crate) fn see_through_disc(&mut self, center: (f64, f64), radius: f64, color: Color, opacity: f64) {
        self.stroke(&[center], 2.0 * radius, color, opacity);
    }

    /// `text` with the middle of its capitals at `y` and its aligned edge at `x`.
    pub(crate) fn text(&mut self, (x, y): (f64, f64), text: &str, look: Type) {
        let Some(fonts) = FONTS.as_ref() else { return };
        let font = if look.bold { &fonts.bold } else { &fonts.regular };
        let (glyphs, width) = look.glyphs(text);
        let shift = match look.align {
            Align::Left => 0.0,
            Align::Center => -width / 2.0,
            Align::Right => -width,
        };
        let middle = CAP_HEIGHT * look.size / 2.0;
        let scale = (look.scale(font) * RESOLUTION) as f32;
        let color = RGBColor(look.color.0, look.color.1, look.color.2);
        let size = self.size;
        let mut backend = self.backend();
        for (character, pen) in glyphs {
            // Laid out along the writing direction, origin at the anchor; turned pixel by pixel.
            let (origin, base) = if look.upwards {
                (shift + pen - y, x + middle) // x of the writing runs against the y of the page
            } else {
                (x + shift + pen, y + middle)
            };
            let at = point((origin * RESOLUTION) as f32, (base * RESOLUTION) as f32);
            let glyph = font.glyph_id(character).with_scale_and_position(scale, at);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let bounds = outline.px_bounds();
            outline.draw(|dx, dy, covered| {
                let (u, v) = (bounds.min.x as i32 + dx as i32, bounds.min.y as i32 + dy as i32);
                let (px, py) = if look.upwards { (v, -u - 1) } else { (u, v) };
                if px >= 0 && py >= 0 && (px as u32) < size.0 && (py as u32) < size.1 {
                    let ink = color.mix(f64::from(covered.clamp(0.0, 1.0)));
                    let _ = backend.draw_pixel((px, py), ink.to_backend_color());
                }
            });
        }
    }

    fn backend(&mut self) -> BitMapBackend<'_> {
        BitMapBackend::with_buffer(&mut self.pixels, self.size)
    }
}

/// The columns of a row at height `y` that can lie within `reach` of the segment from `a` to `b`.
fn near(a: (f64, f64), b: (f64, f64), y: f64, reach: f64) -> (f64, f64) {
    let (least, most) = (a.0.min(b.0) - reach, a.0.max(b.0) + reach);
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    if dy.abs() < 1e-9 {
        return (least, most);
    }
    let slope = dx / dy;
    let center = a.0 + (y - a.1) * slope;
    // Distance to the line is horizontal distance · |dy| / length.
    let half = reach * dx.hypot(dy) / dy.abs();
    (least.max(center - half), most.min(center + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_too_large_is_refused_before_memory_is_taken() {
        for (width, height) in [(1e9, 10.0), (f64::NAN, 10.0), (0.0, 0.0), (-5.0, 1.0)] {
            assert!(Canvas::new(width, height).is_err(), "{width} × {height}");
        }
    }

    #[test]
    fn a_stroke_covers_its_area() {
        let mut canvas = Canvas::new(50.0, 50.0).unwrap();
        canvas.line(&[(10.0, 10.0), (40.0, 40.0)], 4.0, Color(0, 0, 0));
        let ink: f64 =
            canvas.finish().pixels().iter().map(|&p| 1.0 - f64::from(p) / 255.0).sum::<f64>() / 3.0;
        // A capsule 8 pixels wide and 60√2 long.
        let area = 8.0 * 60.0 * std::f64::consts::SQRT_2 + std::f64::consts::PI * 16.0;
        assert!((ink / area - 1.0).abs() < 0.02, "{ink} against {area}");
    }

    #[test]
    fn text_upwards_is_text_turned() {
        let look = Type::new(10.0, Color(0, 0, 0)).align(Align::Center);
        let draw = |look| {
            let mut canvas = Canvas::new(60.0, 60.0).unwrap();
            canvas.text((30.0, 30.0), "loß₂", look);
            canvas.finish()
        };
        let (flat, up) = (draw(look), draw(look.upwards()));
        let side = flat.width();
        let mut ink = 0;
        for (x, y) in (0..side).flat_map(|x| (0..side).map(move |y| (x, y))) {
            ink += u32::from(flat.at(x, y) != Some(Color::WHITE));
            assert_eq!(flat.at(x, y), up.at(y, side - 1 - x));
        }
        assert!(ink > 100);
    }

    #[test]
    fn every_character_the_figures_write_has_a_glyph() {
        let fonts = FONTS.as_ref().unwrap();
        for character in "0123456789−·×⁰¹²³⁴⁵⁶⁷⁸⁹⁻₀₁₂→∇θησλ√∑≤≥±∞µ\u{a0}".chars()
        {
            for font in [&fonts.regular, &fonts.bold] {
                assert_ne!(font.glyph_id(character).0, 0, "{character:?}");
            }
        }
    }
}

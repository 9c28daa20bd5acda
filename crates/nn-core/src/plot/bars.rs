//! One figure per name.

use std::path::Path;

use super::axis::{Axis, LABEL_SIZE, Scale, TICK_SIZE, TITLE_SIZE, number};
use super::canvas::{Align, Canvas, Type};
use super::color::SERIES;
use super::{Color, Picture, PlotError};

/// Horizontal bars from zero, each with its name, value and, if given, spread.
///
/// ```
/// use fornax_nn_core::plot::Bars;
///
/// let picture = Bars::new("Test accuracy").bar("none", 0.71, 0.02).bar("dropout", 0.78, 0.01).draw()?;
/// assert!(picture.width() > 400);
/// # Ok::<(), fornax_nn_core::plot::PlotError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bars {
    title: String,
    x_label: String,
    bars: Vec<(String, f64, f64, Option<Color>)>,
    range: Option<(f64, f64)>,
}

impl Bars {
    /// An empty figure.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), x_label: String::new(), bars: Vec::new(), range: None }
    }

    /// What the lengths measure.
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// Adds a bar; `spread` is half the length of its error bar, 0 for none.
    #[must_use]
    pub fn bar(mut self, name: impl Into<String>, value: f64, spread: f64) -> Self {
        self.bars.push((name.into(), value, spread, None));
        self
    }

    /// Adds a bar that stands out in `color`.
    #[must_use]
    pub fn colored(mut self, name: impl Into<String>, value: f64, spread: f64, color: Color) -> Self {
        self.bars.push((name.into(), value, spread, Some(color)));
        self
    }

    /// Fixed ends of the axis; bars then start at the low end if zero is not inside.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// Draws the figure.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when there are no bars or a value is not finite, naming it.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        if self.bars.is_empty() {
            return Err(PlotError::data("bars", "no bars: expected one at least"));
        }
        if let Some((name, value, spread, _)) = self.bars.iter().find(|bar| !(bar.1 + bar.2).is_finite()) {
            let reason = format!("value {value} with spread {spread}: expected finite numbers");
            return Err(PlotError::data(format!("bar {name:?}"), reason));
        }
        let ends = self.bars.iter().flat_map(|bar| [bar.1 - bar.2.abs(), bar.1 + bar.2.abs()]);
        let axis = match self.range {
            Some(range) => Axis::fixed(range, Scale::Linear, "bars")?,
            None => {
                let around = Axis::around(ends.chain([0.0]), Scale::Linear, 0.0);
                around.ok_or_else(|| PlotError::data("bars", "the values span no drawable range"))?
            }
        };
        let look = Type::new(LABEL_SIZE, Color::INK);
        let names = self.bars.iter().map(|bar| look.width(&bar.0)).fold(0.0, f64::max);
        let (left, top, width, row) =
            (names + 24.0, if self.title.is_empty() { 16.0 } else { 42.0 }, 420.0, 24.0);
        let bottom = top + row * self.bars.len() as f64;
        let foot = if self.x_label.is_empty() { 26.0 } else { 44.0 };
        let mut canvas = Canvas::new(left + width + 70.0, bottom + foot)?;
        canvas.text((16.0, 20.0), &self.title, Type::new(TITLE_SIZE, Color::INK).bold());
        let place = |value: f64| left + width * axis.part(value).unwrap_or(0.0).clamp(0.0, 1.0);
        let tick_look = Type::new(TICK_SIZE, Color::MUTED).align(Align::Center);
        for tick in axis.ticks(6) {
            let x = place(tick.value);
            canvas.rect(x - 0.5, top, x + 0.5, bottom, Color::FAINT);
            canvas.text((x, bottom + 11.0), &tick.label, tick_look);
        }
        let zero = place(0.0);
        for (i, (name, value, spread, color)) in self.bars.iter().enumerate() {
            let middle = top + row * (i as f64 + 0.5);
            let end = place(*value);
            let color = color.unwrap_or(SERIES[0]);
            canvas.rect(zero.min(end), middle - 7.5, zero.max(end), middle + 7.5, color);
            let mut text_at = end.max(zero);
            if *spread != 0.0 {
                let (low, high) = (place(value - spread.abs()), place(value + spread.abs()));
                canvas.line(&[(low, middle), (high, middle)], 1.2, Color::INK);
                for x in [low, high] {
                    canvas.line(&[(x, middle - 3.5), (x, middle + 3.5)], 1.2, Color::INK);
                }
                text_at = text_at.max(high);
            }
            canvas.text((left - 8.0, middle), name, look.align(Align::Right));
            canvas.text((text_at + 6.0, middle), &number(*value), Type::new(TICK_SIZE, Color::INK));
        }
        canvas.rect(zero - 0.5, top, zero + 0.5, bottom, Color::MUTED);
        canvas.text((left + width / 2.0, bottom + 29.0), &self.x_label, look.align(Align::Center));
        Ok(canvas.finish())
    }

    /// Draws the figure into a PNG file.
    ///
    /// # Errors
    ///
    /// As [`draw`](Self::draw), naming `path`; or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        self.draw().map_err(|error| error.for_file(path))?.save(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_values() {
        let picture = Bars::new("").bar("a", 1.0, 0.0).colored("b", 0.5, 0.0, SERIES[1]).draw().unwrap();
        let count =
            |color| picture.pixels().chunks_exact(3).filter(|p| Color(p[0], p[1], p[2]) == color).count();
        // 840 × 30 pixels, less half a point of the zero line; tolerance 1 %.
        let (long, short) = (count(SERIES[0]) as f64, count(SERIES[1]) as f64);
        assert!((long / 25_200.0 - 1.0).abs() < 0.01, "{long}");
        assert!((short / long - 0.5).abs() < 0.01, "{short}");
    }

    #[test]
    fn bad_bars_are_named() {
        assert!(Bars::new("").draw().unwrap_err().to_string().contains("no bars"));
        let error = Bars::new("").bar("sgd", f64::NAN, 0.0).draw().unwrap_err();
        assert!(error.to_string().contains("bar \"sgd\""), "{error}");
    }
}

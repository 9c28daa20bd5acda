//! Two coordinates: fields, level lines, trajectories and points.

use std::path::Path;

use super::axis::{Axis, Frame, Scale, TITLE_SIZE};
use super::canvas::{Canvas, Type};
use super::color::SERIES;
use super::curves::runs;
use super::field::level_segments;
use super::legend::{Entry, bar_width, draw_bar, draw_legend, rows};
use super::{Color, ColorMap, Picture, PlotError};

/// How many samples a side a field is drawn with.
const SAMPLES: usize = 240;

/// A drawing over two coordinates: loss landscapes with trajectories, densities, samples, embeddings.
///
/// ```
/// use fornax_nn_core::plot::Plane;
///
/// let picture = Plane::new((-2.0, 2.0), (-1.0, 3.0))
///     .title("Rosenbrock")
///     .field(|x, y| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2))
///     .log()
///     .levels(12)
///     .path("momentum", [(-1.5, 2.0), (-1.2, 1.5), (-0.9, 0.8)])
///     .star(1.0, 1.0)
///     .draw()?;
/// assert!(picture.height() > 600);
/// # Ok::<(), fornax_nn_core::plot::PlotError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plane {
    title: String,
    x_range: (f64, f64),
    y_range: (f64, f64),
    x_label: String,
    y_label: String,
    field: Option<Field>,
    map: ColorMap,
    scale: Scale,
    levels: usize,
    bar: Option<String>,
    series: Vec<Series>,
    stars: Vec<(f64, f64)>,
    width: f64,
}

/// Values on a grid, the first row at the low end of y.
#[derive(Debug, Clone)]
struct Field {
    values: Vec<f64>,
    columns: usize,
    rows: usize,
}

#[derive(Debug, Clone)]
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    joined: bool,
    color: Color,
}

impl Plane {
    /// An empty plane over the two ranges.
    pub fn new(x_range: (f64, f64), y_range: (f64, f64)) -> Self {
        Self {
            title: String::new(),
            x_range,
            y_range,
            x_label: String::new(),
            y_label: String::new(),
            field: None,
            map: ColorMap::Viridis,
            scale: Scale::Linear,
            levels: 0,
            bar: None,
            series: Vec::new(),
            stars: Vec::new(),
            width: 480.0,
        }
    }

    /// A heading.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Names of the two coordinates.
    #[must_use]
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        self.x_label = x.into();
        self.y_label = y.into();
        self
    }

    /// Colours the plane by a function.
    #[must_use]
    pub fn field(mut self, f: impl Fn(f64, f64) -> f64) -> Self {
        let at = |i: usize, (low, high): (f64, f64)| low + (high - low) * (i as f64 + 0.5) / SAMPLES as f64;
        let values = (0..SAMPLES * SAMPLES)
            .map(|i| f(at(i % SAMPLES, self.x_range), at(i / SAMPLES, self.y_range)))
            .collect();
        self.field = Some(Field { values, columns: SAMPLES, rows: SAMPLES });
        self
    }

    /// Colours the plane by values on a grid of `columns` columns that fills it, the first row lowest.
    #[must_use]
    pub fn grid(mut self, values: impl Into<Vec<f64>>, columns: usize) -> Self {
        let values = values.into();
        let rows = values.len().checked_div(columns).unwrap_or(0);
        self.field = Some(Field { values, columns, rows });
        self
    }

    /// Colours and levels by ratio: for landscapes that span decades. Zero and less are grey.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.scale = Scale::Log;
        self
    }

    /// Draws this many level lines, evenly spaced on the colour scale.
    #[must_use]
    pub fn levels(mut self, count: usize) -> Self {
        self.levels = count;
        self
    }

    /// Other colours for the field.
    #[must_use]
    pub fn colors(mut self, map: ColorMap) -> Self {
        self.map = map;
        self
    }

    /// A colour bar that says what the field is.
    #[must_use]
    pub fn bar_label(mut self, label: impl Into<String>) -> Self {
        self.bar = Some(label.into());
        self
    }

    /// A trajectory: joined points with a dot at the end.
    #[must_use]
    pub fn path(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(name, points, true)
    }

    /// A cloud of points.
    #[must_use]
    pub fn points(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(name, points, false)
    }

    fn series(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
        joined: bool,
    ) -> Self {
        let color = SERIES[self.series.len() % SERIES.len()];
        self.series.push(Series { name: name.into(), points: points.into_iter().collect(), joined, color });
        self
    }

    /// Gives the series added last this colour.
    #[must_use]
    pub fn color(mut self, color: Color) -> Self {
        if let Some(series) = self.series.last_mut() {
            series.color = color;
        }
        self
    }

    /// Marks a place, such as the optimum.
    #[must_use]
    pub fn star(mut self, x: f64, y: f64) -> Self {
        self.stars.push((x, y));
        self
    }

    /// Width of the plane in points, axes not counted. Default: 480; the height is 4/5 of it.
    #[must_use]
    pub fn width(mut self, points: f64) -> Self {
        self.width = points;
        self
    }

    /// Draws the figure.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when a range is empty, the grid is ragged, or nothing of the field is finite. Points outside the
    /// ranges or not finite are left out.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        let x = Axis::fixed(self.x_range, Scale::Linear, "x axis of the plane")?;
        let y = Axis::fixed(self.y_range, Scale::Linear, "y axis of the plane")?;
        let colors = self.field.as_ref().map(|field| self.check(field)).transpose()?;
        let height = 0.8 * self.width;
        let entries = self.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty());
        let entries =
            entries.map(|(i, series)| Entry::new(&series.name, series.color, series.joined && repeats(i)));
        let legend = if self.series.len() > 1 { rows(entries, self.width) } else { Vec::new() };
        let title = if self.title.is_empty() { 14.0 } else { 36.0 };
        let top = title + 15.0 * legend.len() as f64 + if legend.is_empty() { 0.0 } else { 6.0 };
        let named = if self.y_label.is_empty() { 0.0 } else { 18.0 };
        let left = 18.0 + named + Frame::y_label_width(&y, height);
        let bar = match (&self.bar, &colors) {
            (Some(label), Some(axis)) => {
                46.0 + bar_width(axis, height) + if label.is_empty() { 0.0 } else { 20.0 }
            }
            _ => 0.0,
        };
        let foot = if self.x_label.is_empty() { 28.0 } else { 44.0 };
        let mut canvas = Canvas::new(left + self.width + 22.0 + bar, top + height + foot)?;
        let frame = Frame { left, top, right: left + self.width, bottom: top + height, x, y };
        canvas.text((left, 18.0), &self.title, Type::new(TITLE_SIZE, Color::INK).bold());
        draw_legend(&mut canvas, &legend, (left, title + 3.0));
        if let (Some(field), Some(colors)) = (&self.field, &colors) {
            self.draw_field(&mut canvas, &frame, field, colors);
            if let Some(label) = &self.bar {
                draw_bar(&mut canvas, [frame.right + 18.0, top, height], colors, self.map, label);
            }
        }
        frame.draw(&mut canvas, &self.x_label, &self.y_label, self.field.is_none());
        canvas.clip(Some(frame.area()));
        for (i, series) in self.series.iter().enumerate() {
            self.draw_series(&mut canvas, &frame, series, repeats(i));
        }
        for &(x, y) in &self.stars {
            if let Some((x, y)) = frame.place(x, y) {
                draw_star(&mut canvas, (x, y));
            }
        }
        Ok(canvas.finish())
    }

    fn check(&self, field: &Field) -> Result<Axis, PlotError> {
        if field.columns < 2 || field.rows < 2 || field.values.len() != field.columns * field.rows {
            let reason = format!(
                "{} values in {} columns: expected a full grid of 2 × 2 at least",
                field.values.len(),
                field.columns
            );
            return Err(PlotError::data("field of the plane", reason));
        }
        Axis::around(field.values.iter().copied(), self.scale, 0.0).ok_or_else(|| {
            let positive = if self.scale == Scale::Log { " and positive" } else { "" };
            PlotError::data("field of the plane", format!("no value is finite{positive}"))
        })
    }

    fn draw_field(&self, canvas: &mut Canvas, frame: &Frame, field: &Field, colors: &Axis) {
        let across = |i: usize| frame.left + (frame.right - frame.left) * i as f64 / field.columns as f64;
        let up = |i: usize| frame.bottom - (frame.bottom - frame.top) * i as f64 / field.rows as f64;
        let parts: Vec<Option<f64>> = field.values.iter().map(|&value| colors.part(value)).collect();
        for (i, part) in parts.iter().enumerate() {
            let (column, row) = (i % field.columns, i / field.columns);
            let color = part.map_or(Color::MISSING, |part| {
                // Between level lines the colour is flat, as on a map.
                let flat = self.levels as f64 + 1.0;
                self.map.at(if self.levels == 0 { part } else { ((part * flat).floor() + 0.5) / flat })
            });
            canvas.rect(across(column), up(row + 1), across(column + 1), up(row), color);
        }
        let middle = |column: f64, row: f64| {
            let x = frame.left + (frame.right - frame.left) * (column + 0.5) / field.columns as f64;
            (x, frame.bottom - (frame.bottom - frame.top) * (row + 0.5) / field.rows as f64)
        };
        for level in 1..=self.levels {
            let level = level as f64 / (self.levels as f64 + 1.0);
            let color = self.map.at(level).towards(Color::WHITE, 0.35);
            for [a, b] in level_segments(&parts, field.columns, field.rows, level) {
                canvas.line(&[middle(a.0, a.1), middle(b.0, b.1)], 0.6, color);
            }
        }
    }

    fn draw_series(&self, canvas: &mut Canvas, frame: &Frame, series: &Series, dashed: bool) {
        if !series.joined {
            let radius = if series.points.len() > 2_000 { 1.1 } else { 2.0 };
            for &(x, y) in &series.points {
                if let Some(at) = frame.place(x, y) {
                    canvas.see_through_disc(at, radius, series.color, 0.7);
                }
            }
            return;
        }
        let runs = runs(&series.points, frame);
        for run in &runs {
            // A white seam sets the line off from whatever colours lie under it.
            if self.field.is_some() && !dashed {
                canvas.stroke(run, 3.2, Color::WHITE, 0.75);
            }
            match dashed {
                true => canvas.dashed(run, 1.8, series.color, 5.0, 4.0),
                false => canvas.line(run, 1.8, series.color),
            }
        }
        if let Some(&end) = runs.last().and_then(|run| run.last()) {
            canvas.disc(end, 5.0, Color::WHITE);
            canvas.disc(end, 3.8, series.color);
        }
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

/// The ninth and later series repeat the colours and are told apart by dashes.
fn repeats(index: usize) -> bool {
    index >= SERIES.len()
}

fn draw_star(canvas: &mut Canvas, (x, y): (f64, f64)) {
    for (width, color) in [(3.6, Color::WHITE), (1.8, Color::INK)] {
        for turn in 0..3 {
            let (dy, dx) =
                (f64::from(turn) * std::f64::consts::FRAC_PI_3 + std::f64::consts::FRAC_PI_2).sin_cos();
            canvas.line(&[(x - 6.0 * dx, y - 6.0 * dy), (x + 6.0 * dx, y + 6.0 * dy)], width, color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_in_a_dot_of_its_colour() {
        let plane = Plane::new((0.0, 1.0), (0.0, 1.0)).path("sgd", [(0.1, 0.1), (0.5, 0.5)]);
        let picture = plane.draw().unwrap();
        let dot = picture.pixels().chunks_exact(3).filter(|p| Color(p[0], p[1], p[2]) == SERIES[0]).count();
        assert!(dot > 150, "{dot}");
    }

    #[test]
    fn diverged_points_are_left_out_and_bad_ranges_refused() {
        let wild = [(0.5, 0.5), (1e300, -1e300), (f64::NAN, 0.0), (f64::INFINITY, 1.0)];
        Plane::new((0.0, 1.0), (0.0, 1.0)).path("diverged", wild).draw().unwrap();
        let cases = [
            (Plane::new((1.0, 1.0), (0.0, 1.0)), "x axis"),
            (Plane::new((0.0, 1.0), (0.0, f64::NAN)), "y axis"),
            (Plane::new((0.0, 1.0), (0.0, 1.0)).grid([1.0, 2.0, 3.0], 2), "3 values in 2 columns"),
            (Plane::new((0.0, 1.0), (0.0, 1.0)).grid([1.0], 0), "1 values in 0 columns"),
            (Plane::new((0.0, 1.0), (0.0, 1.0)).field(|_, _| f64::NAN), "no value is finite"),
        ];
        for (plane, expected) in cases {
            let error = plane.draw().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

//! Lines over steps or epochs, in panels side by side.

use std::path::Path;

use super::axis::{Axis, Frame, LABEL_SIZE, Scale, TITLE_SIZE, number};
use super::canvas::{Align, Canvas, Type};
use super::color::SERIES;
use super::legend::{Entry, draw_legend, rows};
use super::{Color, Picture, PlotError};

/// One series: a named line through points. NaN and infinities are gaps.
#[derive(Debug, Clone)]
pub struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    color: Option<Color>,
    dashed: bool,
    faint: bool,
    marks: Vec<(usize, String)>,
}

impl Line {
    /// A line through `points`, in their order.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().collect();
        Self { name: name.into(), points, color: None, dashed: false, faint: false, marks: Vec::new() }
    }

    /// A line through `values` at x = 0, 1, 2, …
    pub fn values(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        Self::new(name, values.into_iter().enumerate().map(|(i, value)| (i as f64, value)))
    }

    /// Not the next colour of the palette but this one.
    #[must_use]
    pub fn color(mut self, color: Color) -> Self {
        self.color = Some(color);
        self
    }

    /// Dashed, for references and targets.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// Thin and pale, for the raw values behind a smoothed line; not in the legend when its name is empty.
    #[must_use]
    pub fn faint(mut self) -> Self {
        self.faint = true;
        self
    }

    /// A dot on point `index` with `label` beside it; an index past the end is left out.
    #[must_use]
    pub fn mark(mut self, index: usize, label: impl Into<String>) -> Self {
        self.marks.push((index, label.into()));
        self
    }

    /// Marks the highest point with its value.
    #[must_use]
    pub fn mark_highest(self) -> Self {
        self.mark_best(f64::total_cmp)
    }

    /// Marks the lowest point with its value.
    #[must_use]
    pub fn mark_lowest(self) -> Self {
        self.mark_best(|a, b| b.total_cmp(a))
    }

    fn mark_best(self, order: impl Fn(&f64, &f64) -> std::cmp::Ordering) -> Self {
        let finite = self.points.iter().enumerate().filter(|(_, point)| point.1.is_finite());
        // The first of equals: the earliest epoch that reached it.
        match finite.rev().max_by(|a, b| order(&a.1.1, &b.1.1)).map(|(i, point)| (i, number(point.1))) {
            Some((index, label)) => self.mark(index, label),
            None => self,
        }
    }
}

/// A panel: lines that share their axes.
#[derive(Debug, Clone)]
pub struct Panel {
    title: String,
    x_label: String,
    y_label: String,
    x_scale: Scale,
    y_scale: Scale,
    x_range: Option<(f64, f64)>,
    y_range: Option<(f64, f64)>,
    lines: Vec<Line>,
}

impl Panel {
    /// An empty panel.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x_label: String::new(),
            y_label: String::new(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            x_range: None,
            y_range: None,
            lines: Vec::new(),
        }
    }

    /// What runs along the foot, such as `epoch`.
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// What runs up the side.
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Logarithmic along the foot.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.x_scale = Scale::Log;
        self
    }

    /// Logarithmic up the side.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.y_scale = Scale::Log;
        self
    }

    /// Fixed ends of the axis along the foot; the default holds every point.
    #[must_use]
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some((low, high));
        self
    }

    /// Fixed ends of the axis up the side; lines that leave it are cut off at the edge.
    #[must_use]
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// Adds a line. The ninth and later lines repeat the colours, dashed.
    #[must_use]
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    fn axes(&self) -> Result<(Axis, Axis), PlotError> {
        let name = || format!("panel {:?}", self.title);
        if self.lines.is_empty() {
            return Err(PlotError::data(name(), "no lines: expected one at least"));
        }
        let drawn = |&(x, y): &(f64, f64)| {
            let fits = |value: f64, scale| value.is_finite() && (scale == Scale::Linear || value > 0.0);
            fits(x, self.x_scale) && fits(y, self.y_scale)
        };
        let shown = || self.lines.iter().flat_map(|line| &line.points).filter(|point| drawn(point));
        for line in &self.lines {
            if !line.points.iter().any(&drawn) {
                let positive = if self.y_scale == Scale::Log { " and positive, for a log axis" } else { "" };
                let reason = format!(
                    "none of the {} points of line {:?} can be drawn: expected finite values{positive}",
                    line.points.len(),
                    line.name
                );
                return Err(PlotError::data(name(), reason));
            }
        }
        let axis = |range, scale, margin, values: Vec<f64>, which: &str| match range {
            Some(range) => Axis::fixed(range, scale, &format!("{which} axis of {}", name())),
            None => Axis::around(values.into_iter(), scale, margin)
                .ok_or_else(|| PlotError::data(name(), format!("the {which} values span no drawable range"))),
        };
        let x = axis(self.x_range, self.x_scale, 0.0, shown().map(|p| p.0).collect(), "x")?;
        let y = axis(self.y_range, self.y_scale, 0.06, shown().map(|p| p.1).collect(), "y")?;
        Ok((x, y))
    }
}

/// Panels of lines side by side, such as loss and accuracy over epochs.
///
/// ```
/// use fornax_nn_core::plot::{Curves, Line, Panel};
///
/// let loss = Panel::new("Loss").x_label("epoch").log_y()
///     .line(Line::values("train", [2.3, 0.9, 0.4, 0.2]))
///     .line(Line::values("test", [2.2, 1.0, 0.6, 0.7]).mark_lowest());
/// let picture = Curves::new().panel(loss).draw()?;
/// assert!(picture.width() > 800);
/// # Ok::<(), fornax_nn_core::plot::PlotError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Curves {
    title: String,
    panels: Vec<Panel>,
    size: Option<(f64, f64)>,
    columns: Option<usize>,
}

impl Curves {
    /// An empty figure.
    pub fn new() -> Self {
        Self::default()
    }

    /// A heading over all panels.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a panel to the right of the others.
    #[must_use]
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// Width and height of each panel in points (two pixels each). Default: 430 × 320, or 640 × 360 for a single panel.
    #[must_use]
    pub fn panel_size(mut self, width: f64, height: f64) -> Self {
        self.size = Some((width, height));
        self
    }

    /// At most so many panels side by side, the others in rows below. Default: all in one row.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = Some(columns.max(1));
        self
    }

    /// Draws the figure.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when there is no panel, a panel has no line, or no point of a line can be drawn.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        if self.panels.is_empty() {
            return Err(PlotError::data("curves", "no panels: expected one at least"));
        }
        let (width, height) = match self.size {
            Some(size) => size,
            None if self.panels.len() == 1 => (640.0, 360.0),
            None => (430.0, 320.0),
        };
        let head = if self.title.is_empty() { 0.0 } else { 30.0 };
        let titled = self.panels.iter().any(|panel| !panel.title.is_empty());
        let legend_top = if titled { 34.0 } else { 14.0 };
        let legends: Vec<Vec<Vec<Entry>>> =
            self.panels.iter().map(|panel| legend(panel, width - 80.0)).collect();
        let rows = legends.iter().map(Vec::len).max().unwrap_or(0);
        let above = legend_top + 15.0 * rows as f64 + 8.0;
        let columns = self.columns.unwrap_or(usize::MAX).min(self.panels.len());
        let (across, down) = (columns as f64, self.panels.len().div_ceil(columns) as f64);
        let mut canvas = Canvas::new(width * across, head + (above + height) * down)?;
        let title = Type::new(TITLE_SIZE + 2.0, Color::INK).bold().align(Align::Center);
        canvas.text((width * across / 2.0, 20.0), &self.title, title);
        for (i, (panel, legend)) in self.panels.iter().zip(&legends).enumerate() {
            let (x, y) = panel.axes()?;
            let edge = (i % columns) as f64 * width;
            let head = head + (i / columns) as f64 * (above + height);
            let top = head + above;
            let bottom = top + height - if panel.x_label.is_empty() { 30.0 } else { 44.0 };
            let room =
                Frame::y_label_width(&y, bottom - top) + if panel.y_label.is_empty() { 22.0 } else { 40.0 };
            let frame = Frame { left: edge + room, top, right: edge + width - 22.0, bottom, x, y };
            canvas.text((frame.left, head + 20.0), &panel.title, Type::new(TITLE_SIZE, Color::INK).bold());
            frame.draw(&mut canvas, &panel.x_label, &panel.y_label, true);
            draw_legend(&mut canvas, legend, (frame.left, head + legend_top + 7.0));
            draw_lines(&mut canvas, panel, &frame);
        }
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

/// Colour and dash of the line at `index`.
fn look(line: &Line, index: usize) -> (Color, bool) {
    let color = line.color.unwrap_or(SERIES[index % SERIES.len()]);
    (color, line.dashed || (line.color.is_none() && index >= SERIES.len()))
}

/// The legend's entries in rows no wider than `width`; a lone line needs none.
fn legend(panel: &Panel, width: f64) -> Vec<Vec<Entry>> {
    let named = panel.lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
    let entries = named.map(|(i, line)| {
        let (color, dashed) = look(line, i);
        Entry::new(&line.name, color, dashed)
    });
    if panel.lines.len() < 2 { Vec::new() } else { rows(entries, width) }
}

fn draw_lines(canvas: &mut Canvas, panel: &Panel, frame: &Frame) {
    canvas.clip(Some(frame.area()));
    // Faint lines first, then in reverse: the first named line lies on top.
    let mut order: Vec<usize> = (0..panel.lines.len()).rev().collect();
    order.sort_by_key(|&i| !panel.lines[i].faint);
    for &i in &order {
        let line = &panel.lines[i];
        let (color, dashed) = look(line, i);
        for run in runs(&line.points, frame) {
            match (line.faint, dashed) {
                (true, _) => canvas.stroke(&run, 1.0, color, 0.35),
                (false, true) => canvas.dashed(&run, 1.5, color, 5.0, 4.5),
                (false, false) if run.len() == 1 => canvas.disc(run[0], 2.2, color),
                (false, false) => canvas.line(&run, 1.8, color),
            }
        }
    }
    canvas.clip(None);
    let drawn: Vec<Vec<(f64, f64)>> = panel.lines.iter().flat_map(|line| runs(&line.points, frame)).collect();
    for (i, line) in panel.lines.iter().enumerate() {
        let (color, _) = look(line, i);
        for (index, label) in &line.marks {
            let Some(&(x, y)) = line.points.get(*index) else { continue };
            let Some(at) = frame.place(x, y) else { continue };
            draw_mark(canvas, frame, &drawn, at, color, label);
        }
    }
}

/// A dot with its label on whichever side hides least of the lines.
fn draw_mark(
    canvas: &mut Canvas,
    frame: &Frame,
    drawn: &[Vec<(f64, f64)>],
    at: (f64, f64),
    color: Color,
    label: &str,
) {
    let [left, top, right, bottom] = frame.area();
    if at.0 < left - 1.0 || at.0 > right + 1.0 || at.1 < top - 1.0 || at.1 > bottom + 1.0 {
        return;
    }
    canvas.disc(at, 4.6, Color::WHITE);
    canvas.disc(at, 3.4, color);
    let look = Type::new(LABEL_SIZE - 0.5, color.towards(Color::INK, 0.35)).bold();
    let (half, tall) = (look.width(label) / 2.0 + 2.0, 6.5);
    let sides = [(0.0, -14.0), (0.0, 14.0), (-half - 8.0, 0.0), (half + 8.0, 0.0)];
    let places = sides.map(|(dx, dy)| {
        let x = (at.0 + dx).min(right - half).max(left + half + 2.0);
        (x, (at.1 + dy).min(bottom - tall - 1.0).max(top + tall))
    });
    let hidden = |&(x, y): &(f64, f64)| {
        let inside = |px: f64, py: f64| usize::from((px - x).abs() < half && (py - y).abs() < tall);
        let own_dot = if (at.0 - x).abs() < half + 4.0 && (at.1 - y).abs() < tall + 4.0 { 1_000 } else { 0 };
        let on_lines = drawn.iter().flat_map(|run| run.windows(2)).map(|pair| {
            let (a, b) = (pair[0], pair[1]);
            // A long segment may cross the label between its ends.
            let parts = ((b.0 - a.0).hypot(b.1 - a.1) / 3.0).ceil().clamp(1.0, 500.0) as usize;
            let along = |i: usize| (i as f64 + 0.5) / parts as f64;
            (0..parts)
                .map(|i| inside(a.0 + along(i) * (b.0 - a.0), a.1 + along(i) * (b.1 - a.1)))
                .sum::<usize>()
        });
        own_dot + on_lines.sum::<usize>()
    };
    let Some(&(x, y)) = places.iter().min_by_key(|place| hidden(place)) else { return };
    canvas.rect(x - half, y - tall, x + half, y + tall, Color::WHITE);
    canvas.text((x, y), label, look.align(Align::Center));
}

/// The stretches of a line between gaps, on the page.
pub(crate) fn runs(points: &[(f64, f64)], frame: &Frame) -> Vec<Vec<(f64, f64)>> {
    let mut runs = vec![Vec::new()];
    for &(x, y) in points {
        match (frame.place(x, y), runs.last_mut()) {
            (Some(at), Some(run)) => run.push(at),
            (None, Some(run)) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_breaks_the_line() {
        let axis = Axis { low: 0.0, high: 4.0, scale: Scale::Linear };
        let frame = Frame { left: 0.0, top: 0.0, right: 4.0, bottom: 4.0, x: axis, y: axis };
        let points = [(0.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0)];
        assert_eq!(runs(&points, &frame), [vec![(0.0, 3.0), (1.0, 3.0)], vec![(3.0, 3.0)]]);
    }

    #[test]
    fn the_line_has_its_colour_at_its_height() {
        let panel = Panel::new("").line(Line::values("flat", [1.0, 1.0, 1.0])).y_range(0.0, 2.0);
        let picture = Curves::new().panel(panel).draw().unwrap();
        let column: Vec<u32> = (0..picture.height())
            .filter(|&y| picture.at(picture.width() / 3, y) == Some(SERIES[0]))
            .collect();
        // 1.8 points wide is between two and four pixels.
        assert!((2..=4).contains(&column.len()), "{column:?}");
    }

    #[test]
    fn panels_beyond_the_columns_go_into_rows_below() {
        let panel = Panel::new("").line(Line::values("flat", [1.0, 1.0]));
        let figure =
            (0..5).fold(Curves::new(), |figure, _| figure.panel(panel.clone())).panel_size(100.0, 80.0);
        let (row, page) = (figure.draw().unwrap(), figure.clone().columns(2).draw().unwrap());
        assert_eq!((page.width() * 5, page.height()), (row.width() * 2, row.height() * 3));
        // The first panel is where it was; the sixth place is empty.
        let same = (0..row.height() * row.width() / 5).all(|i| {
            let (x, y) = (i % (row.width() / 5), i / (row.width() / 5));
            page.at(x, y) == row.at(x, y)
        });
        assert!(same);
        let empty = page.at(page.width() - 30, page.height() - 30);
        assert_eq!(empty, page.at(page.width() - 1, page.height() - 1));
    }

    #[test]
    fn the_earliest_best_point_is_marked() {
        let line = Line::values("accuracy", [0.5, 0.9, f64::NAN, 0.9, 0.1]);
        assert_eq!(line.clone().mark_highest().marks, [(1, "0.9".to_owned())]);
        assert_eq!(line.mark_lowest().marks, [(4, "0.1".to_owned())]);
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let error = Curves::new().draw().unwrap_err();
        assert!(error.to_string().contains("no panels"), "{error}");
        let error = Curves::new().panel(Panel::new("loss")).draw().unwrap_err();
        assert!(error.to_string().contains("panel \"loss\": no lines"), "{error}");
        let panel = Panel::new("loss").line(Line::values("train", [f64::NAN, f64::INFINITY]));
        let error = Curves::new().panel(panel).draw().unwrap_err();
        assert!(error.to_string().contains("2 points of line \"train\""), "{error}");
        let panel = Panel::new("loss").log_y().line(Line::values("train", [0.0, -1.0]));
        let error = Curves::new().panel(panel).save("/nowhere/curves.png").unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/curves.png: "), "{error}");
        let panel = Panel::new("loss").line(Line::values("train", [1.0])).y_range(2.0, 1.0);
        assert!(Curves::new().panel(panel).draw().unwrap_err().to_string().contains("low < high"));
    }
}

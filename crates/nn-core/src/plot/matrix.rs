//! Tables of numbers as colours: confusion matrices and heat maps.

use std::path::Path;

use super::axis::{Axis, LABEL_SIZE, Scale, TICK_SIZE, TITLE_SIZE, number};
use super::canvas::{Align, Canvas, Type};
use super::legend::{bar_width, draw_bar};
use super::{Color, ColorMap, Picture, PlotError};

/// A table drawn as coloured cells, the first row on top.
///
/// ```
/// use fornax_nn_core::plot::Matrix;
///
/// let counts = [[50, 2], [1, 47]];
/// let picture = Matrix::confusion(&counts, ["cat", "dog"]).draw()?;
/// assert!(picture.height() > 200);
/// # Ok::<(), fornax_nn_core::plot::PlotError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Matrix {
    title: String,
    rows: Vec<Vec<f64>>,
    /// What is written into the cells; empty for a heat map.
    texts: Vec<Vec<String>>,
    row_names: Vec<String>,
    column_names: Vec<String>,
    column_range: Option<(f64, f64)>,
    x_label: String,
    y_label: String,
    bar: Option<String>,
    map: ColorMap,
    scale: Scale,
    range: Option<(f64, f64)>,
    size: Option<(f64, f64)>,
}

impl Matrix {
    fn new(rows: Vec<Vec<f64>>) -> Self {
        Self {
            title: String::new(),
            rows,
            texts: Vec::new(),
            row_names: Vec::new(),
            column_names: Vec::new(),
            column_range: None,
            x_label: String::new(),
            y_label: String::new(),
            bar: None,
            map: ColorMap::Viridis,
            scale: Scale::Linear,
            range: None,
            size: None,
        }
    }

    /// A confusion matrix: `counts[truth][prediction]`, each cell coloured by its share of the row, zeros left blank.
    pub fn confusion<R, N>(counts: &[R], names: impl IntoIterator<Item = N>) -> Self
    where
        R: AsRef<[u64]>,
        N: Into<String>,
    {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let share = |row: &[u64]| -> Vec<f64> {
            // A class without examples is an empty row, not a division by zero.
            let sum = row.iter().sum::<u64>().max(1) as f64;
            row.iter().map(|&count| count as f64 / sum).collect()
        };
        let text = |&count: &u64| if count == 0 { String::new() } else { count.to_string() };
        let mut matrix = Self::new(counts.iter().map(|row| share(row.as_ref())).collect());
        matrix.texts = counts.iter().map(|row| row.as_ref().iter().map(text).collect()).collect();
        matrix.row_names.clone_from(&names);
        matrix.column_names = names;
        matrix.map = ColorMap::Blues;
        matrix.range = Some((0.0, 1.0));
        matrix.x_label("predicted").y_label("true")
    }

    /// A heat map with a colour bar. NaN cells are grey.
    pub fn heat_map<R: AsRef<[f64]>>(rows: &[R]) -> Self {
        let mut matrix = Self::new(rows.iter().map(|row| row.as_ref().to_vec()).collect());
        matrix.bar = Some(String::new());
        matrix
    }

    /// A heading.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What the columns are.
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// What the rows are.
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// A name for each row.
    #[must_use]
    pub fn row_names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.row_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// A name for each column.
    #[must_use]
    pub fn column_names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.column_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Columns that stand for a range of numbers, such as steps: ticks instead of names.
    #[must_use]
    pub fn columns(mut self, first: f64, last: f64) -> Self {
        self.column_range = Some((first, last));
        self
    }

    /// Colours by ratio instead of difference; zero and less are grey.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.scale = Scale::Log;
        self
    }

    /// The values at the two ends of the colours; the default is the smallest and largest one.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// Other colours.
    #[must_use]
    pub fn colors(mut self, map: ColorMap) -> Self {
        self.map = map;
        self
    }

    /// What the colour bar measures.
    #[must_use]
    pub fn bar_label(mut self, label: impl Into<String>) -> Self {
        self.bar = Some(label.into());
        self
    }

    /// Writes each cell's value into it.
    #[must_use]
    pub fn with_values(mut self) -> Self {
        let text = |&value: &f64| if value.is_nan() { String::new() } else { number(value) };
        self.texts = self.rows.iter().map(|row| row.iter().map(text).collect()).collect();
        self
    }

    /// Width and height of the table in points. Default: square cells for a confusion matrix, 560 × 300 for a heat map.
    #[must_use]
    pub fn size(mut self, width: f64, height: f64) -> Self {
        self.size = Some((width, height));
        self
    }

    fn check(&self) -> Result<(usize, Axis), PlotError> {
        let columns = self.rows.first().map_or(0, Vec::len);
        if columns == 0 {
            return Err(PlotError::data("matrix", "empty: expected one row and column at least"));
        }
        if let Some(row) = self.rows.iter().position(|row| row.len() != columns) {
            let reason = format!("row {row} has {} columns, the first has {columns}", self.rows[row].len());
            return Err(PlotError::data("matrix", reason));
        }
        for (what, names, expected) in
            [("row", &self.row_names, self.rows.len()), ("column", &self.column_names, columns)]
        {
            if !names.is_empty() && names.len() != expected {
                let reason = format!("{} {what} names for {expected} {what}s", names.len());
                return Err(PlotError::data("matrix", reason));
            }
        }
        if let Some(range) = self.column_range {
            Axis::fixed(range, Scale::Linear, "columns of the matrix")?;
        }
        let axis = match self.range {
            Some(range) => Axis::fixed(range, self.scale, "colours of the matrix")?,
            None => Axis::around(self.rows.iter().flatten().copied(), self.scale, 0.0).ok_or_else(|| {
                let positive = if self.scale == Scale::Log { " and positive" } else { "" };
                PlotError::data("matrix", format!("no value is finite{positive}"))
            })?,
        };
        Ok((columns, axis))
    }

    /// Draws the figure.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when the table is empty or ragged, names do not match it, or no value is finite.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        let (columns, axis) = self.check()?;
        let rows = self.rows.len();
        let names = Type::new(TICK_SIZE, Color::INK);
        let widest = |names_: &[String]| names_.iter().map(|name| names.width(name)).fold(0.0, f64::max);
        let cell_text = Type::new(TICK_SIZE, Color::INK);
        let widest_cell = self.texts.iter().flatten().map(|text| cell_text.width(text)).fold(0.0, f64::max);
        let (width, height) = self.size.unwrap_or_else(|| {
            if self.bar.is_some() && self.texts.is_empty() {
                (560.0, (rows as f64 * 16.0).clamp(220.0, 420.0))
            } else {
                let cell = (widest_cell + 10.0).max(400.0 / columns.max(rows) as f64).max(18.0);
                (cell * columns as f64, cell * rows as f64)
            }
        });
        let (cell_width, cell_height) = (width / columns as f64, height / rows as f64);
        let slanted = widest(&self.column_names) > cell_width - 3.0;
        let left = 16.0 + widest(&self.row_names) + if self.y_label.is_empty() { 0.0 } else { 22.0 };
        let top = if self.title.is_empty() { 16.0 } else { 40.0 };
        let name_room = match (self.column_names.is_empty(), slanted) {
            (true, _) if self.column_range.is_none() => 6.0,
            (false, true) => widest(&self.column_names) + 12.0,
            _ => 20.0,
        };
        let foot = name_room + if self.x_label.is_empty() { 6.0 } else { 24.0 };
        let bar_room = match &self.bar {
            Some(label) => 40.0 + bar_width(&axis, height) + if label.is_empty() { 0.0 } else { 20.0 },
            None => 0.0,
        };
        let mut canvas = Canvas::new(left + width + 20.0 + bar_room, top + height + foot)?;
        let title = Type::new(TITLE_SIZE, Color::INK).bold();
        canvas.text((left, 20.0), &self.title, title);

        for (i, row) in self.rows.iter().enumerate() {
            let y = top + i as f64 * cell_height;
            for (j, &value) in row.iter().enumerate() {
                let x = left + j as f64 * cell_width;
                let color = axis.part(value).map_or(Color::MISSING, |part| self.map.at(part));
                canvas.rect(x, y, x + cell_width, y + cell_height, color);
                if let Some(text) = self.texts.get(i).and_then(|row| row.get(j)) {
                    let look = Type { color: color.readable(), ..cell_text }.align(Align::Center);
                    canvas.text((x + cell_width / 2.0, y + cell_height / 2.0), text, look);
                }
            }
        }
        if !self.texts.is_empty() {
            // Thin lines keep a nearly empty confusion matrix readable as a grid.
            for i in 1..rows {
                let y = top + i as f64 * cell_height;
                canvas.rect(left, y - 0.25, left + width, y + 0.25, Color::FAINT);
            }
            for j in 1..columns {
                let x = left + j as f64 * cell_width;
                canvas.rect(x - 0.25, top, x + 0.25, top + height, Color::FAINT);
            }
        }
        canvas.frame([left, top, left + width, top + height], 1.0, Color::MUTED);
        self.draw_names(&mut canvas, [left, top, width, height], slanted);
        let label = Type::new(LABEL_SIZE, Color::INK).align(Align::Center);
        canvas.text((left + width / 2.0, top + height + name_room + 8.0), &self.x_label, label);
        canvas.text((14.0, top + height / 2.0), &self.y_label, label.upwards());
        if let Some(label) = &self.bar {
            draw_bar(&mut canvas, [left + width + 18.0, top, height], &axis, self.map, label);
        }
        Ok(canvas.finish())
    }

    fn draw_names(&self, canvas: &mut Canvas, [left, top, width, height]: [f64; 4], slanted: bool) {
        let look = Type::new(TICK_SIZE, Color::INK);
        // More names than lines fit: every second, third, …
        let every = (11.0 * self.row_names.len() as f64 / height).ceil().max(1.0) as usize;
        for (i, name) in self.row_names.iter().enumerate().step_by(every) {
            let y = top + (i as f64 + 0.5) * height / self.rows.len() as f64;
            canvas.text((left - 6.0, y), name, look.align(Align::Right));
        }
        let count = self.column_names.len();
        let every = if slanted { (11.0 * count as f64 / width).ceil().max(1.0) as usize } else { 1 };
        for (j, name) in self.column_names.iter().enumerate().step_by(every) {
            let x = left + (j as f64 + 0.5) * width / count as f64;
            match slanted {
                true => canvas.text(
                    (x, top + height + 7.0 + look.width(name)),
                    name,
                    look.upwards().align(Align::Left),
                ),
                false => canvas.text((x, top + height + 12.0), name, look.align(Align::Center)),
            }
        }
        let Some((first, last)) = self.column_range else { return };
        let axis = Axis { low: first, high: last, scale: Scale::Linear };
        for tick in axis.ticks((width / 70.0) as usize) {
            let columns = self.rows.first().map_or(1, Vec::len) as f64;
            // Numbers stand for the middle of their column.
            let part = axis.part(tick.value).unwrap_or(0.0);
            let x = left + width * (0.5 + part * (columns - 1.0)) / columns;
            canvas.rect(x - 0.5, top + height, x + 0.5, top + height + 4.0, Color::MUTED);
            canvas.text((x, top + height + 12.0), &tick.label, look.align(Align::Center));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_the_colour_of_their_share() {
        let picture = Matrix::confusion(&[[3, 1], [0, 0]], ["a", "b"]).size(100.0, 100.0).draw().unwrap();
        let count =
            |color| picture.pixels().chunks_exact(3).filter(|p| Color(p[0], p[1], p[2]) == color).count();
        // 100 × 100 pixels a cell, less what text and lines take.
        assert!((8_000..=10_000).contains(&count(ColorMap::Blues.at(0.75))));
        assert!((8_000..=10_000).contains(&count(ColorMap::Blues.at(0.25))));
    }

    #[test]
    fn a_heat_map_shows_what_is_missing() {
        let rows = [[1.0, 10.0], [f64::NAN, 100.0]];
        let picture = Matrix::heat_map(&rows).log().size(100.0, 100.0).draw().unwrap();
        let count =
            |color| picture.pixels().chunks_exact(3).filter(|p| Color(p[0], p[1], p[2]) == color).count();
        assert_eq!(count(Color::MISSING), 10_000);
        assert!(count(ColorMap::Viridis.at(0.5)) >= 10_000);
    }

    #[test]
    fn tables_that_cannot_be_drawn_are_refused() {
        let none: [[u64; 0]; 0] = [];
        let cases = [
            (Matrix::confusion(&none, ["a"]), "empty"),
            (Matrix::heat_map(&[vec![1.0, 2.0], vec![1.0]]), "row 1 has 1 columns"),
            (Matrix::confusion(&[[1, 2], [3, 4]], ["only one"]), "1 row names for 2 rows"),
            (Matrix::heat_map(&[[f64::NAN]]), "no value is finite"),
            (Matrix::heat_map(&[[-1.0, 0.0]]).log(), "finite and positive"),
            (Matrix::heat_map(&[[1.0, 0.0]]).range(1.0, f64::NAN), "low < high"),
            (Matrix::heat_map(&[[1.0, 0.0]]).columns(5.0, 5.0), "low < high"),
        ];
        for (matrix, expected) in cases {
            let error = matrix.draw().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

//! What the colours of a figure stand for: lines in a legend, values in a colour bar.

use super::axis::{Axis, LABEL_SIZE, TICK_SIZE};
use super::canvas::{Align, Canvas, Type};
use super::{Color, ColorMap};

/// A line of the legend.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) color: Color,
    pub(crate) dashed: bool,
    pub(crate) width: f64,
}

/// Size of a legend's text in points.
const ENTRY: f64 = LABEL_SIZE - 0.5;

impl Entry {
    pub(crate) fn new(name: &str, color: Color, dashed: bool) -> Self {
        let width = 24.0 + Type::new(ENTRY, Color::INK).width(name) + 16.0;
        Self { name: name.to_owned(), color, dashed, width }
    }
}

pub(crate) fn rows(entries: impl Iterator<Item = Entry>, width: f64) -> Vec<Vec<Entry>> {
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    let mut used = f64::INFINITY;
    for entry in entries {
        if used + entry.width > width {
            rows.push(Vec::new());
            used = 0.0;
        }
        used += entry.width;
        if let Some(row) = rows.last_mut() {
            row.push(entry);
        }
    }
    rows
}

pub(crate) fn draw_legend(canvas: &mut Canvas, rows: &[Vec<Entry>], (left, top): (f64, f64)) {
    for (i, row) in rows.iter().enumerate() {
        let (mut x, y) = (left, top + 15.0 * i as f64);
        for entry in row {
            let key = [(x + 1.0, y), (x + 17.0, y)];
            match entry.dashed {
                true => canvas.dashed(&key, 2.0, entry.color, 4.0, 3.5),
                false => canvas.line(&key, 2.4, entry.color),
            }
            canvas.text((x + 23.0, y), &entry.name, Type::new(ENTRY, Color::INK));
            x += entry.width;
        }
    }
}

/// Room the numbers of a colour bar take.
pub(crate) fn bar_width(axis: &Axis, height: f64) -> f64 {
    let look = Type::new(TICK_SIZE, Color::MUTED);
    axis.ticks((height / 40.0) as usize).iter().map(|tick| look.width(&tick.label)).fold(0.0, f64::max)
}

/// A strip of all colours with their values.
pub(crate) fn draw_bar(
    canvas: &mut Canvas,
    [left, top, height]: [f64; 3],
    axis: &Axis,
    map: ColorMap,
    label: &str,
) {
    let width = 12.0;
    let steps = (height * 2.0) as usize;
    for i in 0..steps {
        let part = 1.0 - (i as f64 + 0.5) / steps as f64;
        let y = top + height * i as f64 / steps as f64;
        canvas.rect(left, y, left + width, y + 1.0, map.at(part));
    }
    canvas.frame([left, top, left + width, top + height], 1.0, Color::MUTED);
    let look = Type::new(TICK_SIZE, Color::MUTED);
    for tick in axis.ticks((height / 40.0) as usize) {
        let y = top + height * (1.0 - axis.part(tick.value).unwrap_or(0.0));
        let length = if tick.label.is_empty() { 2.0 } else { 4.0 };
        canvas.rect(left + width + 1.0, y - 0.5, left + width + 1.0 + length, y + 0.5, Color::MUTED);
        canvas.text((left + width + 8.0, y), &tick.label, look);
    }
    let x = left + width + 8.0 + bar_width(axis, height) + 11.0;
    canvas.text(
        (x, top + height / 2.0),
        label,
        Type::new(LABEL_SIZE, Color::INK).align(Align::Center).upwards(),
    );
}

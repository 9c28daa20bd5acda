//! Worlds of square cells: the moves and the picture that several pages share.

use super::mdp::View;
use crate::error::EnvError;
use crate::render::{Frame, Rgb};

/// The four moves, as the frozen lake numbers them.
pub(crate) const MOVES: [(isize, isize); 4] = [(0, -1), (1, 0), (0, 1), (-1, 0)];

/// Rows of letters, all of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    rows: Vec<Vec<char>>,
}

impl Grid {
    /// Reads a map: a line a row, a letter of `allowed` a cell. Empty lines at either end do not count.
    ///
    /// # Errors
    ///
    /// [`EnvError::Map`] naming the line and column: nothing there, rows of different lengths, an unknown letter, or more than
    /// 2²⁰ cells.
    pub fn parse(text: &str, allowed: &str) -> Result<Self, EnvError> {
        let error = |line, column, reason: String| Err(EnvError::Map { line, column, reason });
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let Some(first) = lines.iter().position(|line| !line.is_empty()) else {
            return error(0, 0, "empty: expected a row at least".to_owned());
        };
        let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or(first);
        let mut rows: Vec<Vec<char>> = Vec::new();
        for (number, line) in (first + 1..).zip(&lines[first..=last]) {
            let row: Vec<char> = line.chars().collect();
            if let Some(at) = row.iter().position(|&letter| !allowed.contains(letter)) {
                let letters: Vec<String> = allowed.chars().map(String::from).collect();
                return error(
                    number,
                    at + 1,
                    format!("{:?}, expected one of {}", row[at], letters.join(" ")),
                );
            }
            if let Some(above) = rows.first()
                && above.len() != row.len()
            {
                return error(number, 0, format!("{} cells, the first row has {}", row.len(), above.len()));
            }
            rows.push(row);
            if rows.len().saturating_mul(rows[0].len()) > 1 << 20 {
                return error(number, 0, "more than 2^20 cells".to_owned());
            }
        }
        Ok(Self { rows })
    }

    /// How many rows.
    pub fn height(&self) -> usize {
        self.rows.len()
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// The letter of cell `state`, counted row by row.
    ///
    /// # Panics
    ///
    /// When there is no such cell.
    pub fn letter(&self, state: usize) -> char {
        self.rows[state / self.width()][state % self.width()]
    }

    /// All letters, row by row.
    pub fn letters(&self) -> impl Iterator<Item = char> {
        self.rows.iter().flatten().copied()
    }

    /// The cell one move away, or the same one at the edge.
    pub(crate) fn neighbour(&self, state: usize, (down, right): (isize, isize)) -> usize {
        let clip =
            |at: usize, by: isize, size: usize| at.saturating_add_signed(by).min(size.saturating_sub(1));
        let row = clip(state / self.width(), down, self.height());
        row * self.width() + clip(state % self.width(), right, self.width())
    }
}

/// The colour of a cell's letter.
pub(crate) fn color(letter: char) -> Rgb {
    match letter {
        'G' => Rgb(160, 215, 190),
        'S' => Rgb(250, 225, 150),
        'H' | 'O' | 'C' => Rgb(70, 90, 110),
        '#' => Rgb::MUTED,
        _ => Rgb(232, 240, 246),
    }
}

impl View for Grid {
    /// The map, the agent's cell in brackets.
    fn text(&self, state: usize) -> String {
        let mut text = String::new();
        for (i, letter) in self.letters().enumerate() {
            if i > 0 && i % self.width() == 0 {
                text.push('\n');
            }
            match i == state {
                true => text.extend(['[', letter, ']']),
                false => text.extend([' ', letter, ' ']),
            }
        }
        text
    }

    fn frame(&self, state: usize) -> Frame {
        let side = (480 / self.width().max(self.height()).max(1)).clamp(4, 48);
        let mut frame = Frame::new(side * self.width(), side * self.height(), Rgb::WHITE);
        let corner = |i: usize| ((i % self.width() * side) as f64, (i / self.width() * side) as f64);
        let size = side as f64;
        for (i, letter) in self.letters().enumerate() {
            let (x, y) = corner(i);
            frame.rectangle((x + 1.0, y + 1.0), (x + size - 1.0, y + size - 1.0), color(letter));
        }
        let (x, y) = corner(state);
        frame.disc((x + size / 2.0, y + size / 2.0), size * 0.3, Rgb::RED);
        frame
    }
}

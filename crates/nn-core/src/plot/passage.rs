//! Text on coloured ground.

use std::path::Path;

use super::axis::{LABEL_SIZE, TITLE_SIZE};
use super::canvas::{Canvas, Type};
use super::{Color, Picture, PlotError};

/// From one line to the next, in points.
const LINE: f64 = 18.0;
/// Around the page.
const MARGIN: f64 = 14.0;
/// The least width of a piece: a space between two others can still be seen.
const NARROWEST: f64 = 2.5;

/// A passage of text whose pieces lie on a colour each, in lines of one width: how a tokeniser cuts, what
/// attention weighs.
///
/// A piece is never divided; one that holds the end of a line ends the line.
///
/// ```
/// use fornax_nn_core::plot::{Passage, SERIES};
///
/// let mut passage = Passage::new(300.0).title("Two tokens");
/// for (piece, color) in ["Token", "iser\n"].into_iter().zip(SERIES) {
///     passage = passage.piece(piece, color);
/// }
/// let picture = passage.draw()?;
/// assert_eq!(picture.width(), 600);
/// # Ok::<(), fornax_nn_core::plot::PlotError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Passage {
    title: String,
    width: f64,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Piece(String, Color),
    Note(String),
}

impl Passage {
    /// An empty page of this width in points.
    pub fn new(width: f64) -> Self {
        Self { title: String::new(), width, parts: Vec::new() }
    }

    /// A heading.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a piece on this colour.
    #[must_use]
    pub fn piece(mut self, text: impl Into<String>, ground: Color) -> Self {
        self.parts.push(Part::Piece(text.into(), ground));
        self
    }

    /// Adds a line of its own, smaller and without ground, with some room above it.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Note(text.into()));
        self
    }

    /// Draws the page.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when there is nothing to draw or the page would be too large.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        if self.parts.is_empty() {
            return Err(PlotError::data("passage", "no pieces: expected one at least"));
        }
        let top = if self.title.is_empty() { MARGIN } else { 34.0 };
        let (placed, height) = self.placed(top);
        let mut canvas = Canvas::new(self.width, height)?;
        canvas.text((MARGIN, 20.0), &self.title, Type::new(TITLE_SIZE, Color::INK).bold());
        for Placed { left, middle, width, text, ground } in placed {
            match ground {
                Some(ground) => {
                    canvas.rect(left, middle - 7.5, left + width, middle + 7.5, ground);
                    canvas.text((left, middle), text, Type::new(LABEL_SIZE, ground.readable()));
                }
                None => canvas.text((left, middle), text, Type::new(LABEL_SIZE, Color::MUTED)),
            }
        }
        Ok(canvas.finish())
    }

    /// Where everything goes, and the height of the page.
    fn placed(&self, top: f64) -> (Vec<Placed<'_>>, f64) {
        let look = Type::new(LABEL_SIZE, Color::INK);
        let (mut left, mut middle) = (MARGIN, top + LINE / 2.0);
        let mut placed = Vec::new();
        for part in &self.parts {
            match part {
                Part::Piece(piece, ground) => {
                    let text = piece.trim_end_matches(['\n', '\r']);
                    let width = look.width(text).max(NARROWEST);
                    if left > MARGIN && left + width > self.width - MARGIN {
                        (left, middle) = (MARGIN, middle + LINE);
                    }
                    placed.push(Placed { left, middle, width, text, ground: Some(*ground) });
                    left += width;
                    if text.len() < piece.len() {
                        (left, middle) = (MARGIN, middle + LINE);
                    }
                }
                Part::Note(text) => {
                    if left > MARGIN {
                        middle += LINE;
                    }
                    if placed.last().is_some_and(|last: &Placed<'_>| last.ground.is_some()) {
                        middle += LINE / 4.0;
                    }
                    placed.push(Placed { left: MARGIN, middle, width: 0.0, text, ground: None });
                    (left, middle) = (MARGIN, middle + LINE);
                }
            }
        }
        let last = if left > MARGIN { middle } else { middle - LINE };
        (placed, last + LINE / 2.0 + MARGIN)
    }

    /// Draws the page into a PNG file.
    ///
    /// # Errors
    ///
    /// As [`draw`](Self::draw), naming `path`; or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        self.draw().map_err(|error| error.for_file(path))?.save(path)
    }
}

/// A text and its place, in points.
struct Placed<'a> {
    left: f64,
    middle: f64,
    width: f64,
    text: &'a str,
    ground: Option<Color>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Color = Color(250, 0, 0);
    const BLUE: Color = Color(0, 0, 250);

    fn rows_of(picture: &Picture, color: Color) -> Vec<u32> {
        let has = |&y: &u32| (0..picture.width()).any(|x| picture.at(x, y) == Some(color));
        (0..picture.height()).filter(has).collect()
    }

    #[test]
    fn pieces_stand_side_by_side_until_the_line_is_full() {
        let one = Passage::new(200.0).piece("ab", RED).piece("cd", BLUE).draw().unwrap();
        assert_eq!(rows_of(&one, RED), rows_of(&one, BLUE));
        assert_eq!(rows_of(&one, RED).len(), 30);
        let two = Passage::new(60.0).piece("abcde", RED).piece("fghij", BLUE).draw().unwrap();
        assert_eq!(rows_of(&two, BLUE)[0] - rows_of(&two, RED)[0], 36);
        assert_eq!(two.height() - one.height(), 36);
    }

    #[test]
    fn the_end_of_a_line_ends_it_and_nothing_is_lost() {
        let passage = Passage::new(200.0).piece("ab\n", RED).piece(" ", BLUE).note("two tokens");
        let picture = passage.draw().unwrap();
        let (red, blue) = (rows_of(&picture, RED), rows_of(&picture, BLUE));
        assert!(red[29] < blue[0] && blue.len() == 30);
        assert!(rows_of(&picture, Color::MUTED)[0] > blue[29]);
    }

    #[test]
    fn an_empty_page_is_refused() {
        let error = Passage::new(100.0).title("Nothing").draw().unwrap_err().to_string();
        assert_eq!(error, "passage: no pieces: expected one at least");
    }
}

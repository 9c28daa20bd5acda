//! A text and its tokens, in colours: on a terminal and on a page.
#![allow(clippy::print_stdout, reason = "the example shows on the terminal what it has learnt")]

use std::io::IsTerminal;

use fornax_nn_core::plot::{Color, Passage, SERIES};
use fornax_prep::Error;
use fornax_prep::text::Tokenizer;

/// Lines shown.
const LINES: usize = 5;
/// Backgrounds of a terminal of 256 colours, pale enough for black letters.
const GROUNDS: [u8; 6] = [153, 223, 158, 225, 229, 195];

/// Some of the lines: the first that read like prose and not like tables or code.
pub(crate) fn sample(lines: &[&String]) -> String {
    let prose = |line: &&&String| {
        let letters = line.chars().filter(|c| c.is_alphabetic() || *c == ' ').count();
        line.len() > 60 && !line.contains("  ") && letters * 20 > line.chars().count() * 19
    };
    let mut chosen: Vec<&str> = lines.iter().filter(prose).take(LINES).map(|line| line.as_str()).collect();
    if chosen.is_empty() {
        chosen = lines.iter().take(LINES).map(|line| line.as_str()).collect();
    }
    let end = |line: &str| line.char_indices().nth(140).map_or(line.len(), |(end, _)| end);
    chosen.iter().map(|line| format!("{}\n", &line[..end(line)])).collect()
}

/// The bytes of the text that each token covers, cut where characters end: a character of several tokens goes
/// to the first.
fn cut(tokenizer: &Tokenizer, text: &str) -> Result<Vec<String>, Error> {
    let mut cut = Vec::new();
    let mut done = 0;
    for piece in tokenizer.pieces(text)? {
        if piece.range.end > done {
            cut.push(text.get(done..piece.range.end).unwrap_or_default().to_owned());
            done = piece.range.end;
        }
    }
    Ok(cut)
}

/// Prints the text with a colour for each token, or with bars between them where there are no colours.
pub(crate) fn show(tokenizer: &Tokenizer, text: &str) -> Result<(), Error> {
    let colours = std::io::stdout().is_terminal();
    for line in text.lines() {
        let pieces = cut(tokenizer, line)?;
        if colours {
            let painted = pieces
                .iter()
                .enumerate()
                .map(|(i, piece)| format!("\x1b[30;48;5;{}m{piece}\x1b[0m", GROUNDS[i % GROUNDS.len()]));
            println!("{}", painted.collect::<String>());
        } else {
            println!("{}", pieces.join("│"));
        }
    }
    Ok(())
}

/// The same on a page.
pub(crate) fn draw(tokenizer: &Tokenizer, text: &str, notes: &[String]) -> Result<Passage, Error> {
    let mut page = Passage::new(560.0).title("A text cut into tokens");
    let mut count = 0;
    for line in text.lines() {
        let mut pieces = cut(tokenizer, line)?;
        if let Some(last) = pieces.last_mut() {
            last.push('\n');
        }
        for piece in pieces {
            page = page.piece(piece, SERIES[count % 6].towards(Color::WHITE, 0.62));
            count += 1;
        }
    }
    Ok(notes.iter().fold(page, |page, note| page.note(note)))
}

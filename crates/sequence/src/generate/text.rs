//! From a stream of tokens to a stream of text.

/// Turns tokens into text as they come, and ends at strings.
///
/// A token is not always a piece of text: three of a byte-level vocabulary may make one letter, and a space may depend on
/// what follows. So all tokens are decoded anew each time, and only what can no longer change is given out: nothing that ends
/// in an incomplete letter or in the beginning of a stop string.
///
/// ```
/// use fornax_sequence::generate::TextStream;
///
/// let letters = |ids: &[u32]| Ok::<_, ()>(ids.iter().filter_map(|&id| char::from_u32(id)).collect::<String>());
/// let mut stream = TextStream::new(letters, ["end."]);
/// let mut shown = String::new();
/// for letter in "the end. and more".chars() {
///     shown += &stream.push(letter as u32)?;
///     if stream.has_stopped() {
///         break;
///     }
/// }
/// assert_eq!(shown, "the "); // without the string it stops at
/// # Ok::<(), ()>(())
/// ```
#[derive(Debug)]
pub struct TextStream<D> {
    decode: D,
    stop: Vec<String>,
    tokens: Vec<u32>,
    /// Bytes given out.
    shown: usize,
    stopped: bool,
}

impl<E, D: Fn(&[u32]) -> Result<String, E>> TextStream<D> {
    /// Decodes by `decode` and ends before the first of the strings `stop`.
    pub fn new<S: Into<String>>(decode: D, stop: impl IntoIterator<Item = S>) -> Self {
        let stop = stop.into_iter().map(Into::into).filter(|text: &String| !text.is_empty()).collect();
        Self { decode, stop, tokens: Vec::new(), shown: 0, stopped: false }
    }

    /// Takes a token and returns the text that is now certain, often none.
    ///
    /// # Errors
    ///
    /// Those of the decoder.
    pub fn push(&mut self, token: u32) -> Result<String, E> {
        self.tokens.push(token);
        let text = (self.decode)(&self.tokens)?;
        if let Some(end) = self.stop.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            self.stopped = true;
            return Ok(self.up_to(&text, end));
        }
        let complete = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let held = self.stop.iter().map(|stop| overlap(complete, stop)).max().unwrap_or(0);
        Ok(self.up_to(&text, complete.len() - held))
    }

    /// What was held back, when no token follows.
    ///
    /// # Errors
    ///
    /// Those of the decoder.
    pub fn finish(&mut self) -> Result<String, E> {
        if self.stopped {
            return Ok(String::new());
        }
        let text = (self.decode)(&self.tokens)?;
        Ok(self.up_to(&text, text.len()))
    }

    /// Whether a stop string was met: what follows is not given out.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    fn up_to(&mut self, text: &str, end: usize) -> String {
        // A decoder that rewrites what it said before can only be taken at its word from here on.
        let new = text.get(self.shown..end.max(self.shown)).unwrap_or_default().to_owned();
        self.shown += new.len();
        new
    }
}

/// How many bytes at the end of `text` begin `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let starts = stop.char_indices().map(|(at, _)| at).skip(1);
    starts.filter(|&at| text.ends_with(&stop[..at])).max().unwrap_or(0)
}

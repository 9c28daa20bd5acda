//! 1,797 real handwritten digits, inside the library: no download, no file to find.
//!
//! 13 people wrote them on paper forms. The forms were scanned, each digit was centred in a square of
//! 32 × 32 black or white pixels, and the square was reduced to 8 × 8 by counting the ink in each 4 × 4
//! block; so a pixel is a number from 0 (paper) to 16 (ink all over). This is the test part (its writers
//! are not those of the training part) of the *Optical Recognition of Handwritten Digits* data set by E. Alpaydin and C. Kaynak (1998), UCI Machine
//! Learning Repository, <https://doi.org/10.24432/C50P49>, licensed under
//! [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); changed here only in its packing.
//!
//! ```text
//! pixels   1,797 × 64, values 0 to 16        labels   0 to 9, between 174 and 183 of each
//! ```
//!
//! ## Packing
//!
//! 34 bytes an image, 61,098 in all. A row of eight pixels is one number in base 17, the leftmost pixel
//! its lowest digit. 17⁸ < 2³³, so the eight rows take 264 bits: eight little-endian words with the low 32
//! bits of each row, a byte with the eight top bits (row r in bit r), and a byte for the label. Unpacking is
//! division by 17; there is no byte sequence on which it could fail. `data/pack_digits.py` packs.

use std::sync::OnceLock;

use crate::image::ImageSet;
use crate::partition::Folds;

/// Number of images.
pub const COUNT: usize = 1797;
/// Height and width of an image.
pub const SIDE: usize = 8;
/// The largest pixel value: ink all over.
pub const MAX_VALUE: u8 = 16;

const PIXELS: usize = SIDE * SIDE;
const RECORD: usize = 34;
static PACKED: &[u8; COUNT * RECORD] = include_bytes!("../data/digits.bin");

/// The embedded digits; see the [module page](self).
///
/// ```
/// use fornax_prep::Digits;
///
/// let digits = Digits::load();
/// assert_eq!(digits.labels()[..5], [0, 1, 2, 3, 4]);
/// assert_eq!(digits.image(0)[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
///
/// let set = digits.to_set();
/// assert_eq!((set.len(), set.shape()), (1797, [1, 8, 8]));
/// ```
#[derive(Debug)]
pub struct Digits {
    pixels: Vec<u8>,
    labels: Vec<usize>,
}

impl Digits {
    /// The digits, unpacked at the first call.
    pub fn load() -> &'static Self {
        static DIGITS: OnceLock<Digits> = OnceLock::new();
        DIGITS.get_or_init(|| {
            let mut pixels = Vec::with_capacity(COUNT * PIXELS);
            let mut labels = Vec::with_capacity(COUNT);
            for record in PACKED.as_chunks::<RECORD>().0 {
                let top_bits = record[32];
                for (row, word) in record[..32].as_chunks::<4>().0.iter().enumerate() {
                    let top = u64::from(top_bits >> row & 1);
                    let mut number = top << 32 | u64::from(u32::from_le_bytes(*word));
                    for _ in 0..SIDE {
                        pixels.push((number % 17) as u8);
                        number /= 17;
                    }
                }
                labels.push(usize::from(record[33]));
            }
            Self { pixels, labels }
        })
    }

    /// All pixels, image after image, row after row: values 0 to [`MAX_VALUE`].
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The digit each image shows.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The 64 pixels of one image.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`COUNT`].
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * PIXELS..][..PIXELS]
    }

    /// The digits as a labelled set of `[1, 8, 8]` images, values divided by 16 into [0, 1].
    ///
    /// For a larger size see [`ImageSet::resized`].
    pub fn to_set(&self) -> ImageSet {
        let pixels = self.pixels.iter().map(|&value| f32::from(value) / f32::from(MAX_VALUE)).collect();
        let class_names = (0..10).map(|digit| digit.to_string()).collect();
        ImageSet::from_parts(pixels, [1, SIDE, SIDE], self.labels.clone(), class_names)
    }

    /// The fixed stratified partition that this project's figures on the digits are measured on: five
    /// folds, seed 0.
    pub fn folds(&self) -> Folds {
        Folds::deal(&self.labels, 5, 0)
    }

    /// One image in characters, two a pixel: ink as shades of grey.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`COUNT`].
    pub fn draw(&self, index: usize) -> String {
        const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
        let shade = |&value: &u8| SHADES[usize::from(value.div_ceil(4)).min(4)];
        let row = |row: &[u8]| row.iter().map(shade).flat_map(|c| [c, c]).collect::<String>();
        self.image(index).chunks(SIDE).map(row).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn every_class_has_its_known_count() {
        let mut counts = [0; 10];
        for &label in Digits::load().labels() {
            counts[label] += 1;
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn pixels_stay_in_range_and_sum_to_the_known_total() {
        let pixels = Digits::load().pixels();
        assert_eq!(pixels.len(), COUNT * PIXELS);
        assert_eq!(pixels.iter().max(), Some(&MAX_VALUE));
        assert_eq!(pixels.iter().map(|&value| u64::from(value)).sum::<u64>(), 561_718);
    }

    #[test]
    fn unpacked_and_written_as_text_they_are_the_published_file() {
        let digits = Digits::load();
        let mut text = String::new();
        for (index, label) in digits.labels().iter().enumerate() {
            for value in digits.image(index) {
                write!(text, "{value},").unwrap();
            }
            writeln!(text, "{label}").unwrap();
        }
        let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8");
    }

    #[test]
    fn the_first_image_is_a_zero() {
        let expected = [
            "    ▒▒██▓▓░░    ",
            "    ████▓▓██▒▒  ",
            "  ░░██░░  ▓▓▒▒  ",
            "  ░░▓▓    ▒▒▒▒  ",
            "  ▒▒▒▒    ▓▓▒▒  ",
            "  ░░▓▓  ░░▓▓▒▒  ",
            "  ░░██▒▒▓▓▓▓    ",
            "    ▒▒██▓▓      ",
        ];
        let drawn = Digits::load().draw(0);
        assert_eq!(drawn.lines().collect::<Vec<_>>(), expected, "\n{drawn}");
    }

    #[test]
    fn the_five_folds_hold_out_every_digit_once() {
        let folds = Digits::load().folds();
        let sizes: Vec<usize> = (0..5).map(|fold| folds.split(fold).test.len()).collect();
        assert_eq!(sizes, [360, 360, 359, 359, 359]);
    }
}

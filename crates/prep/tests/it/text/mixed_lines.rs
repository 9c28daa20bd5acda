//! 2,400 lines of mixed scripts in closed form: the same as `xtask/reference/mixed_lines.py` makes.

pub(super) const COUNT: u64 = 2400;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
const WORDS: &str = "the of and to in run running runner ran low lower lowest new newer newest wide widest token tokens \
    tokenise tokeniser don't we'll it's I'm unhappiness internationalisation 42 2026 3.14 e-mail C++ <pad> x";
const ACCENTED: &str =
    "naïve café Ünïted Größe façade jalapeño Ærøskøbing žluťoučký kůň Việt ẞ İstanbul ﬁne ² ½ Ａｂｃ";
const SEPARATORS: [&str; 12] = [" ", " ", " ", " ", "  ", "\t", ", ", ". ", "! ", "\u{a0}", "\u{3000}", "-"];
const JOINERS: [&str; 4] = ["\u{200d}", "\u{fe0f}", "\u{1f3fd}", ""];
const CONTROLS: [u32; 16] = [
    0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0D, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x200E, 0x2028, 0xFEFF, 0xFFFD,
];

/// First code point and how many, from the fourth kind on: Cyrillic, Greek, Arabic, Hebrew, Devanagari,
/// Chinese, faces.
const RANGES: [(u32, u64); 7] =
    [(0x410, 64), (0x3B1, 25), (0x627, 36), (0x5D0, 27), (0x905, 73), (0x4E00, 150), (0x1F600, 64)];

/// splitmix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn one_of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len() as u64) as usize]
    }

    fn letter(&mut self, first: u32, count: u64) -> char {
        char::from_u32(first + self.below(count) as u32).unwrap()
    }
}

fn word(kind: u64, numbers: &mut Numbers, text: &mut String) {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    match kind {
        0 => text.push_str(numbers.one_of(&words)),
        1 => text.push_str(numbers.one_of(&ACCENTED.split_whitespace().collect::<Vec<_>>())),
        2 => {
            for _ in 0..1 + numbers.below(6) {
                text.push(numbers.letter(u32::from('a'), 26));
                for _ in 0..numbers.below(3) {
                    text.push(numbers.letter(0x300, 0x70));
                }
            }
        }
        9 => {
            for _ in 0..1 + numbers.below(3) {
                text.push(numbers.letter(RANGES[6].0, RANGES[6].1));
                text.push_str(numbers.one_of(&JOINERS));
            }
        }
        10 => {
            text.push_str(words[numbers.below(8) as usize]);
            text.push(char::from_u32(CONTROLS[numbers.below(16) as usize]).unwrap());
            text.push_str(words[numbers.below(8) as usize]);
        }
        _ => {
            let (first, count) = RANGES[kind as usize - 3];
            for _ in 0..1 + numbers.below(7) {
                text.push(numbers.letter(first, count));
            }
        }
    }
}

pub(super) fn line(index: u64) -> String {
    let mut numbers = Numbers(index.wrapping_mul(GOLDEN));
    let kind = index % 12;
    let mut text = String::new();
    let mut end = 0;
    for _ in 0..1 + numbers.below(9) {
        let own = if kind == 11 { numbers.below(11) } else { kind };
        word(own, &mut numbers, &mut text);
        end = text.len();
        text.push_str(numbers.one_of(&SEPARATORS));
    }
    if numbers.below(4) > 0 {
        text.truncate(end);
    }
    text
}

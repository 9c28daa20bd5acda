//! SentencePiece's table of characters, looked through before it is walked.
//!
//! The table is a double-array tree and a text: a length in bytes, little-endian, that many bytes of 32-bit
//! units, and replacements that end with a zero byte each. The library that walks it trusts every jump and
//! every length.
//!
//! ```text
//! unit   bit 31 and bits 0–7 label   bit 8 has a leaf   bits 10–30 offset, shifted left by 8 if bit 9 is set
//! step   position ^= byte; unit = table[position]; label(unit) = byte?; position ^= offset(unit)
//! ```

/// The longest replacement of one character, in bytes: ﷺ becomes 33.
const REPLACEMENT: usize = 256;

/// What was expected and what was found.
type Refusal = (String, String);

/// Refuses a table on which some text would leave it.
pub(super) fn check(base64: &str) -> Result<(), Refusal> {
    let bytes = decoded(base64)?;
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(("a length of four bytes".to_owned(), format!("{} bytes", bytes.len())));
    };
    let length = u32::from_le_bytes(*length) as usize / 4 * 4;
    if length > rest.len() || length == 0 {
        let expected =
            format!("a tree of at most the {} bytes that follow, and of at least one unit", rest.len());
        return Err((expected, length.to_string()));
    }
    let (tree, text) = rest.split_at(length);
    let units: Vec<usize> =
        tree.as_chunks::<4>().0.iter().map(|&unit| u32::from_le_bytes(unit) as usize).collect();
    let text = std::str::from_utf8(text).map_err(|error| {
        ("replacements in UTF-8".to_owned(), format!("other bytes from {}", error.valid_up_to()))
    })?;
    let mut ends = vec![0; text.len() + 1];
    ends[text.len()] = text.len();
    for (place, byte) in text.bytes().enumerate().rev() {
        ends[place] = if byte == 0 { place } else { ends[place + 1] };
    }
    let walk = Walk { units: &units, text, ends: &ends };
    let outside = |place: usize| {
        (format!("jumps within the {} units of the tree", units.len()), format!("one to unit {place}"))
    };
    let root = offset(units[0]);
    let mut seen = vec![false; units.len()];
    let mut open = vec![root];
    if root >= units.len() {
        return Err(outside(root));
    }
    seen[root] = true;
    while let Some(node) = open.pop() {
        for byte in 1..=255 {
            let place = node ^ byte;
            let unit = *units.get(place).ok_or_else(|| outside(place))?;
            if unit & (1 << 31 | 0xff) != byte {
                continue;
            }
            let next = place ^ offset(unit);
            let leaf = *units.get(next).ok_or_else(|| outside(next))?;
            if unit >> 8 & 1 == 1 {
                walk.check_replacement(leaf & ((1 << 31) - 1))?;
            }
            if !std::mem::replace(&mut seen[next], true) {
                open.push(next);
            }
        }
    }
    Ok(())
}

fn offset(unit: usize) -> usize {
    unit >> 10 << ((unit & 1 << 9) >> 6)
}

struct Walk<'a> {
    units: &'a [usize],
    text: &'a str,
    /// Where the replacement that begins here ends.
    ends: &'a [usize],
}

impl Walk<'_> {
    fn check_replacement(&self, start: usize) -> Result<(), Refusal> {
        debug_assert!(!self.units.is_empty());
        let end = self.ends.get(start).copied();
        let expected = || format!("replacements of at most {REPLACEMENT} bytes within {}", self.text.len());
        match end {
            Some(end) if end - start <= REPLACEMENT && self.text.get(start..end).is_some() => Ok(()),
            _ => Err((expected(), format!("one at byte {start}"))),
        }
    }
}

/// Bytes of a text in base 64, RFC 4648's alphabet with padding, as the library reads it.
fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    let refused = |found: String| ("a text in base 64".to_owned(), found);
    let bytes = text.as_bytes();
    let digits = bytes.strip_suffix(b"==").or_else(|| bytes.strip_suffix(b"=")).unwrap_or(bytes);
    if !bytes.len().is_multiple_of(4) {
        return Err(refused(format!("{} characters", bytes.len())));
    }
    let mut result = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0);
    for &digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => return Err(refused(format!("the character {:?}", char::from(other)))),
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            result.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    if held != 0 {
        return Err(refused("bits after the last byte".to_owned()));
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let mut held = [0; 4];
            held[1..=chunk.len()].copy_from_slice(chunk);
            let number = u32::from_be_bytes(held);
            for i in 0..4 {
                let digit = DIGITS[(number >> (18 - 6 * i) & 63) as usize];
                text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
            }
        }
        text
    }

    fn table(units: &[u32], text: &[u8]) -> String {
        let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
        units.iter().for_each(|unit| bytes.extend(unit.to_le_bytes()));
        bytes.extend(text);
        encoded(&bytes)
    }

    /// A tree of 512 units that replaces "a" by "xy".
    fn honest() -> Vec<u32> {
        let mut units = vec![0; 512];
        units[0] = 0; // the root's children are at 0 ^ byte
        units[usize::from(b'a')] = u32::from(b'a') | 1 << 8 | (256 ^ u32::from(b'a')) << 10;
        units[256] = 0x8000_0000; // the leaf: byte 0 of the text
        units
    }

    #[test]
    fn base_64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decoded(text).unwrap(), bytes.as_bytes());
        }
        for text in ["Zg", "Zg=", "Z===", "Zh==", "Zm9v\n", "Zm 9", "=Zg="] {
            assert!(decoded(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_honest_table_passes_and_replaces() {
        let text = table(&honest(), b"xy\0");
        check(&text).unwrap();
        let json = format!(r#"{{"type":"Precompiled","precompiled_charsmap":"{text}"}}"#);
        let normaliser: tokenizers::normalizers::Precompiled = serde_json::from_str(&json).unwrap();
        assert_eq!(normaliser.normalize_string("bab"), "bxyb");
    }

    #[test]
    fn tables_that_lead_outside_are_refused() {
        let with = |change: fn(&mut Vec<u32>)| {
            let mut units = honest();
            change(&mut units);
            units
        };
        let refused = [
            ("jumps", table(&with(|units| units[0] = 600 << 10), b"xy\0")),
            ("jumps", table(&with(|units| units.truncate(200)), b"xy\0")),
            ("jumps", table(&with(|units| units[97] = 97 | 3000 << 10), b"xy\0")),
            ("jumps", table(&with(|units| units[97] = 97 | 1 << 9 | 8 << 10), b"xy\0")),
            ("replacements", table(&with(|units| units[256] = 0x8000_0009), b"xy\0")),
            ("replacements", table(&with(|units| units[256] = 0x8000_0001), "ß\0".as_bytes())),
            ("replacements", table(&honest(), &[b'x'; 300])),
            ("replacements in UTF-8", table(&honest(), b"\xff\0")),
            ("a tree of at most", encoded(&u32::MAX.to_le_bytes())),
            ("a tree of at most", encoded(&[0; 4])),
            ("a length", encoded(&[1, 2])),
            ("base 64", "not base 64".to_owned()),
        ];
        for (expected, text) in refused {
            let (reason, found) = check(&text).unwrap_err();
            assert!(reason.contains(expected), "{reason}; {found}");
        }
    }
}

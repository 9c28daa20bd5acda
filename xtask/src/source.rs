//! Reading Rust source well enough to tell code from comments, strings and tests.

/// The source with the contents of comments and string literals blanked out, line for line.
pub fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match (chars[i], chars.get(i + 1)) {
            ('/', Some('/')) => find(&chars, i, |rest| rest[0] == '\n').unwrap_or(chars.len()),
            ('/', Some('*')) => block_comment(&chars, i),
            ('"', _) => quoted(&chars, i, '"'),
            ('r', Some('"' | '#')) if !is_word(i.checked_sub(1).and_then(|p| chars.get(p))) => {
                match raw_string(&chars, i) {
                    Some(end) => end,
                    None => {
                        out.push('r');
                        i += 1;
                        continue;
                    }
                }
            }
            // A character literal, not a lifetime: 'x' or '\…'.
            ('\'', Some('\\')) => quoted(&chars, i, '\''),
            ('\'', Some(_)) if chars.get(i + 2) == Some(&'\'') => i + 3,
            (c, _) => {
                out.push(c);
                i += 1;
                continue;
            }
        };
        out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

/// For each line of `code` (as [`code`] returns it), whether it belongs to an item under `#[cfg(test)]`.
pub fn test_lines(code: &str) -> Vec<bool> {
    let mut flags = Vec::new();
    let mut inside = false;
    let (mut depth, mut opened) = (0_usize, false);
    for line in code.lines() {
        let text = match line.find("#[cfg(test)]") {
            Some(at) if !inside => {
                (inside, depth, opened) = (true, 0, false);
                &line[at + "#[cfg(test)]".len()..]
            }
            _ => line,
        };
        flags.push(inside);
        if inside {
            for c in text.chars() {
                match c {
                    '{' => (depth, opened) = (depth + 1, true),
                    '}' => depth = depth.saturating_sub(1),
                    // `#[cfg(test)] mod tests;`
                    ';' if !opened => inside = false,
                    _ => {}
                }
            }
            if opened && depth == 0 {
                inside = false;
            }
        }
    }
    flags
}

fn is_word(c: Option<&char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

fn find(chars: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> Option<usize> {
    (from..chars.len()).find(|&i| found(&chars[i..]))
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            c if c == quote => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// The end of r"…" or r#"…"#; `None` when it is no raw string but an identifier such as r#type.
fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let close =
        |rest: &[char]| rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|&c| c == '#');
    Some(find(chars, open + 1, close).map_or(chars.len(), |i| i + 1 + hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blank_and_lines_stay() {
        let source = "let a = \"todo!()\"; // unwrap()\n/* x\n.unwrap() */ b.unwrap();\n";
        let code = code(source);
        assert_eq!(code.lines().count(), 3);
        assert!(!code.contains("todo!"), "{code}");
        assert_eq!(code.matches(".unwrap()").count(), 1);
    }

    #[test]
    fn quotes_in_characters_and_raw_strings_do_not_confuse() {
        let source =
            "let q = '\"'; let e = '\\''; let r = r#\"a \" .expect( \"#; let l: &'static str = x; y.unwrap()";
        let code = code(source);
        assert!(!code.contains(".expect("), "{code}");
        assert!(code.contains("&'static str = x; y.unwrap()"), "{code}");
    }

    #[test]
    fn test_modules_end_where_their_braces_do() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod other;\nfn d() {}\n";
        let flags = test_lines(&code(source));
        assert_eq!(flags, [false, true, true, true, true, false, true, true, false]);
    }
}

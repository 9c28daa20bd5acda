//! Names that users type: `leaky_relu(0.2)`, and what to say when there is no such name.

use crate::ConfigError;

/// Splits `name` or `name(number)`.
pub(crate) fn parse(field: &str, text: &str) -> Result<(String, Option<f64>), ConfigError> {
    let bad = |reason: String| ConfigError::new(field, reason);
    let Some((name, rest)) = text.split_once('(') else {
        return Ok((text.trim().to_lowercase(), None));
    };
    let Some(number) = rest.trim_end().strip_suffix(')') else {
        return Err(bad(format!("{text:?} lacks its closing parenthesis")));
    };
    match number.trim().parse::<f64>() {
        Ok(value) => Ok((name.trim().to_lowercase(), Some(value))),
        Err(_) => Err(bad(format!("{number:?} in {text:?} is not a number"))),
    }
}

/// The error for a name that is none of `known`, with the nearest one when it is near.
///
/// ```
/// let error = fornax_nn_core::name::unknown("activation", "rleu", &["relu", "tanh"]);
/// assert_eq!(error.to_string(), r#"activation: unknown name "rleu"; did you mean "relu"? (known: relu, tanh)"#);
/// ```
pub fn unknown(field: &str, name: &str, known: &[&str]) -> ConfigError {
    let suggestion = match nearest(name, known.iter().copied()) {
        Some(candidate) => format!("; did you mean {candidate:?}?"),
        None => String::new(),
    };
    ConfigError::new(field, format!("unknown name {name:?}{suggestion} (known: {})", known.join(", ")))
}

/// The name among `known` that is most like `name`, if it is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &str| 1 + candidate.len() / 3;
    // It takes as many edits as the lengths differ by, at least: names from a file may be megabytes long.
    let alike = known.filter(|candidate| candidate.len().abs_diff(name.len()) <= near(candidate));
    let (edits, candidate) = alike.map(|candidate| (distance(name, candidate), candidate)).min()?;
    (edits <= near(candidate)).then_some(candidate)
}

/// The fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut edits = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            edits[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = edits[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let shifted = edits[i - 1][j].min(edits[i][j - 1]) + 1;
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swap = if swapped { edits[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(shifted).min(swap)
            };
        }
    }
    edits[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances_of_known_pairs() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
        assert_eq!(distance("rleu", "relu"), 1);
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["relu", "tanh"];
        assert!(unknown("activation", "rleu", &known).reason.contains("did you mean \"relu\""));
        assert!(!unknown("activation", "xylophone", &known).reason.contains("did you mean"));
    }

    #[test]
    fn a_number_in_parentheses_is_read_or_refused() {
        assert_eq!(parse("f", "elu ( 0.5 )").unwrap(), ("elu".to_owned(), Some(0.5)));
        assert!(parse("f", "elu(").unwrap_err().reason.contains("closing parenthesis"));
        assert!(parse("f", "elu(x)").unwrap_err().reason.contains("not a number"));
    }
}

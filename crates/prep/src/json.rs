//! What has to be known of JSON before a parser sees it.

use crate::{Limits, Problem};

/// What serde_json itself allows.
const DEEPEST: u64 = 127;

/// How deep lists and objects may lie within each other.
pub(crate) fn deepest(limits: &Limits) -> u64 {
    limits.json_nesting.min(DEEPEST)
}

/// Refuses JSON that is nested deeper than allowed, before anything is built of it: a parser takes memory and
/// stack for each level.
pub(crate) fn check_nesting(json: &[u8], limits: &Limits) -> Result<(), Problem> {
    let allowed = deepest(limits);
    let (mut depth, mut quoted, mut escaped) = (0u64, false, false);
    for &byte in json {
        if quoted {
            (quoted, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > allowed {
            return Err(Problem::OverLimit { limit: "json_nesting", allowed, found: depth });
        }
    }
    Ok(())
}

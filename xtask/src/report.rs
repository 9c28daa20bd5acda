//! What test runners print, as numbers.

/// Tests that ran, by how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
}

/// Adds up every summary in the output of cargo-nextest or `cargo test`; `None` when there is none,
/// because nothing was built or nothing ran.
pub fn test_counts(output: &str) -> Option<Counts> {
    let mut total = None;
    for line in output.lines() {
        let summary = line.trim_start();
        let counts = if summary.starts_with("Summary [") {
            // Summary [  12.3s] 120 tests run: 118 passed (1 slow), 1 failed, 1 timed out, 30 skipped
            summary.split_once("run:").map(|(_, counts)| counts)
        } else {
            // test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.10s
            summary.strip_prefix("test result:")
        };
        if let Some(counts) = counts {
            let total = total.get_or_insert_with(Counts::default);
            total.passed += before(counts, "passed");
            total.failed += before(counts, "failed") + before(counts, "timed out");
        }
    }
    total
}

/// The number in front of `word`, 0 when the word is not there.
fn before(text: &str, word: &str) -> usize {
    text.split([',', ';', '.', '('])
        .filter_map(|part| part.trim().strip_suffix(word))
        .filter_map(|number| number.trim().parse::<usize>().ok())
        .sum()
}

/// Columns lined up under their heads, numbers to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(head.to_vec());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// Seconds as `1 min 02 s` or `3.4 s`.
pub fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", seconds as u64 / 60, seconds as u64 % 60)
    }
}

/// The middle value, or the mean of the two middle ones.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_summaries_are_read() {
        let output = "    Starting 4 tests\n        PASS [ 0.1s] a\n     Summary [   3.120s] 120 tests run: 117 passed \
                      (1 slow), 2 failed, 1 timed out, 30 skipped\n";
        assert_eq!(test_counts(output), Some(Counts { passed: 117, failed: 3 }));
        let stopped = "     Summary [   0.5s] 10/120 tests run: 9 passed, 1 failed, 0 skipped\n";
        assert_eq!(test_counts(stopped), Some(Counts { passed: 9, failed: 1 }));
    }

    #[test]
    fn cargo_test_summaries_add_up() {
        let output = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.10s\n\
                      test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(test_counts(output), Some(Counts { passed: 13, failed: 2 }));
    }

    #[test]
    fn a_build_that_fails_has_no_counts() {
        assert_eq!(test_counts("error: could not compile `fornax-cnn`\n"), None);
    }

    #[test]
    fn tables_line_up() {
        let rows =
            vec![vec!["fmt".to_owned(), "1".to_owned()], vec!["test-flex".to_owned(), "120".to_owned()]];
        assert_eq!(
            table(&["step", "passed"], &rows),
            "step       passed\nfmt             1\ntest-flex     120\n"
        );
    }

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(duration(3.42), "3.4 s");
        assert_eq!(duration(62.9), "1 min 02 s");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}

//! Values on a grid: level lines through them, and counts of points in cells.

/// A place on a grid: column and row, fractional.
pub(crate) type Spot = (f64, f64);

/// Marching squares: where the field crosses `level`, one cell of four samples after another.
pub(crate) fn level_segments(
    values: &[Option<f64>],
    columns: usize,
    rows: usize,
    level: f64,
) -> Vec<[Spot; 2]> {
    let mut segments = Vec::new();
    for row in 0..rows - 1 {
        for column in 0..columns - 1 {
            let corner = |dx: usize, dy: usize| values[(row + dy) * columns + column + dx];
            let (Some(a), Some(b), Some(c), Some(d)) =
                (corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1))
            else {
                continue;
            };
            let (x, y) = (column as f64, row as f64);
            let corners = [(a, x, y), (b, x + 1.0, y), (c, x + 1.0, y + 1.0), (d, x, y + 1.0)];
            let crossings: Vec<Spot> = (0..4)
                .filter_map(|i| {
                    let ((from, x0, y0), (to, x1, y1)) = (corners[i], corners[(i + 1) % 4]);
                    if (from < level) == (to < level) {
                        return None;
                    }
                    let part = (level - from) / (to - from);
                    Some((x0 + part * (x1 - x0), y0 + part * (y1 - y0)))
                })
                .collect();
            match crossings[..] {
                [p, q] => segments.push([p, q]),
                // A saddle: join the crossings so that the middle keeps its side.
                [p, q, r, s] if ((a + b + c + d) / 4.0 < level) == (a < level) => {
                    segments.extend([[p, q], [r, s]]);
                }
                [p, q, r, s] => segments.extend([[p, s], [q, r]]),
                _ => {}
            }
        }
    }
    segments
}

/// Counts points in cells, for [`Plane::grid`](super::Plane::grid): `columns × rows` counts over the two ranges, the first row lowest.
///
/// ```
/// use fornax_nn_core::plot::bin;
///
/// let counts = bin(&[(0.1, 0.1), (0.9, 0.1), (0.9, 0.2), (7.0, 0.0)], (0.0, 1.0), (0.0, 1.0), 2, 2);
/// assert_eq!(counts, [1.0, 2.0, 0.0, 0.0]);
/// ```
pub fn bin(
    points: &[(f64, f64)],
    x_range: (f64, f64),
    y_range: (f64, f64),
    columns: usize,
    rows: usize,
) -> Vec<f64> {
    let mut counts = vec![0.0; columns * rows];
    let cell = |value: f64, (low, high): (f64, f64), cells: usize| {
        let part = (value - low) / (high - low);
        (0.0..1.0).contains(&part).then_some(((part * cells as f64) as usize).min(cells.saturating_sub(1)))
    };
    for &(x, y) in points {
        if let (Some(column), Some(row)) = (cell(x, x_range, columns), cell(y, y_range, rows))
            && let Some(count) = counts.get_mut(row * columns + column)
        {
            *count += 1.0;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_lines_lie_on_the_level() {
        // x² + y² on a grid: the line at 16 is a circle of radius 4.
        let side = 21;
        let values: Vec<Option<f64>> = (0..side * side)
            .map(|i| Some(((i % side) as f64 - 10.0).powi(2) + ((i / side) as f64 - 10.0).powi(2)))
            .collect();
        let segments = level_segments(&values, side, side, 16.0);
        assert!(segments.len() >= 20);
        let mut length = 0.0;
        for [a, b] in segments {
            for (x, y) in [a, b] {
                let radius = (x - 10.0).hypot(y - 10.0);
                assert!((radius - 4.0).abs() < 0.04, "{radius}");
            }
            length += (a.0 - b.0).hypot(a.1 - b.1);
        }
        let circle = 8.0 * std::f64::consts::PI;
        assert!((length / circle - 1.0).abs() < 0.02, "{length} against {circle}");
    }
}

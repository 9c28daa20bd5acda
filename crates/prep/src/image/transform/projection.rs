//! Maps of the plane, as three by three matrices on homogeneous coordinates.

/// A projective map from positions in an old image to positions in a new one.
///
/// ```text
/// ⎡x'·w⎤   ⎡m₀₀ m₀₁ m₀₂⎤ ⎡x⎤
/// ⎢y'·w⎥ = ⎢m₁₀ m₁₁ m₁₂⎥·⎢y⎥      affine when the last row is 0 0 1
/// ⎣ w  ⎦   ⎣m₂₀ m₂₁ m₂₂⎦ ⎣1⎦
/// ```
///
/// Positions are as in [`BoundingBox`](crate::image::BoundingBox): the pixel of row i and column j covers
/// [j, j + 1] × [i, i + 1], so an image of width w is turned about w/2 and its pixels' centres lie at halves.
/// Maps compose by multiplication, which is why one type serves shifts, turns, shears and perspective alike.
///
/// ```
/// use fornax_prep::image::transform::Projection;
///
/// let turn = Projection::linear([[0.0, -1.0], [1.0, 0.0]]).around([2.0, 2.0]); // a quarter turn to the right
/// let map = turn.then(Projection::translation([1.0, 0.0]));
/// assert_eq!(map.map([0.0, 0.0]), Some([5.0, 0.0]));
/// let back = map.inverse().unwrap().map([5.0, 0.0]).unwrap();
/// assert!(back[0].abs() < 1e-12 && back[1].abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projection([[f64; 3]; 3]);

impl Projection {
    /// Leaves everything where it is.
    pub fn identity() -> Self {
        Self::linear([[1.0, 0.0], [0.0, 1.0]])
    }

    /// The linear map of this matrix, which keeps the origin.
    pub fn linear([[a, b], [c, d]]: [[f64; 2]; 2]) -> Self {
        Self([[a, b, 0.0], [c, d, 0.0], [0.0, 0.0, 1.0]])
    }

    /// A shift by `[x, y]`.
    pub fn translation([x, y]: [f64; 2]) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
    }

    /// Multiplies x and y by their factors.
    pub fn scaling([x, y]: [f64; 2]) -> Self {
        Self::linear([[x, 0.0], [0.0, y]])
    }

    /// The map that takes four corners to four others; `None` when three corners lie on a line.
    ///
    /// The eight unknowns (m₂₂ is 1) solve two linear equations a corner.
    pub fn from_quads(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Option<Self> {
        let mut rows = [[0.0; 9]; 8];
        for (corner, ([x, y], [u, v])) in from.into_iter().zip(to).enumerate() {
            rows[2 * corner] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * corner + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        let [a, b, c, d, e, f, g, h] = solve(rows)?;
        let map = Self([[a, b, c], [d, e, f], [g, h, 1.0]]);
        map.inverse().map(|_| map)
    }

    /// The same map with `centre` in the role of the origin.
    #[must_use]
    pub fn around(self, [x, y]: [f64; 2]) -> Self {
        Self::translation([-x, -y]).then(self).then(Self::translation([x, y]))
    }

    /// This map, then `next`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let mut product = [[0.0; 3]; 3];
        for (row, out) in product.iter_mut().enumerate() {
            for (column, value) in out.iter_mut().enumerate() {
                *value = (0..3).map(|k| next.0[row][k] * self.0[k][column]).sum();
            }
        }
        Self(product)
    }

    /// The map back; `None` when this one flattens the plane.
    pub fn inverse(&self) -> Option<Self> {
        let m = &self.0;
        let minor = |r: usize, c: usize| {
            let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
            m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
        };
        let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
        // Also refuses what is not a number.
        if !(determinant.is_finite() && determinant.abs() > 1e-12) {
            return None;
        }
        let mut inverse = [[0.0; 3]; 3];
        for (row, out) in inverse.iter_mut().enumerate() {
            for (column, value) in out.iter_mut().enumerate() {
                *value = minor(column, row) / determinant;
            }
        }
        // w = 1 for affine maps, exactly.
        let w = inverse[2][2];
        if w.abs() > 1e-12 {
            inverse.as_flattened_mut().iter_mut().for_each(|value| *value /= w);
        }
        Some(Self(inverse))
    }

    /// Where a position goes; `None` for one on or behind the horizon of a perspective.
    pub fn map(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let [u, v, w] = self.0.map(|[a, b, c]| a * x + b * y + c);
        (w > 1e-9).then(|| [u / w, v / w])
    }

    /// The rows of the matrix.
    pub fn matrix(&self) -> [[f64; 3]; 3] {
        self.0
    }
}

/// Gauss and Jordan's elimination with pivots; the last column is the right-hand side.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot = (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        // Also refuses what is not a number.
        if !(rows[pivot][column].is_finite() && rows[pivot][column].abs() > 1e-10) {
            return None;
        }
        rows.swap(column, pivot);
        let lead = rows[column].map(|value| value / rows[column][column]);
        for (row, values) in rows.iter_mut().enumerate() {
            if row == column {
                *values = lead;
            } else {
                let factor = values[column];
                values.iter_mut().zip(lead).for_each(|(value, lead)| *value -= factor * lead);
            }
        }
    }
    Some(rows.map(|row| row[8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: [f64; 2], expected: [f64; 2]) {
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{got:?} for {expected:?}");
    }

    #[test]
    fn four_corners_go_where_they_are_sent_and_come_back() {
        let from = [[0.0, 0.0], [10.0, 0.0], [10.0, 6.0], [0.0, 6.0]];
        let to = [[1.0, 0.5], [9.0, 1.0], [8.0, 5.5], [0.5, 4.0]];
        let map = Projection::from_quads(from, to).unwrap();
        let back = map.inverse().unwrap();
        for (a, b) in from.into_iter().zip(to) {
            near(map.map(a).unwrap(), b);
            near(back.map(b).unwrap(), a);
        }
        // Straight lines stay straight: the diagonals' crossing goes to the diagonals' crossing.
        let cross = map.map([5.0, 3.0]).unwrap();
        let side =
            |[a, b]: [[f64; 2]; 2]| (b[0] - a[0]) * (cross[1] - a[1]) - (b[1] - a[1]) * (cross[0] - a[0]);
        assert!(side([to[0], to[2]]).abs() < 1e-9 && side([to[1], to[3]]).abs() < 1e-9);
    }

    #[test]
    fn composition_is_one_map_after_the_other() {
        let first = Projection::linear([[1.0, 0.3], [-0.2, 0.8]]).around([3.0, 4.0]);
        let second = Projection::from_quads(
            [[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]],
            [[1.0, 0.0], [8.0, 1.0], [7.0, 8.0], [0.0, 7.0]],
        )
        .unwrap();
        let point = [2.0, 5.0];
        near(first.then(second).map(point).unwrap(), second.map(first.map(point).unwrap()).unwrap());
    }

    #[test]
    fn what_flattens_the_plane_has_no_way_back() {
        assert_eq!(Projection::scaling([0.0, 1.0]).inverse(), None);
        assert_eq!(Projection::scaling([f64::NAN, 1.0]).inverse(), None);
        let line = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 5.0]];
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        assert_eq!(Projection::from_quads(line, square), None);
        assert_eq!(Projection::from_quads(square, line), None);
    }

    #[test]
    fn behind_the_horizon_there_is_nothing() {
        let map = Projection([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.1, 0.0, 1.0]]);
        assert!(map.map([9.0, 0.0]).is_some());
        assert_eq!(map.map([10.0, 0.0]), None);
        assert_eq!(map.map([11.0, 0.0]), None);
    }
}

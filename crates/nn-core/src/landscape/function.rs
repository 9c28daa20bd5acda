//! Functions of two variables with known optima.

use std::f64::consts::TAU;
use std::fmt;
use std::str::FromStr;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// A test function f(x, y).
///
/// ```text
/// bowl         ½(x² + y²)                                         one minimum, κ = 1
/// ravine       ½(x² + 100·y²)                                     one minimum, κ = 100
/// rosenbrock   (1 − x)² + 100·(y − x²)²                           a curved valley
/// beale        (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²
/// himmelblau   (x² + y − 11)² + (x + y² − 7)²                     four minima, all global
/// rastrigin    20 + x² + y² − 10·cos 2πx − 10·cos 2πy             a grid of local minima
/// saddle       ½x² − ½y² + ¼y⁴                                    a saddle between two minima
/// plateau      1 − e^(−(x² + y²)/2)                               flat but for one pit
/// ```
///
/// Himmelblau's, Rosenbrock's, Beale's and Rastrigin's functions are classics of numerical optimisation;
/// the other four isolate one difficulty each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Landscape {
    /// Convex and round: any method works.
    Bowl,
    /// Convex with curvatures 1 and 100: plain descent zigzags.
    Ravine,
    /// A curved valley with a nearly flat floor: finding it is easy, following it is not.
    Rosenbrock,
    /// Flat with steep walls at the corners: gradients of very different size.
    Beale,
    /// Four equal minima: which one is found depends on the start.
    Himmelblau,
    /// A local minimum near every pair of integers: descent stops in the nearest.
    Rastrigin,
    /// A strict saddle at the origin: descent along x gets stuck on it.
    Saddle,
    /// The gradient vanishes away from the minimum.
    Plateau,
}

/// A name that is none of the landscapes'.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown landscape {name:?}: expected one of {}", Landscape::ALL.map(Landscape::name).join(", "))]
#[non_exhaustive]
pub struct UnknownLandscape {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Landscape {
    type Err = UnknownLandscape;

    fn from_str(name: &str) -> Result<Self, UnknownLandscape> {
        Self::ALL
            .into_iter()
            .find(|landscape| landscape.name() == name)
            .ok_or_else(|| UnknownLandscape { name: name.to_owned() })
    }
}

impl fmt::Display for Landscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Landscape {
    /// All of them, easiest first.
    pub const ALL: [Self; 8] = [
        Self::Bowl,
        Self::Ravine,
        Self::Rosenbrock,
        Self::Beale,
        Self::Himmelblau,
        Self::Rastrigin,
        Self::Saddle,
        Self::Plateau,
    ];

    /// Lower-case name, as in JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bowl => "bowl",
            Self::Ravine => "ravine",
            Self::Rosenbrock => "rosenbrock",
            Self::Beale => "beale",
            Self::Himmelblau => "himmelblau",
            Self::Rastrigin => "rastrigin",
            Self::Saddle => "saddle",
            Self::Plateau => "plateau",
        }
    }

    /// f(x, y).
    pub fn value(self, [x, y]: [f64; 2]) -> f64 {
        match self {
            Self::Bowl => 0.5 * (x * x + y * y),
            Self::Ravine => 0.5 * (x * x + 100.0 * y * y),
            Self::Rosenbrock => (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2),
            Self::Beale => beale_terms(x, y).iter().map(|term| term * term).sum(),
            Self::Himmelblau => (x * x + y - 11.0).powi(2) + (x + y * y - 7.0).powi(2),
            Self::Rastrigin => 20.0 + x * x + y * y - 10.0 * (TAU * x).cos() - 10.0 * (TAU * y).cos(),
            Self::Saddle => 0.5 * x * x - 0.5 * y * y + 0.25 * y.powi(4),
            Self::Plateau => 1.0 - (-0.5 * (x * x + y * y)).exp(),
        }
    }

    /// ∇f = (∂f/∂x, ∂f/∂y).
    pub fn gradient(self, [x, y]: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Bowl => [x, y],
            Self::Ravine => [x, 100.0 * y],
            Self::Rosenbrock => {
                let t = y - x * x;
                [-2.0 * (1.0 - x) - 400.0 * x * t, 200.0 * t]
            }
            Self::Beale => {
                let terms = beale_terms(x, y);
                let mut gradient = [0.0; 2];
                for (n, term) in (1..).zip(terms) {
                    gradient[0] += 2.0 * term * (y.powi(n) - 1.0);
                    gradient[1] += 2.0 * term * f64::from(n) * x * y.powi(n - 1);
                }
                gradient
            }
            Self::Himmelblau => {
                let (a, b) = (x * x + y - 11.0, x + y * y - 7.0);
                [4.0 * x * a + 2.0 * b, 2.0 * a + 4.0 * y * b]
            }
            Self::Rastrigin => [x, y].map(|x| 2.0 * x + 10.0 * TAU * (TAU * x).sin()),
            Self::Saddle => [x, y.powi(3) - y],
            Self::Plateau => {
                let e = (-0.5 * (x * x + y * y)).exp();
                [x * e, y * e]
            }
        }
    }

    /// ∇²f, the matrix of second derivatives; symmetric.
    pub fn hessian(self, [x, y]: [f64; 2]) -> [[f64; 2]; 2] {
        match self {
            Self::Bowl => [[1.0, 0.0], [0.0, 1.0]],
            Self::Ravine => [[1.0, 0.0], [0.0, 100.0]],
            Self::Rosenbrock => {
                let xy = -400.0 * x;
                [[2.0 - 400.0 * (y - 3.0 * x * x), xy], [xy, 200.0]]
            }
            Self::Beale => {
                let terms = beale_terms(x, y);
                let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
                for (n, term) in (1..).zip(terms) {
                    let k = f64::from(n);
                    let (dx, dy) = (y.powi(n) - 1.0, k * x * y.powi(n - 1));
                    xx += 2.0 * dx * dx;
                    xy += 2.0 * (dx * dy + term * k * y.powi(n - 1));
                    let dyy = if n < 2 { 0.0 } else { k * (k - 1.0) * x * y.powi(n - 2) };
                    yy += 2.0 * (dy * dy + term * dyy);
                }
                [[xx, xy], [xy, yy]]
            }
            Self::Himmelblau => {
                let xy = 4.0 * (x + y);
                [[12.0 * x * x + 4.0 * y - 42.0, xy], [xy, 12.0 * y * y + 4.0 * x - 26.0]]
            }
            Self::Rastrigin => {
                let [xx, yy] = [x, y].map(|x| 2.0 + 10.0 * TAU * TAU * (TAU * x).cos());
                [[xx, 0.0], [0.0, yy]]
            }
            Self::Saddle => [[1.0, 0.0], [0.0, 3.0 * y * y - 1.0]],
            Self::Plateau => {
                let e = (-0.5 * (x * x + y * y)).exp();
                [[(1.0 - x * x) * e, -x * y * e], [-x * y * e, (1.0 - y * y) * e]]
            }
        }
    }

    /// The global minima.
    pub fn minima(self) -> &'static [[f64; 2]] {
        match self {
            Self::Bowl | Self::Ravine | Self::Rastrigin | Self::Plateau => &[[0.0, 0.0]],
            Self::Rosenbrock => &[[1.0, 1.0]],
            Self::Beale => &[[3.0, 0.5]],
            Self::Himmelblau => &[
                [3.0, 2.0],
                [-2.805_118_086_952_745, 3.131_312_518_250_573],
                [-3.779_310_253_377_747, -3.283_185_991_286_17],
                [3.584_428_340_330_492, -1.848_126_526_964_404],
            ],
            Self::Saddle => &[[0.0, 1.0], [0.0, -1.0]],
        }
    }

    /// f at the global minima.
    pub fn minimum(self) -> f64 {
        match self {
            Self::Saddle => -0.25,
            _ => 0.0,
        }
    }

    /// Where races start: far enough from the minimum to show the difficulty.
    pub fn start(self) -> [f64; 2] {
        match self {
            Self::Bowl => [-3.0, 2.0],
            Self::Ravine => [-4.0, 0.8],
            Self::Rosenbrock => [-1.5, 2.0],
            Self::Beale => [1.0, 1.5],
            Self::Himmelblau => [-0.5, -0.5],
            Self::Rastrigin => [2.2, -1.8],
            // One in a hundred off the ridge, so that a method which can leave it does.
            Self::Saddle => [1.5, 0.01],
            Self::Plateau => [2.0, 2.0],
        }
    }

    /// The part worth drawing: `[x_min, x_max]` and `[y_min, y_max]`.
    pub fn domain(self) -> [[f64; 2]; 2] {
        match self {
            Self::Bowl => [[-4.0, 4.0], [-4.0, 4.0]],
            Self::Ravine => [[-5.0, 5.0], [-1.5, 1.5]],
            Self::Rosenbrock => [[-2.0, 2.0], [-1.0, 3.0]],
            Self::Beale => [[-4.5, 4.5], [-4.5, 4.5]],
            Self::Himmelblau => [[-5.0, 5.0], [-5.0, 5.0]],
            Self::Rastrigin => [[-5.12, 5.12], [-5.12, 5.12]],
            Self::Saddle => [[-2.0, 2.0], [-2.0, 2.0]],
            Self::Plateau => [[-5.0, 5.0], [-5.0, 5.0]],
        }
    }

    /// Distance to the nearest global minimum.
    pub fn distance_to_minimum(self, [x, y]: [f64; 2]) -> f64 {
        self.minima().iter().map(|[u, v]| (x - u).hypot(y - v)).fold(f64::INFINITY, f64::min)
    }

    /// f as a differentiable loss.
    ///
    /// # Shapes
    ///
    /// - position: `[2]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// When the position has another length than 2.
    pub fn loss(self, position: Tensor<1>) -> Tensor<1> {
        assert_eq!(position.dims(), [2], "a landscape has two coordinates");
        let x = position.clone().slice(0..1);
        let y = position.slice(1..2);
        let square = |t: Tensor<1>| t.clone() * t;
        match self {
            Self::Bowl => (square(x) + square(y)).mul_scalar(0.5),
            Self::Ravine => (square(x) + square(y).mul_scalar(100.0)).mul_scalar(0.5),
            Self::Rosenbrock => {
                let valley = y - square(x.clone());
                square(x.sub_scalar(1.0)) + square(valley).mul_scalar(100.0)
            }
            Self::Beale => {
                let y2 = square(y.clone());
                let y3 = y2.clone() * y.clone();
                let term = |constant: f64, power: Tensor<1>| square(x.clone() * power - x.clone() + constant);
                term(1.5, y) + term(2.25, y2) + term(2.625, y3)
            }
            Self::Himmelblau => square(square(x.clone()) + y.clone() - 11.0) + square(x + square(y) - 7.0),
            Self::Rastrigin => {
                let part = |t: Tensor<1>| square(t.clone()) - t.mul_scalar(TAU).cos().mul_scalar(10.0);
                part(x) + part(y) + 20.0
            }
            Self::Saddle => {
                let y2 = square(y);
                (square(x) - y2.clone()).mul_scalar(0.5) + square(y2).mul_scalar(0.25)
            }
            Self::Plateau => (square(x) + square(y)).mul_scalar(-0.5).exp().neg().add_scalar(1.0),
        }
    }
}

/// cₙ − x + x·yⁿ for n = 1, 2, 3.
fn beale_terms(x: f64, y: f64) -> [f64; 3] {
    [(1, 1.5), (2, 2.25), (3, 2.625)].map(|(n, c)| c - x + x * y.powi(n))
}

/// A point on a landscape, as a module whose only parameter is its position.
#[derive(Module, Debug)]
pub struct Point {
    /// `[2]`: x and y.
    pub position: Param<Tensor<1>>,
}

impl Point {
    /// A point in f32. Give a device with autodiff to move it.
    pub fn new(at: [f64; 2], device: &Device) -> Self {
        Self::with_dtype(at, device, DType::F32)
    }

    /// A point in f64, for comparisons with closed forms.
    pub fn double(at: [f64; 2], device: &Device) -> Self {
        Self::with_dtype(at, device, DType::F64)
    }

    fn with_dtype(at: [f64; 2], device: &Device, dtype: DType) -> Self {
        Self { position: Param::from_tensor(Tensor::from_data(at, (device, dtype))) }
    }

    /// Where it is now, read from the device.
    pub fn coordinates(&self) -> [f64; 2] {
        let mut read = self.position.val().into_data().iter::<f64>().collect::<Vec<f64>>().into_iter();
        std::array::from_fn(|_| read.next().unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::gradients;
    use crate::noise::Normal;

    fn points(landscape: Landscape) -> Vec<[f64; 2]> {
        let mut normal = Normal::new(5);
        let mut points: Vec<[f64; 2]> =
            (0..8).map(|_| std::array::from_fn(|_| normal.next().unwrap())).collect();
        points.push(landscape.start());
        points
    }

    fn close(a: f64, b: f64, rtol: f64, what: &str) {
        assert!((a - b).abs() <= rtol * (1.0 + a.abs().max(b.abs())), "{what}: {a} against {b}");
    }

    #[test]
    fn tensors_and_autodiff_agree_with_the_closed_forms() {
        let device = Device::flex().autodiff();
        for landscape in Landscape::ALL {
            for at in points(landscape) {
                let point = Point::double(at, &device);
                let loss = landscape.loss(point.position.val());
                let value: f64 = loss.clone().into_scalar();
                close(value, landscape.value(at), 1e-13, landscape.name());
                let (_, gradients) = gradients(loss, &point).unwrap();
                let gradient: Vec<f64> =
                    gradients.get::<1>(point.position.id).unwrap().into_data().try_to_vec().unwrap();
                let expected = landscape.gradient(at);
                close(gradient[0], expected[0], 1e-12, landscape.name());
                close(gradient[1], expected[1], 1e-12, landscape.name());
            }
        }
    }

    #[test]
    fn hessians_are_the_derivatives_of_the_gradients() {
        let h = 1e-5;
        for landscape in Landscape::ALL {
            for at in points(landscape) {
                let hessian = landscape.hessian(at);
                for j in 0..2 {
                    let (mut up, mut down) = (at, at);
                    up[j] += h;
                    down[j] -= h;
                    let (up, down) = (landscape.gradient(up), landscape.gradient(down));
                    for i in 0..2 {
                        close(hessian[i][j], (up[i] - down[i]) / (2.0 * h), 1e-6, landscape.name());
                    }
                }
            }
        }
    }

    #[test]
    fn minima_are_stationary_curved_upwards_and_as_low_as_said() {
        for landscape in Landscape::ALL {
            for &at in landscape.minima() {
                close(landscape.value(at), landscape.minimum(), 1e-12, landscape.name());
                for g in landscape.gradient(at) {
                    close(g, 0.0, 1e-9, landscape.name());
                }
                let [[a, b], [_, d]] = landscape.hessian(at);
                assert!(a > 0.0 && a * d - b * b > 0.0, "{landscape} at {at:?}");
                assert_eq!(landscape.distance_to_minimum(at), 0.0);
            }
        }
    }

    #[test]
    fn nothing_in_the_domain_is_lower_than_the_minimum() {
        for landscape in Landscape::ALL {
            let [[x0, x1], [y0, y1]] = landscape.domain();
            for i in 0..=100 {
                for j in 0..=100 {
                    let at = [x0 + (x1 - x0) * f64::from(i) / 100.0, y0 + (y1 - y0) * f64::from(j) / 100.0];
                    assert!(landscape.value(at) >= landscape.minimum() - 1e-12, "{landscape} at {at:?}");
                }
            }
            let [x, y] = landscape.start();
            assert!(x >= x0 && x <= x1 && y >= y0 && y <= y1, "{landscape} starts outside");
        }
    }

    #[test]
    fn names_round_trip_and_unknown_ones_are_refused() {
        for landscape in Landscape::ALL {
            assert_eq!(landscape.name().parse(), Ok(landscape));
            let json = serde_json::to_string(&landscape).unwrap();
            assert_eq!(json, format!("\"{landscape}\""));
        }
        let error = "rosenbrok".parse::<Landscape>().unwrap_err();
        assert!(error.to_string().contains("rosenbrock"), "{error}");
    }
}

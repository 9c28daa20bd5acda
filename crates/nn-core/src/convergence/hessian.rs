//! The ends of the Hessian's spectrum from differences of gradients.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::gradient::{NonFinite, gradients};
use crate::noise::Normal;

/// The ends of the Hessian's spectrum at a model, as far as the iteration got.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Curvature {
    /// Smallest eigenvalue found. The true one is no larger: below zero, this proves a direction
    /// along which the loss falls on both sides.
    pub smallest: f64,
    /// Largest eigenvalue found, the *sharpness*; the true one is no smaller. Gradient descent is
    /// stable for step sizes below 2 / largest.
    pub largest: f64,
    /// Rounding error to expect in either. What is smaller may as well be zero.
    pub resolution: f64,
    /// Hessian-vector products made. Fewer than asked for when the space was exhausted.
    pub iterations: usize,
}

/// Smallest and largest eigenvalue of the Hessian of `loss` at `model`.
///
/// Lanczos' iteration with full reorthogonalisation on central differences of gradients: `iterations`
/// products of two gradients each, and as many vectors of the model's size in memory. Twenty find the
/// ends of a network's spectrum to a per cent or so, because they stand apart from the rest. At a
/// kink (ReLU) the result is the mean curvature around it.
///
/// `loss` must be repeatable and is given displaced copies of `model`, which itself is not touched.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient near the model is NaN or infinite.
///
/// # Panics
///
/// When the model has no parameter that requires a gradient, or is on a device without autodiff.
pub fn curvature<M: Module>(
    model: &M,
    iterations: usize,
    seed: u64,
    mut loss: impl FnMut(&M) -> Tensor<1>,
) -> Result<Curvature, NonFinite> {
    let model = model.valid().train();
    let layout = Layout::of(&model);
    assert!(layout.len > 0, "the model has no parameter that requires a gradient");

    let unit = if layout.dtype == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    // Truncation grows with ε², rounding with 1/ε: the cube root of the unit balances the two.
    let values = layout.flatten_values(&model);
    let epsilon = unit.cbrt() * (1.0 + norm(&values));
    let mut largest_gradient = 0f64;
    let mut product = |v: &Tensor<1>| -> Result<Tensor<1>, NonFinite> {
        let mut at = |step: f64| -> Result<Tensor<1>, NonFinite> {
            let moved = layout.displace(model.clone(), &v.clone().mul_scalar(step));
            let (_, gradient) = gradients(loss(&moved), &moved)?;
            let gradient = layout.flatten_gradients(&moved, &gradient);
            largest_gradient = largest_gradient.max(norm(&gradient));
            Ok(gradient)
        };
        Ok((at(epsilon)? - at(-epsilon)?).div_scalar(2.0 * epsilon))
    };

    let mut v = layout.random(seed, &values.device());
    let (mut basis, mut diagonal, mut off) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..iterations.min(layout.len) {
        let mut w = product(&v)?;
        diagonal.push(dot(&w, &v));
        basis.push(v);
        // Twice is enough: the second pass removes what rounding left in the first.
        for _ in 0..2 {
            for earlier in &basis {
                w = w.clone() - earlier.clone().mul_scalar(dot(&w, earlier));
            }
        }
        let length = norm(&w);
        let scale = diagonal.iter().chain(&off).fold(0f64, |scale, x| scale.max(x.abs()));
        if length <= 10.0 * unit.cbrt().powi(2) * scale {
            break;
        }
        off.push(length);
        v = w.div_scalar(length);
    }
    off.truncate(diagonal.len() - 1);
    let (smallest, largest) = tridiagonal_ends(&diagonal, &off);
    // Each gradient is good to some units of its own length, and two are subtracted.
    let resolution = 8.0 * unit * largest_gradient / epsilon;
    Ok(Curvature { smallest, largest, resolution, iterations: diagonal.len() })
}

fn dot(a: &Tensor<1>, b: &Tensor<1>) -> f64 {
    (a.clone() * b.clone()).sum().into_scalar()
}

fn norm(a: &Tensor<1>) -> f64 {
    dot(a, a).sqrt()
}

/// Smallest and largest eigenvalue of a symmetric tridiagonal matrix, by bisection.
///
/// The number of eigenvalues below x is the number of negative pivots of T − x·I (Sturm).
fn tridiagonal_ends(diagonal: &[f64], off: &[f64]) -> (f64, f64) {
    let below = |x: f64| {
        let mut count = 0;
        let mut pivot = 1.0;
        for (i, d) in diagonal.iter().enumerate() {
            let coupling = if i == 0 { 0.0 } else { off[i - 1].powi(2) / pivot };
            pivot = d - x - coupling;
            if pivot == 0.0 {
                pivot = f64::EPSILON * (1.0 + d.abs());
            }
            count += usize::from(pivot < 0.0);
        }
        count
    };
    // Gershgorin: every eigenvalue lies within the neighbours' sum of a diagonal element.
    let reach = |i: usize| {
        let neighbour = |j: Option<usize>| j.and_then(|j| off.get(j)).map_or(0.0, |x| x.abs());
        neighbour(i.checked_sub(1)) + neighbour(Some(i))
    };
    let low = diagonal.iter().enumerate().map(|(i, d)| d - reach(i)).fold(f64::INFINITY, f64::min);
    let high = diagonal.iter().enumerate().map(|(i, d)| d + reach(i)).fold(f64::NEG_INFINITY, f64::max);
    let bisect = |wanted: usize| {
        let margin = f64::EPSILON * (1.0 + low.abs().max(high.abs()));
        let (mut low, mut high) = (low - margin, high + margin);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if below(middle) >= wanted { high = middle } else { low = middle }
        }
        f64::midpoint(low, high)
    };
    (bisect(1), bisect(diagonal.len()))
}

/// How the learning parameters of a model lie one after the other in a flat vector.
struct Layout {
    places: HashMap<ParamId, Range<usize>>,
    len: usize,
    dtype: DType,
}

impl ModuleVisitor for Layout {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() || self.places.contains_key(&param.id) {
            return;
        }
        let len = param.lazy_shape().num_elements();
        self.places.insert(param.id, self.len..self.len + len);
        self.len += len;
        if param.dtype() == DType::F64 {
            self.dtype = DType::F64;
        }
    }
}

impl Layout {
    fn of<M: Module>(model: &M) -> Self {
        let mut layout = Self { places: HashMap::new(), len: 0, dtype: DType::F32 };
        model.visit(&mut layout);
        layout
    }

    fn flatten_values<M: Module>(&self, model: &M) -> Tensor<1> {
        self.flatten(model, None)
    }

    /// A parameter the loss does not depend on has a gradient of zero.
    fn flatten_gradients<M: Module>(&self, model: &M, gradients: &GradientsParams) -> Tensor<1> {
        self.flatten(model, Some(gradients))
    }

    fn flatten<M: Module>(&self, model: &M, gradients: Option<&GradientsParams>) -> Tensor<1> {
        struct Flatten<'a> {
            layout: &'a Layout,
            gradients: Option<&'a GradientsParams>,
            seen: HashSet<ParamId>,
            parts: Vec<Tensor<1>>,
        }
        impl ModuleVisitor for Flatten<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if !self.layout.places.contains_key(&param.id) || !self.seen.insert(param.id) {
                    return;
                }
                let value = param.base().inner();
                let tensor = match self.gradients {
                    Some(gradients) => gradients.get::<D>(param.id).unwrap_or_else(|| value.zeros_like()),
                    None => value,
                };
                let len = tensor.shape().num_elements();
                self.parts.push(tensor.cast(self.layout.dtype).reshape([len]));
            }
        }
        let mut visitor = Flatten { layout: self, gradients, seen: HashSet::new(), parts: Vec::new() };
        model.visit(&mut visitor);
        Tensor::cat(visitor.parts, 0)
    }

    /// The model at a distance, its parameters new leaves of the graph.
    fn displace<M: Module>(&self, model: M, by: &Tensor<1>) -> M {
        struct Displace<'a> {
            layout: &'a Layout,
            by: &'a Tensor<1>,
            /// A parameter that two fields share stays one leaf.
            moved: GradientsParams,
        }
        impl ModuleMapper for Displace<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let Some(place) = self.layout.places.get(&param.id) else { return param };
                let id = param.id;
                let moved = self.moved.get::<D>(id).unwrap_or_else(|| {
                    let value = param.base().inner();
                    let step = self.by.clone().slice(place.clone()).reshape(value.dims());
                    let step = step.cast(value.dtype()).to_device(&value.device());
                    Tensor::from_inner(value + step).require_grad()
                });
                self.moved.register(id, moved.clone());
                param.map(|_| moved)
            }
        }
        model.map(&mut Displace { layout: self, by, moved: GradientsParams::new() })
    }

    /// A random direction of length 1.
    fn random(&self, seed: u64, device: &Device) -> Tensor<1> {
        let values = Normal::new(seed).vector(self.len);
        let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let values: Vec<f64> = values.into_iter().map(|x| x / length).collect();
        Tensor::from_data(values.as_slice(), (device, self.dtype))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_a_tridiagonal_matrix_with_a_known_spectrum() {
        // 2 on the diagonal, −1 beside it: λ_k = 2 − 2·cos(kπ/(n + 1)).
        let n = 12;
        let (smallest, largest) = tridiagonal_ends(&vec![2.0; n], &vec![-1.0; n - 1]);
        let lambda = |k: f64| 2.0 - 2.0 * (k * std::f64::consts::PI / (n as f64 + 1.0)).cos();
        assert!((smallest - lambda(1.0)).abs() < 1e-12, "{smallest}");
        assert!((largest - lambda(n as f64)).abs() < 1e-12, "{largest}");
        let (smallest, largest) = tridiagonal_ends(&[-3.0], &[]);
        assert!((smallest + 3.0).abs() < 1e-12 && (largest + 3.0).abs() < 1e-12);
    }
}

//! Weights and inputs in closed form, so that two programs can agree on them without exchanging files.
//!
//! A value is a function of the parameter's name and the element's flat index, both as PyTorch has
//! them, and of nothing else:
//!
//! ```text
//! h(name)    = FNV-1a, 64 bits, over the name's UTF-8 bytes
//! u(name, i) = top 24 bits of splitmix64(h(name) + i · 0x9E3779B97F4A7C15), as (bits − 2²³) / 2²³
//!
//! …weight, rank ≥ 2   u / √fan_in            fan_in: product of all sizes but the first
//! …weight, rank 1     1 + u / 10             the scale of a normalisation
//! …running_var        1 + u / 2
//! …bias, running_mean, anything else of rank 1      u / 10
//! anything else       as a weight of rank ≥ 2
//! ```
//!
//! `u` lies in [−1, 1) and is exact in f32; the scaling is done in f64 and rounded once. So a second
//! implementation (`xtask/reference/closed_form.py` is one) gives the same bits. The scale 1/√fan_in
//! keeps the variance of activations from growing with width, as PyTorch's own initialisation does.
//!
//! Hashes: FNV-1a by G. Fowler, L. C. Noll, K.-P. Vo
//! (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>); splitmix64 by G. L. Steele, D. Lea,
//! C. H. Flood, *Fast splittable pseudorandom number generators*, 2014 (<https://doi.org/10.1145/2660193.2660195>).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::torch::{Place, Position};

/// The increment of splitmix64: 2⁶⁴ divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// `u(name, index)`: evenly spread over [−1, 1), exact in f32.
///
/// ```
/// let u = fornax_nn_core::check::fill::uniform("conv1.weight", 0);
/// assert!((-1.0..1.0).contains(&u));
/// assert_eq!(u, f64::from(u as f32));
/// ```
pub fn uniform(name: &str, index: usize) -> f64 {
    spread(fnv1a(name), index)
}

/// The value of a parameter's element; `shape` and `index` as PyTorch has them.
pub fn parameter(name: &str, shape: &[usize], index: usize) -> f32 {
    parameters(name, shape)(index)
}

/// [`parameter`] as a function of the index: the name is hashed once, which tells for a hundred million elements.
fn parameters(name: &str, shape: &[usize]) -> impl Fn(usize) -> f32 + use<> {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    let (mean, divisor) = match (leaf, shape.len()) {
        ("running_var", _) => (1.0, 2.0),
        ("weight", 0 | 1) => (1.0, 10.0),
        ("bias", _) | (_, 0 | 1) => (0.0, 10.0),
        _ => (0.0, (shape[1..].iter().product::<usize>() as f64).sqrt()),
    };
    let hash = fnv1a(name);
    move |index| (mean + spread(hash, index) / divisor) as f32
}

/// Data in [−1, 1): element `i` is `u(name, i)`. A larger first dimension only adds elements at the
/// end, so a batch of three begins with the batch of one.
pub fn data(name: &str, shape: &[usize]) -> TensorData {
    let count: usize = shape.iter().product();
    let hash = fnv1a(name);
    TensorData::new((0..count).map(|i| spread(hash, i)).collect::<Vec<f64>>(), shape.to_vec())
}

/// [`data`] as an f32 tensor on `device`.
///
/// ```
/// use burn::tensor::Device;
/// use fornax_nn_core::check::{assert_close, fill};
///
/// let three = fill::input("images", [3, 2], &Device::flex());
/// let one = fill::input("images", [1, 2], &Device::flex());
/// assert_close(&three.narrow(0, 0, 1), &one, 0.0, 0.0);
/// ```
pub fn input<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(data(name, &shape), (device, burn::tensor::DType::F32))
}

/// Class indices in `0..classes`, or token ids, or any other bounded integers.
///
/// # Panics
///
/// When `classes` is zero.
pub fn classes(name: &str, count: usize, classes: usize) -> Vec<i64> {
    assert!(classes > 0, "classes must be at least 1, got 0");
    let hash = fnv1a(name);
    (0..count).map(|i| ((bits(hash, i) >> 33) % classes as u64) as i64).collect()
}

/// [`classes`] as an integer tensor of `shape` on `device`.
///
/// # Panics
///
/// When `classes` is zero.
pub fn targets<const D: usize>(
    name: &str,
    shape: [usize; D],
    classes: usize,
    device: &Device,
) -> Tensor<D, Int> {
    let values = self::classes(name, shape.iter().product(), classes);
    Tensor::from_data(TensorData::new(values, shape.to_vec()), device)
}

/// Gives every float parameter and running statistic of `model` its closed-form value.
///
/// Names follow PyTorch where the field paths do: `gamma` and `beta` of a normalisation become
/// `weight` and `bias`, and a [`Linear`](burn::nn::Linear) weight is filled as the transpose it is
/// there. Whether a parameter asks for gradients, and its number type, stay as they were.
pub fn fill<M: Module>(model: M) -> M {
    fill_with(model, Place::from)
}

/// [`fill`] for a model whose fields are called otherwise than PyTorch's: `place` is given the name
/// [`fill`] would use and returns PyTorch's.
pub fn fill_with<M: Module>(model: M, place: impl FnMut(String) -> Place) -> M {
    model.map(&mut Filler { position: Position::default(), place })
}

struct Filler<F> {
    position: Position,
    place: F,
}

impl<F: FnMut(String) -> Place> ModuleMapper for Filler<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.position.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.position.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape().as_slice().to_vec();
        let torch_shape = self.position.torch_shape(&shape);
        let place = (self.place)(self.position.torch_name());
        // Written in our layout, not as a view of PyTorch's: kernels sum a view in another order, and
        // a model would differ from its own record in the last bit.
        let value = parameters(&place.name, &torch_shape);
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|i| value(place.offset + self.position.torch_index(&shape, i)))
            .collect();
        let data = TensorData::new(values, shape);
        param.map(|old| {
            let filled = Tensor::<D>::from_data(data, (&old.device(), old.dtype()));
            filled.set_require_grad(old.is_require_grad())
        })
    }
}

fn bits(hash: u64, index: usize) -> u64 {
    splitmix64(hash.wrapping_add((index as u64).wrapping_mul(GOLDEN)))
}

/// The top 24 bits over [−1, 1).
fn spread(hash: u64, index: usize) -> f64 {
    const HALF: f64 = (1 << 23) as f64;
    ((bits(hash, index) >> 40) as f64 - HALF) / HALF
}

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

fn splitmix64(state: u64) -> u64 {
    let z = state.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::assert_close;
    use burn::nn::conv::Conv2dConfig;
    use burn::nn::{BatchNorm, BatchNormConfig, LayerNormConfig, Linear, LinearConfig};

    #[test]
    fn hashes_are_the_published_ones() {
        // Test vectors of the FNV draft and of the reference splitmix64 (seed 0).
        assert_eq!(fnv1a(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv1a("a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_F739_67E8);
        assert_eq!(splitmix64(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn python_gives_the_same_bits() {
        // Written by `python xtask/reference/closed_form.py`, as the bit patterns of f32.
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("golden/closed_form.json")).unwrap();
        for case in golden["parameters"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
            let bits: Vec<u32> = serde_json::from_value(case["bits"].clone()).unwrap();
            let ours: Vec<u32> = (0..bits.len()).map(|i| parameter(name, &shape, i).to_bits()).collect();
            assert_eq!(ours, bits, "{name} {shape:?}");
        }
        for case in golden["classes"].as_array().unwrap() {
            let values: Vec<i64> = serde_json::from_value(case["values"].clone()).unwrap();
            let bound = case["bound"].as_u64().unwrap() as usize;
            assert_eq!(classes(case["name"].as_str().unwrap(), values.len(), bound), values);
        }
    }

    #[test]
    fn values_are_spread_like_a_uniform_distribution() {
        // Mean 0 ± 4σ/√n and variance 1/3 for n = 20,000 draws; σ² = 1/3, Var(u²) = 4/45.
        let n = 20_000;
        let draws: Vec<f64> = (0..n).map(|i| uniform("some.weight", i)).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n as u32);
        let square = draws.iter().map(|u| u * u).sum::<f64>() / f64::from(n as u32);
        assert!(mean.abs() < 4.0 * (1.0 / 3.0 / f64::from(n as u32)).sqrt(), "{mean}");
        assert!((square - 1.0 / 3.0).abs() < 4.0 * (4.0 / 45.0 / f64::from(n as u32)).sqrt(), "{square}");
    }

    #[test]
    fn a_linear_weight_is_filled_in_pytorchs_layout() {
        let linear: Linear = fill(LinearConfig::new(2, 3).init(&Device::flex()));
        // PyTorch's [out, in] = [3, 2], flat index out · 2 + in.
        let expected: Vec<f32> =
            [0, 2, 4, 1, 3, 5].iter().map(|&i| parameter("weight", &[3, 2], i)).collect();
        assert_close(&linear.weight.val(), &expected, 0.0, 0.0);
    }

    #[test]
    fn normalisations_take_pytorchs_names_and_stay_usable() {
        let norm: BatchNorm = fill(BatchNormConfig::new(4).init(&Device::flex()));
        let named = |name| (0..4).map(|i| parameter(name, &[4], i)).collect::<Vec<f32>>();
        assert_close(&norm.gamma.val(), &named("weight"), 0.0, 0.0);
        assert_close(&norm.beta.val(), &named("bias"), 0.0, 0.0);
        assert_close(&norm.running_mean.value(), &named("running_mean"), 0.0, 0.0);
        assert_close(&norm.running_var.value(), &named("running_var"), 0.0, 0.0);
        assert!(named("running_var").iter().all(|&var| (0.5..1.5).contains(&var)));

        let norm = fill(LayerNormConfig::new(4).init(&Device::flex()));
        assert_close(&norm.gamma.val(), &named("weight"), 0.0, 0.0);
    }

    #[test]
    fn parameters_keep_asking_for_gradients() {
        let device = Device::flex().autodiff();
        let conv = fill(Conv2dConfig::new([1, 2], [3, 3]).init(&device));
        assert!(conv.weight.is_require_grad());
        let gradients = conv.forward(input("x", [1, 1, 4, 4], &device)).sum().backward();
        assert_eq!(conv.weight.val().grad(&gradients).unwrap().dims(), [2, 1, 3, 3]);
        assert!(!fill(conv.no_grad()).weight.is_require_grad());
    }

    #[test]
    fn a_run_of_a_larger_tensor_is_addressed_by_its_offset() {
        let linear: Linear =
            fill_with(LinearConfig::new(2, 3).init(&Device::flex()), |name| match name.as_str() {
                "weight" => Place::at("weight_ih_l0", 2 * 3 * 2),
                _ => Place::at("bias_ih_l0", 2 * 3),
            });
        let first = linear.weight.val().slice([0..1, 0..1]);
        assert_close(&first, &[parameter("weight_ih_l0", &[12, 2], 12)], 0.0, 0.0);
    }
}

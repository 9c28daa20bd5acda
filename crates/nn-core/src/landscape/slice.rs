//! One- and two-dimensional slices through the loss of a model.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::noise::Normal;
use crate::unit::unit_axis;

/// A direction in the space of a model's parameters.
///
/// The weights of a network with ReLU can be scaled up in one layer and down in the next without changing
/// what it computes, so a step of a given length says little about how far the function moves. Filter
/// normalisation takes the scale out: a random direction gets, filter by filter, the length of the
/// model's own filter,
///
/// ```text
/// d_(i,j) ← d_(i,j) / ‖d_(i,j)‖ · ‖w_(i,j)‖      filter j of layer i
/// ```
///
/// so that a step of 1 changes every filter by its own length. Biases, normalisation scales and
/// running statistics stay where they are, as in the authors' figures.
#[derive(Debug)]
pub struct Direction {
    /// Displacements by parameter.
    tensors: GradientsParams,
}

impl Direction {
    /// A random direction, normalised filter by filter; the same seed gives the same one on every device.
    pub fn filter_normalised<M: Module>(model: &M, seed: u64) -> Self {
        let mut visitor = Draw {
            normal: Normal::new(seed),
            seen: HashSet::new(),
            container: Vec::new(),
            tensors: GradientsParams::new(),
        };
        model.visit(&mut visitor);
        Self { tensors: visitor.tensors }
    }

    /// The model moved by `alpha` along the direction.
    fn displace<M: Module>(&self, model: M, alpha: f64) -> M {
        if alpha == 0.0 {
            return model;
        }
        model.map(&mut Displace { direction: self, alpha })
    }
}

struct Draw {
    normal: Normal,
    seen: HashSet<ParamId>,
    container: Vec<String>,
    tensors: GradientsParams,
}

impl ModuleVisitor for Draw {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.container.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.container.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let container = self.container.last().map_or("", String::as_str);
        let Some(axis) = unit_axis(container, D) else { return };
        if !self.seen.insert(param.id) {
            return;
        }
        let weight = param.base().inner();
        let shape = weight.shape();
        let data = TensorData::new(self.normal.vector(shape.num_elements()), shape);
        let random = Tensor::<D>::from_data(data, (&weight.device(), weight.dtype()));
        let others: Vec<usize> = (0..D).filter(|&dim| dim != axis).collect();
        let norm = |tensor: Tensor<D>| tensor.square().sum_dims(&others).sqrt();
        // A random filter is never of length 0, but may underflow to it in half precision.
        let smallest = if weight.dtype() == DType::F64 { 1e-300 } else { 1e-30 };
        let length = norm(weight) / norm(random.clone()).clamp_min(smallest);
        self.tensors.register(param.id, random * length);
    }
}

struct Displace<'a> {
    direction: &'a Direction,
    alpha: f64,
}

impl ModuleMapper for Displace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.direction.tensors.get::<D>(param.id) {
            Some(direction) => param.map(|weight| weight + direction.mul_scalar(self.alpha)),
            None => param,
        }
    }
}

/// Loss along a line through the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Steps along the direction; 0 is the model itself.
    pub alpha: Vec<f64>,
    /// Loss at each; `None` where it is not finite.
    pub loss: Vec<Option<f64>>,
}

/// Loss on a plane through the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Steps along the first direction.
    pub alpha: Vec<f64>,
    /// Steps along the second direction.
    pub beta: Vec<f64>,
    /// `loss[i][j]` at `beta[i]`, `alpha[j]`; `None` where it is not finite.
    pub loss: Vec<Vec<Option<f64>>>,
}

/// Points from −`radius` to `radius`, an odd number so that 0, the model itself, is among them.
fn axis(radius: f64, points: usize) -> Result<Vec<f64>, ConfigError> {
    if !(radius > 0.0 && radius.is_finite()) {
        return Err(ConfigError::new("radius", format!("must be positive and finite, got {radius}")));
    }
    if points < 3 || points.is_multiple_of(2) {
        return Err(ConfigError::new("points", format!("must be odd and at least 3, got {points}")));
    }
    let half = (points / 2) as f64;
    Ok((0..points).map(|i| radius * (i as f64 - half) / half).collect())
}

/// The loss along one direction, at `points` steps from −`radius` to `radius`.
///
/// `loss` is given copies of the model in validation mode (no dropout, no update of running
/// statistics, no autodiff); the model itself is not touched. Use a fixed batch: noise between
/// evaluations would look like a rough landscape.
///
/// # Errors
///
/// [`ConfigError`] when `radius` is not positive or `points` not an odd number of at least 3.
pub fn line<M: Module>(
    model: &M,
    direction: &Direction,
    radius: f64,
    points: usize,
    mut loss: impl FnMut(&M) -> f64,
) -> Result<Line, ConfigError> {
    let alpha = axis(radius, points)?;
    let model = model.valid();
    let loss = alpha
        .iter()
        .map(|&alpha| Some(loss(&direction.displace(model.clone(), alpha))).filter(|loss| loss.is_finite()))
        .collect();
    Ok(Line { alpha, loss })
}

/// The loss on the plane of two directions, `points` × `points` of them.
///
/// The cost is that of `points`² evaluations of `loss`; 25 × 25 make a good picture. Everything
/// else is as for [`line()`].
///
/// # Errors
///
/// [`ConfigError`] as for [`line()`].
pub fn plane<M: Module>(
    model: &M,
    directions: [&Direction; 2],
    radius: f64,
    points: usize,
    mut loss: impl FnMut(&M) -> f64,
) -> Result<Plane, ConfigError> {
    let alpha = axis(radius, points)?;
    let model = model.valid();
    let values = alpha
        .iter()
        .map(|&beta| {
            let row = directions[1].displace(model.clone(), beta);
            alpha
                .iter()
                .map(|&alpha| {
                    Some(loss(&directions[0].displace(row.clone(), alpha))).filter(|loss| loss.is_finite())
                })
                .collect()
        })
        .collect();
    Ok(Plane { beta: alpha.clone(), alpha, loss: values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
    use burn::tensor::Device;
    use burn::tensor::activation::relu;

    #[derive(Module, Debug)]
    struct Net {
        conv: Conv2d,
        norm: BatchNorm,
        linear: Linear,
    }

    impl Net {
        fn new(device: &Device) -> Self {
            Self {
                conv: Conv2dConfig::new([1, 2], [2, 2]).init(device),
                norm: BatchNormConfig::new(2).init(device),
                linear: LinearConfig::new(8, 3).init(device),
            }
        }

        fn forward(&self, images: Tensor<4>) -> Tensor<2> {
            let x = self.norm.forward(self.conv.forward(images)); // [B, 2, 2, 2]
            self.linear.forward(relu(x).flatten(1, 3)) // [B, 3]
        }
    }

    fn images(device: &Device) -> Tensor<4> {
        let data = Normal::new(3).vector(4 * 9);
        Tensor::from_data(TensorData::new(data, [4, 1, 3, 3]), (device, DType::F32))
    }

    fn bits<M: Module>(model: &M) -> Vec<u8> {
        #[derive(Default)]
        struct Bits(Vec<u8>);
        impl ModuleVisitor for Bits {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.extend_from_slice(param.base().into_data().as_bytes());
            }
        }
        let mut visitor = Bits::default();
        model.visit(&mut visitor);
        visitor.0
    }

    #[test]
    fn every_filter_of_the_direction_is_as_long_as_the_models() {
        let model = Net::new(&Device::flex());
        let direction = Direction::filter_normalised(&model, 1);
        let conv = direction.tensors.get::<4>(model.conv.weight.id).unwrap();
        let linear = direction.tensors.get::<2>(model.linear.weight.id).unwrap();
        // Filters of a convolution are its first axis, units of a linear layer its columns.
        let length =
            |t: Tensor<2>| -> Vec<f32> { t.square().sum_dim(1).sqrt().into_data().try_to_vec().unwrap() };
        let pairs = [
            (
                length(conv.flatten::<4>(1, 3).reshape([2, 4])),
                length(model.conv.weight.val().reshape([2, 4])),
            ),
            (length(linear.transpose()), length(model.linear.weight.val().transpose())),
        ];
        for (direction, model) in pairs {
            for (d, w) in direction.iter().zip(&model) {
                assert!((d - w).abs() < 1e-5 * w, "{d} against {w}");
            }
        }
        // Biases, scales and running statistics have no direction.
        assert_eq!(direction.tensors.len(), 2);
    }

    #[test]
    fn the_slice_passes_through_the_model_and_leaves_it_bit_for_bit() {
        let device = Device::flex().autodiff();
        let model = Net::new(&device);
        model.forward(images(&device)); // moves the running statistics once, as training does
        let before = bits(&model.valid());
        let batch = images(&Device::flex());
        let mut evaluations = 0;
        let mut loss = |model: &Net| {
            evaluations += 1;
            model.forward(batch.clone()).square().mean().into_scalar::<f64>()
        };
        let direction = Direction::filter_normalised(&model, 1);
        let other = Direction::filter_normalised(&model, 2);
        let here = loss(&model.valid());
        let line = line(&model, &direction, 1.0, 5, &mut loss).unwrap();
        let plane = plane(&model, [&direction, &other], 1.0, 3, &mut loss).unwrap();
        assert_eq!(line.alpha, [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(line.loss[2], Some(here));
        assert_eq!(plane.loss[1], [line.loss[0], line.loss[2], line.loss[4]]);
        assert_ne!(plane.loss[0][1], plane.loss[1][1]);
        assert_eq!(evaluations, 1 + 5 + 9);
        assert_eq!(bits(&model.valid()), before);
        assert!(model.conv.weight.val().is_require_grad(), "still ready to train");
    }

    #[test]
    fn along_a_linear_model_the_loss_is_the_parabola_it_must_be() {
        // loss(α) = mean (x·(w + αd))² is quadratic in α: third differences vanish.
        let device = Device::flex();
        let model = LinearConfig::new(4, 2).with_bias(false).init(&device);
        let x: Tensor<2> = Tensor::from_data(TensorData::new(Normal::new(9).vector(20), [5, 4]), &device);
        let direction = Direction::filter_normalised(&model, 4);
        let line = line(&model, &direction, 2.0, 9, |model: &Linear| {
            model.forward(x.clone()).square().mean().into_scalar::<f64>()
        })
        .unwrap();
        let y: Vec<f64> = line.loss.iter().map(|loss| loss.unwrap()).collect();
        for w in y.windows(4) {
            let third = w[3] - 3.0 * w[2] + 3.0 * w[1] - w[0];
            assert!(third.abs() < 1e-5 * y[0], "{third}");
        }
    }

    #[test]
    fn the_direction_follows_from_the_seed() {
        let model = LinearConfig::new(4, 2).init(&Device::flex());
        let draw = |seed| {
            let direction = Direction::filter_normalised(&model, seed);
            direction.tensors.get::<2>(model.weight.id).unwrap().into_data()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn overflow_leaves_a_gap_and_bad_settings_are_named() {
        let model = LinearConfig::new(1, 1).init(&Device::flex());
        let direction = Direction::filter_normalised(&model, 1);
        let gap = line(&model, &direction, 1.0, 3, |_: &Linear| f64::INFINITY).unwrap();
        assert_eq!(gap.loss, [None; 3]);
        for (field, radius, points) in [("radius", -1.0, 3), ("radius", f64::NAN, 3), ("points", 1.0, 4)] {
            let error = line(&model, &direction, radius, points, |_: &Linear| 0.0).unwrap_err();
            assert_eq!(error.field, field);
        }
    }
}

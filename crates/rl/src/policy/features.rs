//! # Features: what a policy makes of pictures
//!
//! A picture has no columns that mean the same from one moment to the next: what matters moves about. A convolution looks for the
//! same thing everywhere, so a picture goes through a few of them before policy and value see it. Numbers that stand beside the
//! picture ([`Space::Dict`]) need nothing of the kind and join later:
//!
//! ```text
//! image [C, H, W] ─▶ conv ─▶ ReLU ─▶ … ─▶ flatten ─▶ linear ─▶ ReLU ─┐
//!                                                                    ├─▶ side by side ─▶ policy, value
//! speed, gear, … (one-hot) ──────────────────────────────────────────┘
//! ```
//!
//! Policy and value share the features: pictures are expensive, and the value's error, which every step gives, teaches the eyes what
//! the policy's weak signal would need long for. The price is that the two losses pull at the same weights. Unlike the small networks behind
//! them ([`Mlp`](super::Mlp)), features are ordinary differentiable Burn code: with pictures the arithmetic is what costs.
//!
//! [`nature`](ConvolutionConfig::nature) is the network of V. Mnih et al., *Human-level control through deep reinforcement learning*,
//! Nature 518, 2015 (<https://doi.org/10.1038/nature14236>), for 84 × 84 pixels; [`small`](ConvolutionConfig::small) that of K. Young
//! and T. Tian, *MinAtar*, 2019 (<https://arxiv.org/abs/1903.03176>), for 10 × 10 cells.
//!
//! Differs from the papers: orthogonal initial weights with gain √2, as Stable-Baselines3's on-policy agents; linear layers of the heads
//! follow the one here.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::init::{Fans, Init};
use fornax_nn_core::kernels::Convolve;
use serde::{Deserialize, Serialize};

use super::mlp::learnable;
use crate::random::Pcg64;
use crate::space::Space;

/// One convolution, without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Filters, each a map of the output.
    pub channels: usize,
    /// Side of the square that a filter looks at.
    pub kernel: usize,
    /// Pixels from one look to the next.
    pub stride: usize,
}

/// Layers that a picture goes through; pure data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvolutionConfig {
    /// The convolutions, a ReLU after each.
    pub filters: Vec<Filter>,
    /// Units of the linear layer behind them.
    pub units: usize,
}

impl ConvolutionConfig {
    /// The 2015 paper's, for pictures of 36 pixels and more a side.
    pub fn nature() -> Self {
        let filter = |channels, kernel, stride| Filter { channels, kernel, stride };
        Self { filters: vec![filter(32, 8, 4), filter(64, 4, 2), filter(64, 3, 1)], units: 512 }
    }

    /// MinAtar's, for fields of a few cells.
    pub fn small() -> Self {
        Self { filters: vec![Filter { channels: 16, kernel: 3, stride: 1 }], units: 128 }
    }

    /// Builds the features of observations of `space` on `device`, their weights a function of `seed`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `filters` when one does not fit on its map or is of size 0, `units` when 0, `convolution` when
    /// `space` shows no picture.
    pub fn init(&self, space: &Space, seed: u64, device: &Device) -> Result<Features, ConfigError> {
        let mut rng = Pcg64::new(seed);
        let (mut pictures, mut parts, mut start) = (Vec::new(), Vec::new(), 0);
        for leaf in space.leaves() {
            let len = leaf.encoded_len();
            let picture = match leaf {
                Space::Box { shape, low, high } if shape.len() == 3 => {
                    pictures.push(self.picture([shape[0], shape[1], shape[2]], &mut rng, device)?);
                    Some(Picture { shape: [shape[0], shape[1], shape[2]], scale: scale(low, high) })
                }
                _ => None,
            };
            parts.push(Part { start, len, picture });
            start += len;
        }
        if pictures.is_empty() {
            let reason =
                format!("needs a picture, [channels, height, width], in what the environment shows: {space}");
            return Err(ConfigError::new("convolution", reason));
        }
        Ok(Features { pictures, parts })
    }

    fn picture(&self, shape: [usize; 3], rng: &mut Pcg64, device: &Device) -> Result<Encoder, ConfigError> {
        let init = Init::Orthogonal { gain: std::f64::consts::SQRT_2 };
        if self.units == 0 {
            return Err(ConfigError::new("units", "must be at least 1, got 0"));
        }
        let [mut channels, mut height, mut width] = shape;
        let mut filters = Vec::new();
        for filter @ &Filter { channels: out, kernel, stride } in &self.filters {
            if out * kernel * stride == 0 || kernel > height.min(width) {
                let reason = format!(
                    "{filter:?} on a map of {height} × {width}: sizes are at least 1, kernels at most the map's"
                );
                return Err(ConfigError::new("filters", reason));
            }
            let mut layer =
                Conv2dConfig::new([channels, out], [kernel; 2]).with_stride([stride; 2]).init(device);
            let shape = [out, channels, kernel, kernel];
            let weight = init.tensor(shape, Fans::conv(shape), rng.next_u64(), device);
            layer.weight = Param::initialized(layer.weight.id, learnable(weight));
            layer.bias =
                layer.bias.map(|bias| Param::initialized(bias.id, learnable(Tensor::zeros([out], device))));
            filters.push(layer);
            (channels, height, width) = (out, (height - kernel) / stride + 1, (width - kernel) / stride + 1);
        }
        let shape = [channels * height * width, self.units];
        let mut linear = LinearConfig::new(shape[0], shape[1]).init(device);
        let weight = init.tensor(shape, Fans::linear(shape), rng.next_u64(), device);
        linear.weight = Param::initialized(linear.weight.id, learnable(weight));
        linear.bias = linear
            .bias
            .map(|bias| Param::initialized(bias.id, learnable(Tensor::zeros([self.units], device))));
        Ok(Encoder { filters, linear })
    }
}

/// Bytes are brought to [0, 1]; anything else is left as the environment shows it.
fn scale(low: &[f32], high: &[f32]) -> f32 {
    let bytes = low.iter().all(|&low| low == 0.0) && high.iter().all(|&high| high == 255.0);
    if bytes { 1.0 / 255.0 } else { 1.0 }
}

/// The layers of one picture.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The convolutions.
    pub filters: Vec<Conv2d>,
    /// The layer behind them.
    pub linear: Linear,
}

/// Columns of an encoded observation.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: usize,
    len: usize,
    picture: Option<Picture>,
}

#[derive(Debug, Clone, Copy)]
struct Picture {
    shape: [usize; 3],
    scale: f32,
}

/// Encoders of all pictures of an observation; see the [module page](self).
#[derive(Module, Debug)]
pub struct Features {
    /// One for each picture, in the space's order.
    pub pictures: Vec<Encoder>,
    #[module(skip)]
    parts: Vec<Part>,
}

impl Features {
    /// Numbers that come out.
    pub fn outputs(&self) -> usize {
        let units = self.pictures.iter().map(|picture| picture.linear.weight.dims()[1]).sum::<usize>();
        units + self.parts.iter().filter(|part| part.picture.is_none()).map(|part| part.len).sum::<usize>()
    }

    /// Pictures through their layers, all else as it is, side by side in the space's order.
    ///
    /// # Shapes
    ///
    /// - observations: `[batch, encoded_len]` of the space
    /// - output: `[batch, outputs]`
    ///
    /// # Panics
    ///
    /// When `observations` has another width than the space's encoding.
    pub fn forward(&self, observations: Tensor<2>) -> Tensor<2> {
        let [batch, width] = observations.dims();
        let expected = self.parts.last().map_or(0, |part| part.start + part.len);
        assert_eq!(width, expected, "observations have {width} columns, expected {expected}");
        let mut encoders = self.pictures.iter();
        let parts = self.parts.iter().map(|part| {
            let columns = observations.clone().narrow(1, part.start, part.len); // [B, len]
            match part.picture.zip(encoders.next_if(part.picture.is_some())) {
                None => columns,
                Some((Picture { shape: [c, h, w], scale }, encoder)) => {
                    let image = columns.reshape([batch, c, h, w]) * scale;
                    let maps = encoder.filters.iter().fold(image, |x, filter| relu(filter.convolve(x))); // [B, C', H', W']
                    relu(encoder.linear.forward(maps.flatten(1, 3))) // [B, units]
                }
            }
        });
        Tensor::cat(parts.collect(), 1)
    }
}

/// Takes the next element only where it is wanted.
trait NextIf: Iterator {
    fn next_if(&mut self, wanted: bool) -> Option<Self::Item> {
        if wanted { self.next() } else { None }
    }
}

impl<I: Iterator> NextIf for I {}

/// Features for acting, or the observation itself where there are none.
#[derive(Debug, Clone)]
pub struct HostFeatures {
    net: Option<(Features, Device)>,
    width: usize,
    buffer: Vec<f32>,
}

impl HostFeatures {
    /// Of the weights of this moment, for observations of `width` columns.
    pub fn new(net: Option<&Features>, width: usize) -> Self {
        let net = net.map(|net| net.valid()).and_then(|net| {
            let device = net.pictures.first()?.linear.weight.device();
            Some((net, device))
        });
        Self { net, width, buffer: Vec::new() }
    }

    /// What the heads see.
    ///
    /// # Shapes
    ///
    /// - observations: `[batch, encoded_len]`, flat; output: `[batch, outputs]`, flat
    pub fn forward<'a>(&'a mut self, observations: &'a [f32]) -> &'a [f32] {
        let Some((net, device)) = &self.net else { return observations };
        let rows = TensorData::new(observations.to_vec(), [observations.len() / self.width, self.width]);
        self.buffer.clear();
        self.buffer.extend(net.forward(Tensor::from_data(rows, device)).into_data().iter::<f32>());
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use fornax_nn_core::check::{GradCheck, fill};

    fn space() -> Space {
        let image = Space::interval(0.0, 1.0, &[2, 6, 5]);
        Space::dict([
            ("gear", Space::Discrete(3)),
            ("image", image),
            ("speed", Space::interval(-1.0, 1.0, &[2])),
        ])
    }

    fn config() -> ConvolutionConfig {
        let filter = |channels, stride| Filter { channels, kernel: 2, stride };
        ConvolutionConfig { filters: vec![filter(3, 2), filter(4, 1)], units: 5 }
    }

    #[test]
    fn features_have_the_gradient_of_their_loss() {
        let device = Device::flex().autodiff();
        let features = fill::fill(config().init(&space(), 0, &device).unwrap());
        let x = Tensor::<2>::from_data(fill::data("x", &[3, 65]), (&device, DType::F64));
        let probe = Tensor::<2>::from_data(fill::data("probe", &[3, 10]), (&device, DType::F64));
        let report =
            GradCheck::new().model(features, |net| (net.forward(x.clone()) * probe.clone()).sum()).unwrap();
        assert_eq!((report.compared, report.excepted), (6, 0));
    }

    #[test]
    fn numbers_pass_beside_the_picture_and_bytes_are_scaled() {
        let device = Device::flex();
        let features = config().init(&space(), 0, &device).unwrap();
        assert_eq!(features.outputs(), 3 + 5 + 2);
        let row: Vec<f32> = (0..65).map(|i| i as f32).collect();
        let out = HostFeatures::new(Some(&features), 65).forward(&row).to_vec();
        assert_eq!((&out[..3], &out[8..]), (&row[..3], &row[63..]));
        let bytes = config().init(&Space::interval(0.0, 255.0, &[2, 6, 5]), 0, &device).unwrap();
        let unit = config().init(&Space::interval(0.0, 1.0, &[2, 6, 5]), 0, &device).unwrap();
        let of = |net: &Features, factor: f32| {
            let row: Vec<f32> = (0..60).map(|i| factor * (i % 7) as f32 / 7.0).collect();
            HostFeatures::new(Some(net), 60).forward(&row).to_vec()
        };
        for (a, b) in of(&bytes, 255.0).iter().zip(of(&unit, 1.0)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let device = Device::flex();
        let field =
            |config: ConvolutionConfig, space: &Space| config.init(space, 0, &device).unwrap_err().field;
        assert_eq!(field(ConvolutionConfig::nature(), &space()), "filters");
        assert_eq!(field(ConvolutionConfig { units: 0, ..config() }, &space()), "units");
        assert_eq!(field(config(), &Space::interval(0.0, 1.0, &[4])), "convolution");
        let nature = ConvolutionConfig::nature().init(&Space::interval(0.0, 255.0, &[4, 84, 84]), 0, &device);
        // The paper's: 3,136 inputs of the linear layer; weights and biases of all four layers.
        assert_eq!(nature.unwrap().num_params(), 8_224 + 32_832 + 36_928 + 1_606_144);
    }
}

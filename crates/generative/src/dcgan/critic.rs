//! The critic of a [DCGAN](super), and the gradient of its logit.

use burn::module::{Module, Param};
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Int, Tensor};
use fornax_nn_core::activation::Activation;
use fornax_nn_core::kernels::{Convolve, Normalise, conv_transpose2d, conv2d};

/// The slope is the paper's.
const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };

/// Tells data from samples: a discriminator's logit or a critic's score; see the [module page](super).
#[derive(Module, Debug)]
pub struct DcganCritic {
    /// From the image down.
    pub convs: Vec<Conv2d>,
    /// One behind each convolution but the first and the last; none under a constraint that forbids it.
    pub norms: Vec<BatchNorm>,
    /// A map for each class, `[classes, side²]`.
    pub class_maps: Option<Param<Tensor<2>>>,
}

impl DcganCritic {
    /// The logit: positive for what it takes for data.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, image_channels, side, side]`; labels: `[batch]`, if there are classes
    /// - output: `[batch, 1]`
    ///
    /// # Panics
    ///
    /// When labels are missing although there are classes, or the other way round.
    pub fn forward(&self, x: Tensor<4>, labels: Option<&Tensor<1, Int>>) -> Tensor<2> {
        self.traced(x, labels).0
    }

    /// ∇_x of the logit, in operations that can themselves be differentiated.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, image_channels, side, side]`; labels: `[batch]`
    ///
    /// # Panics
    ///
    /// When the critic normalises its batches: an example has no gradient of its own then.
    pub fn input_gradient(&self, x: Tensor<4>, labels: Option<&Tensor<1, Int>>) -> Tensor<4> {
        assert!(self.norms.is_empty(), "expected a critic without batch normalisation");
        let channels = x.dims()[1];
        let (logits, traces) = self.traced(x, labels);
        let [batch, one] = logits.dims();
        let (mut gradient, mut traces) =
            (logits.ones_like().reshape([batch, one, 1, 1]), traces.into_iter().rev());
        for (i, conv) in self.convs.iter().enumerate().rev() {
            let padding = if i + 1 == self.convs.len() { 0 } else { 1 };
            let options = ConvTransposeOptions::new(conv.stride, [padding; 2], [0, 0], [1, 1], 1);
            gradient = conv_transpose2d(gradient, conv.weight.val(), None, options); // as conv's input
            if let Some(pre_activation) = traces.next() {
                gradient = LEAKY.backward(pre_activation, gradient);
            }
        }
        gradient.narrow(1, 0, channels)
    }

    /// The logit, and what every layer but the last puts out before f.
    fn traced(&self, x: Tensor<4>, labels: Option<&Tensor<1, Int>>) -> (Tensor<2>, Vec<Tensor<4>>) {
        let [batch, _, height, width] = x.dims();
        let map = match (labels, &self.class_maps) {
            (Some(labels), Some(maps)) => {
                Some(maps.val().select(0, labels.clone()).reshape([batch, 1, height, width]))
            }
            (None, None) => None,
            _ => panic!("expected labels if and only if there are classes"),
        };
        let mut x = x;
        let mut traces = Vec::with_capacity(self.convs.len());
        for (i, conv) in self.convs.iter().enumerate() {
            x = match &map {
                Some(map) if i == 0 => beside(conv, x, map.clone()),
                _ => conv.convolve(x),
            }; // [B, C_i, side/2ⁱ⁺¹, side/2ⁱ⁺¹]
            if let Some(norm) = i.checked_sub(1).and_then(|i| self.norms.get(i)) {
                x = norm.normalise(x);
            }
            if i + 1 < self.convs.len() {
                traces.push(x.clone());
                x = LEAKY.apply(x);
            }
        }
        (x.flatten(1, 3), traces)
    }
}

/// A convolution over x and a map beside it, as the sum of one over each. The concatenation would do the same; but on wgpu (Burn 0.22.1,
/// with fusion) its gradient came out wrong where x was itself the output of a network with activations.
fn beside(conv: &Conv2d, x: Tensor<4>, map: Tensor<4>) -> Tensor<4> {
    let (weight, channels) = (conv.weight.val(), x.dims()[1]);
    let options = || ConvOptions::new(conv.stride, [1, 1], conv.dilation, conv.groups);
    let bias = conv.bias.as_ref().map(|bias| bias.val());
    let of_x = conv2d(x, weight.clone().narrow(1, 0, channels), bias, options());
    of_x + conv2d(map, weight.narrow(1, channels, 1), None, options())
}

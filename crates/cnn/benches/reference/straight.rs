//! The four networks written straight down in Burn's layers, loss and optimiser: what ours may not be slower than.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use fornax_cnn::classification::Batch;

use crate::Side;

/// A network from images to a row of logits for each target.
pub(crate) trait Straight: Module {
    fn logits(&self, images: Tensor<4>) -> Tensor<2>;
}

pub(crate) fn side<M: Straight + 'static>(model: M, batch: &Batch) -> Side {
    let Batch { images, targets } = batch.clone();
    let step = move |model: M, optim: &mut ModuleOptimizer| {
        let logits = model.logits(images.clone());
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, targets.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        loss.into_data();
        optim.step(1e-3, model, gradients)
    };
    Side::new(model, &batch.images, |model, x| model.logits(x).into_data(), step)
}

fn conv(from: usize, to: usize, kernel: usize, stride: usize, groups: usize) -> Conv2dConfig {
    let pad = kernel / 2;
    Conv2dConfig::new([from, to], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_groups(groups)
        .with_bias(false)
}

#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(conv: Conv2dConfig, device: &Device) -> Self {
        let norm = BatchNormConfig::new(conv.channels[1]).init(device);
        Self { conv: conv.init(device), norm }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

#[derive(Module, Debug)]
pub(crate) struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet {
    pub(crate) fn new(device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            conv1: conv(1, 6, 5, 1, 1).with_bias(true).init(device),
            conv2: Conv2dConfig::new([6, 16], [5, 5]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc1: linear(400, 120),
            fc2: linear(120, 84),
            fc3: linear(84, 10),
        }
    }
}

impl Straight for LeNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv1.forward(images)));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        let x = relu(self.fc1.forward(x.flatten(1, 3)));
        self.fc3.forward(relu(self.fc2.forward(x)))
    }
}

#[derive(Module, Debug)]
struct Basic {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

#[derive(Module, Debug)]
pub(crate) struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Basic>,
    output: Linear,
}

impl ResNet {
    pub(crate) fn new(device: &Device) -> Self {
        let norm = |config| ConvNorm::new(config, device);
        let block = |[from, to, stride]: [usize; 3]| Basic {
            first: norm(conv(from, to, 3, stride, 1)),
            second: norm(conv(to, to, 3, 1, 1)),
            shortcut: (stride != 1).then(|| norm(conv(from, to, 1, stride, 1))),
        };
        let first = [[64, 64, 1], [64, 64, 1]];
        let rest = [64, 128, 256].map(|from| [[from, 2 * from, 2], [2 * from, 2 * from, 1]]);
        Self {
            stem: norm(conv(3, 64, 3, 1, 1)),
            blocks: first.into_iter().chain(rest.into_iter().flatten()).map(block).collect(),
            output: LinearConfig::new(512, 10).init(device),
        }
    }
}

impl Straight for ResNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(images));
        let x = self.blocks.iter().fold(x, |x, block| {
            let y = block.second.forward(relu(block.first.forward(x.clone())));
            relu(y + block.shortcut.as_ref().map_or(x.clone(), |shortcut| shortcut.forward(x)))
        });
        self.output.forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
    }
}

#[derive(Module, Debug)]
struct Inverted {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    project: ConvNorm,
    residual: bool,
}

#[derive(Module, Debug)]
pub(crate) struct MobileNet {
    stem: ConvNorm,
    blocks: Vec<Inverted>,
    head: ConvNorm,
    output: Linear,
}

impl MobileNet {
    pub(crate) fn new(device: &Device) -> Self {
        let norm = |config| ConvNorm::new(config, device);
        let mut from = 32;
        let mut blocks = Vec::new();
        // Expansion, channels, blocks, stride of the first.
        for [expansion, to, count, stride] in [
            [1, 16, 1, 1],
            [6, 24, 2, 2],
            [6, 32, 3, 2],
            [6, 64, 4, 2],
            [6, 96, 3, 1],
            [6, 160, 3, 2],
            [6, 320, 1, 1],
        ] {
            for i in 0..count {
                let (stride, inner) = (if i == 0 { stride } else { 1 }, from * expansion);
                blocks.push(Inverted {
                    expand: (expansion > 1).then(|| norm(conv(from, inner, 1, 1, 1))),
                    depthwise: norm(conv(inner, inner, 3, stride, inner)),
                    project: norm(conv(inner, to, 1, 1, 1)),
                    residual: i > 0,
                });
                from = to;
            }
        }
        Self {
            stem: norm(conv(3, 32, 3, 2, 1)),
            blocks,
            head: norm(conv(320, 1280, 1, 1, 1)),
            output: LinearConfig::new(1280, 10).init(device),
        }
    }
}

impl Straight for MobileNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let relu6 = |x: Tensor<4>| x.clamp(0.0, 6.0);
        let x = relu6(self.stem.forward(images));
        let x = self.blocks.iter().fold(x, |x, block| {
            let y = block.expand.iter().fold(x.clone(), |y, expand| relu6(expand.forward(y)));
            let y = block.project.forward(relu6(block.depthwise.forward(y)));
            if block.residual { x + y } else { y }
        });
        self.output.forward(relu6(self.head.forward(x)).mean_dim(3).mean_dim(2).flatten(1, 3))
    }
}

#[derive(Module, Debug)]
struct Up {
    narrow: Conv2d,
    double: Vec<ConvNorm>,
}

#[derive(Module, Debug)]
pub(crate) struct UNet {
    down: Vec<Vec<ConvNorm>>,
    pool: MaxPool2d,
    up: Vec<Up>,
    output: Conv2d,
}

impl UNet {
    pub(crate) fn new(device: &Device) -> Self {
        let double = |from, to| {
            [[from, to], [to, to]].map(|[from, to]| ConvNorm::new(conv(from, to, 3, 1, 1), device)).into()
        };
        let up = |[skip, from]: [usize; 2]| Up {
            narrow: conv(from, skip, 1, 1, 1).with_bias(true).init(device),
            double: double(2 * skip, skip),
        };
        Self {
            down: [[1, 16], [16, 32], [32, 64], [64, 96]].map(|[from, to]| double(from, to)).into(),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            up: [[64, 96], [32, 64], [16, 32]].map(up).into(),
            output: conv(16, 11, 1, 1, 1).with_bias(true).init(device),
        }
    }
}

impl Straight for UNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let twice = |convs: &[ConvNorm], x| convs.iter().fold(x, |x, conv| relu(conv.forward(x)));
        let mut maps: Vec<Tensor<4>> = Vec::new();
        for level in &self.down {
            let x = maps.last().map_or(images.clone(), |finer| self.pool.forward(finer.clone()));
            maps.push(twice(level, x));
        }
        let mut x = maps.pop().unwrap_or(images);
        for (up, skip) in self.up.iter().zip(maps.into_iter().rev()) {
            let [.., height, width] = skip.dims();
            let nearest = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([height, width]);
            x = twice(&up.double, Tensor::cat(vec![skip, interpolate(up.narrow.forward(x), nearest)], 1));
        }
        let logits = self.output.forward(x); // [B, 11, H, W]
        let classes = logits.dims()[1];
        logits.permute([0, 2, 3, 1]).flatten::<2>(0, 2).reshape([-1, classes as i32])
    }
}

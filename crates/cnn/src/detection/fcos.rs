//! # FCOS
//!
//! Detection without anchor boxes: every place of every level of a [feature pyramid](crate::fpn) says which class it
//! belongs to and how far the four edges of that thing are away. Two separate towers do it, for what a thing is and
//! where it ends are different questions; a third output, *centre-ness*, holds back the boxes of places near the edge of
//! a thing, which are the badly estimated ones.
//!
//! ```text
//! place (x, y), stride s, level i      box = (x − l, y − t, x + r, y + b),   (l, t, r, b) = s · exp(s_i · regression)
//! centre-ness                          c = √( min(l, r)/max(l, r) · min(t, b)/max(t, b) )
//! score of class k                     √( σ(logit_k) · σ(centre-ness) )
//!
//! loss = ( Σ focal(logits) + Σ⁺ (1 − GIoU) + Σ⁺ BCE(centre-ness, c) ) / max(1, places with a thing)
//! ```
//!
//! The first sum runs over all places and classes, those with ⁺ over the places that [`assign`](fn@super::assign) gives a thing.
//!
//! ```text
//!               ┌─ P7 ─ head          head, the same on all levels:
//! backbone ─▶ FPN ─ …  ─ head            ┌─ tower ─▶ logits [K]
//!               └─ P3 ─ head          P ─┤
//!                                        └─ tower ─┬▶ l, t, r, b
//!                                                  └▶ centre-ness
//! ```
//!
//! Paper: Z. Tian, C. Shen, H. Chen, T. He, *FCOS: fully convolutional one-stage object detection*, ICCV 2019.
//! <https://arxiv.org/abs/1904.01355>
//!
//! ## Differs from the paper
//!
//! 1. The authors' later improvements: only places near the middle of a thing are asked for it, centre-ness is told from
//!    the tower of the box, distances count in strides, the box loss is GIoU, the score a geometric mean.
//! 2. Box losses are not weighted by centre-ness, as in torchvision.

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive, unit_interval};
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::loss::BoxLoss;

use super::assign::locations;
use super::head::FcosHead;
use super::outputs::Outputs;
use super::{Batch, Detection};
use crate::Backbone;
use crate::fpn::{Fpn, FpnConfig};

/// Sizes of an [`Fcos`], its losses and how its outputs become boxes; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct FcosConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// The pyramid. Default: strides 8 to 128, 256 channels, the paper's.
    #[config(default = "FpnConfig::detection()")]
    pub fpn: FpnConfig,
    /// Convolutions of a tower. Default: the paper's.
    #[config(default = 4)]
    pub convs: usize,
    /// Groups of the normalisations, a divisor of the pyramid's channels. Default: 32, the authors'.
    #[config(default = 32)]
    pub groups: usize,
    /// Belief in every class before training, in (0, 1). Default: Lin et al. 2017.
    #[config(default = 0.01)]
    pub prior: f64,
    /// ρ: places within so many strides of a thing's centre are asked for it. Default: 1.5, the authors'.
    #[config(default = 1.5)]
    pub center_radius: f64,
    /// a: a level of stride s is for things whose farthest edge is up to a·s away. Default: 8, the paper's 64 at stride 8.
    #[config(default = 8.0)]
    pub scale: f64,
    /// Measure of the box loss. Default: GIoU, the authors'.
    #[config(default = "BoxLoss::Giou")]
    pub box_loss: BoxLoss,
    /// Detections with a score of this or less are dropped. Default: 0.05, the paper's (0.2 in torchvision).
    #[config(default = 0.05)]
    pub min_score: f64,
    /// Detections of a level that go into suppression. Default: 1,000, the paper's.
    #[config(default = 1000)]
    pub candidates: usize,
    /// Overlap by which a box suppresses one of its class. Default: 0.6, the authors'.
    #[config(default = 0.6)]
    pub nms_iou: f64,
    /// Detections of an image. Default: COCO's.
    #[config(default = 100)]
    pub max_detections: usize,
}

impl FcosConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("fpn.channels", self.fpn.channels),
            ("groups", self.groups),
            ("candidates", self.candidates),
            ("max_detections", self.max_detections),
        ])?;
        if !self.fpn.channels.is_multiple_of(self.groups) {
            let reason =
                format!("must divide the {} channels of the pyramid, got {}", self.fpn.channels, self.groups);
            return Err(ConfigError::new("groups", reason));
        }
        if !(self.prior > 0.0 && self.prior < 1.0) {
            return Err(ConfigError::new("prior", format!("must lie in (0, 1), got {}", self.prior)));
        }
        positive("center_radius", self.center_radius)?;
        positive("scale", self.scale)?;
        unit_interval("min_score", self.min_score)?;
        unit_interval("nms_iou", self.nms_iou)
    }

    /// Puts pyramid and head on a backbone.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate), or when the pyramid does not fit the backbone.
    pub fn init<B: Backbone>(&self, backbone: B, device: &Device) -> Result<Fcos<B>, ConfigError> {
        self.validate()?;
        let fpn = self.fpn.init(&backbone.feature_info(), device)?;
        let head = FcosHead::new(self, fpn.feature_info().len(), device);
        Ok(Fcos { backbone, fpn, head, config: self.clone() })
    }
}

/// The detector; see the [module page](self).
#[derive(Module, Debug)]
pub struct Fcos<B: Module> {
    /// What sees.
    pub backbone: B,
    /// What mixes its maps.
    pub fpn: Fpn,
    /// What tells every place its class and box.
    pub head: FcosHead,
    /// What it was built from.
    #[module(skip)]
    pub config: FcosConfig,
}

impl<B: Backbone> Fcos<B> {
    /// What every place says.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: as [`Outputs`] says; places: the sum of the levels' heights · widths
    ///
    /// # Panics
    ///
    /// On images that [`check_images`](Backbone::check_images) refuses.
    pub fn forward(&self, images: Tensor<4>) -> Outputs {
        let levels = self.fpn.forward(self.backbone.forward_features(images));
        let sizes: Vec<[usize; 2]> = levels.iter().map(|map| [map.dims()[2], map.dims()[3]]).collect();
        let strides: Vec<usize> = self.fpn.feature_info().iter().map(|level| level.stride).collect();
        let (mut logits, mut distances, mut centerness) = (Vec::new(), Vec::new(), Vec::new());
        for (i, map) in levels.into_iter().enumerate() {
            let (class, edges, center) = self.head.forward(map, i);
            logits.push(class); // [B, H_i·W_i, K]
            distances.push(edges * strides[i] as f64); // [B, H_i·W_i, 4]
            centerness.push(center); // [B, H_i·W_i]
        }
        Outputs {
            logits: Tensor::cat(logits, 1),
            distances: Tensor::cat(distances, 1),
            centerness: Tensor::cat(centerness, 1),
            locations: locations(&sizes, &strides, self.config.scale),
        }
    }

    /// The things found in each image, the surest first.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    pub fn predict(&self, images: Tensor<4>) -> Vec<Vec<Detection>> {
        let [.., height, width] = images.dims();
        self.forward(images).decode(&self.config, [height, width])
    }
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<B: Backbone>(
    model: Fcos<B>,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(Fcos<B>, f32), NonFinite> {
    let loss = model.forward(batch.images).loss(&model.config, &batch.objects).total();
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

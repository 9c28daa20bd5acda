//! What a segmentation is trained on.
//!
//! With p = softmax of the logits of a pixel, y its class, w_y the weight of that class, and N the pixels that are not
//! to be ignored:
//!
//! ```text
//! cross-entropy    CE = −Σ_N w_y · ln p_y / Σ_N w_y
//! focal            F  = −Σ_N w_y · (1 − p_y)^γ · ln p_y / Σ_N w_y
//! soft dice        D  = Σ_k w_k · (1 − (2·Σ_N p_k·[y = k] + 1) / (Σ_N p_k + Σ_N [y = k] + 1)) / Σ_k w_k
//!
//! loss = a·CE + b·F + c·D
//! ```
//!
//! Cross-entropy asks every pixel alike, so where nine pixels in ten are background it mostly asks about background.
//! Class weights, focal loss (easy pixels count less) and dice (a ratio of areas, whatever their size) are three
//! answers; cross-entropy with dice is the usual pair, the one for its smooth gradient from the start, the other for
//! what is measured in the end.
//!
//! The single losses are those of [`fornax_nn_core::loss`], where their papers are named. Sums run over the whole
//! batch, so that a class missing in one image does not weigh as much as one that is there. When every pixel is
//! ignored, cross-entropy and focal loss are 0 (PyTorch's cross-entropy is NaN then).

use burn::config::Config;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::loss::{Focal, FocalConfig, Tversky, TverskyConfig};

/// Settings of a [`PixelLoss`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct PixelLossConfig {
    /// Weight a of the cross-entropy, at least 0. Default: 1.
    #[config(default = 1.0)]
    pub cross_entropy: f64,
    /// Weight b of the focal loss, at least 0. Default: none.
    #[config(default = 0.0)]
    pub focal: f64,
    /// Weight c of the dice loss, at least 0. Default: none.
    #[config(default = 0.0)]
    pub dice: f64,
    /// γ of the focal loss. Default: 2, Lin et al. 2017.
    #[config(default = 2.0)]
    pub gamma: f64,
    /// The class of pixels that do not count. Default: 255, as in Pascal VOC and Cityscapes.
    #[config(default = "Some(255)")]
    pub ignore_index: Option<usize>,
    /// A weight for each class. Default: all alike.
    pub class_weights: Option<Vec<f64>>,
}

impl PixelLossConfig {
    /// Cross-entropy and dice in equal parts.
    pub fn cross_entropy_and_dice() -> Self {
        Self::new().with_dice(1.0)
    }

    /// Checks every field, for `num_classes` classes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, num_classes: usize) -> Result<PixelLoss, ConfigError> {
        let parts = [("cross_entropy", self.cross_entropy), ("focal", self.focal), ("dice", self.dice)];
        for (field, weight) in parts {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(ConfigError::new(field, format!("must be at least 0 and finite, got {weight}")));
            }
        }
        if parts.iter().all(|(_, weight)| *weight == 0.0) {
            return Err(ConfigError::new("cross_entropy", "or another part must be above 0, all are 0"));
        }
        if num_classes < 2 {
            return Err(ConfigError::new("num_classes", format!("must be at least 2, got {num_classes}")));
        }
        if let Some(weights) = &self.class_weights {
            let usable = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
            if weights.len() != num_classes || !usable || weights.iter().sum::<f64>() <= 0.0 {
                let reason = format!("must be {num_classes} numbers of at least 0, got {weights:?}");
                return Err(ConfigError::new("class_weights", reason));
            }
        }
        Ok(PixelLoss {
            focal: FocalConfig::new().with_gamma(self.gamma).init()?,
            dice: TverskyConfig::dice().init()?,
            num_classes,
            config: self.clone(),
        })
    }
}

/// A weighted sum of losses over pixels; see the [page](self).
#[derive(Debug, Clone)]
pub struct PixelLoss {
    focal: Focal,
    dice: Tversky,
    num_classes: usize,
    config: PixelLossConfig,
}

impl PixelLoss {
    /// The loss of a batch, a single number.
    ///
    /// # Shapes
    ///
    /// - logits: `[batch, num_classes, height, width]`
    /// - masks: `[batch, height, width]`, class indices, or the one to ignore
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// When the shapes do not agree with each other or with `num_classes`.
    pub fn forward(&self, logits: Tensor<4>, masks: Tensor<3, Int>) -> Tensor<1> {
        let [batch, classes, height, width] = logits.dims();
        assert!(classes == self.num_classes, "logits of {classes} classes, expected {}", self.num_classes);
        let (actual, expected) = (masks.dims(), [batch, height, width]);
        assert!(actual == expected, "masks of {actual:?} (batch, height, width), expected {expected:?}");

        let (device, dtype) = (logits.device(), logits.dtype());
        let pixels = batch * height * width;
        let logits = logits.permute([0, 2, 3, 1]).reshape([pixels, classes]); // [N, K]
        let masks = masks.reshape([pixels]);
        let (targets, counted) = match self.config.ignore_index {
            Some(index) => {
                let ignored = masks.clone().equal_elem(index as i64);
                let counted = ignored.clone().bool_not().float().cast(dtype);
                (masks.mask_fill(ignored, 0), counted)
            }
            None => (masks, Tensor::ones([pixels], (&device, dtype))),
        };
        let weights = match &self.config.class_weights {
            Some(weights) => weights.clone(),
            None => vec![1.0; classes],
        };
        let weights = Tensor::<1>::from_data(TensorData::new(weights, [classes]), (&device, dtype));

        // w_y of each pixel, as shares of their sum: [N]
        let shares = weights.clone().select(0, targets.clone()) * counted.clone();
        let shares = shares.clone() / shares.sum().clamp_min(f64::from(f32::MIN_POSITIVE));
        let mut loss = Tensor::zeros([1], (&device, dtype));
        if self.config.cross_entropy > 0.0 {
            let log_p = log_softmax(logits.clone(), 1).gather(1, targets.clone().unsqueeze_dim(1)); // [N, 1]
            loss = loss - (log_p.squeeze_dim(1) * shares.clone()).sum() * self.config.cross_entropy;
        }
        if self.config.focal > 0.0 {
            let focal = self.focal.forward(logits.clone(), targets.clone()); // [N]
            loss = loss + (focal * shares).sum() * self.config.focal;
        }
        if self.config.dice > 0.0 {
            let counted = counted.unsqueeze_dim(0); // [1, N]
            let p = softmax(logits, 1).transpose() * counted.clone(); // [K, N]
            let truth = targets.one_hot::<2>(classes).float().cast(dtype).transpose() * counted;
            let dice = self.dice.forward(p, truth); // [K]
            loss = loss + (dice * weights.clone()).sum() / weights.sum() * self.config.dice;
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};
    use fornax_nn_core::check::{GradCheck, assert_close, fill};

    fn logits() -> Tensor<4> {
        fill::input("logits", [2, 3, 4, 5], &Device::flex()) * 3.0
    }

    fn masks() -> Tensor<3, Int> {
        fill::targets("masks", [2, 4, 5], 3, &Device::flex())
    }

    fn loss(config: PixelLossConfig, logits: Tensor<4>, masks: Tensor<3, Int>) -> f64 {
        config.init(3).unwrap().forward(logits, masks).into_data().iter::<f64>().sum()
    }

    fn only(part: &str) -> PixelLossConfig {
        let config = PixelLossConfig::new().with_cross_entropy(0.0);
        match part {
            "focal" => config.with_focal(1.0),
            "dice" => config.with_dice(1.0),
            _ => PixelLossConfig::new(),
        }
    }

    #[test]
    fn ignored_pixels_are_as_if_they_were_not_there() {
        // The last row of masks and logits cut off, or ignored whatever its logits are.
        for part in ["cross_entropy", "focal", "dice"] {
            let kept = loss(only(part), logits().narrow(2, 0, 3), masks().narrow(1, 0, 3));
            let ignored = Tensor::full([2, 1, 5], 255, &Device::flex());
            let masks = Tensor::cat(vec![masks().narrow(1, 0, 3), ignored], 1);
            let logits = Tensor::cat(vec![logits().narrow(2, 0, 3), logits().narrow(2, 3, 1) * 50.0], 2);
            assert_close(&[loss(only(part), logits, masks)], &[kept], 1e-5, 1e-6);
        }
    }

    #[test]
    fn focal_without_focus_is_cross_entropy() {
        let focal = loss(only("focal").with_gamma(0.0), logits(), masks());
        assert_close(&[focal], &[loss(only("cross_entropy"), logits(), masks())], 1e-6, 0.0);
    }

    #[test]
    fn a_weight_of_two_is_a_pixel_seen_twice() {
        // Only pixels of class 1 are given twice, as a second image where all others are ignored.
        let other = masks().equal_elem(1).bool_not();
        let twice = Tensor::cat(vec![masks(), masks().mask_fill(other, 255)], 0);
        let expected = loss(only("cross_entropy"), Tensor::cat(vec![logits(), logits()], 0), twice);
        let weighted = only("cross_entropy").with_class_weights(Some(vec![1.0, 2.0, 1.0]));
        assert_close(&[loss(weighted, logits(), masks())], &[expected], 1e-6, 0.0);
    }

    #[test]
    fn a_perfect_answer_costs_nothing_and_the_opposite_everything() {
        let right: Tensor<4> = masks().one_hot::<4>(3).float().permute([0, 3, 1, 2]) * 200.0 - 100.0;
        for part in ["cross_entropy", "focal", "dice"] {
            assert!(loss(only(part), right.clone(), masks()) < 1e-6, "{part}");
        }
        // Every class overlaps nowhere: 1 − 1/(Σp + Σt + 1), at least 1 − 1/(areas).
        assert!(loss(only("dice"), -right.clone(), masks()) > 0.9);
        assert!(loss(only("cross_entropy"), -right, masks()) > 100.0 * 3f64.ln());
    }

    #[test]
    fn nothing_to_count_costs_nothing() {
        let nothing = Tensor::full([2, 4, 5], 255, &Device::flex());
        for part in ["cross_entropy", "focal", "dice"] {
            assert!(loss(only(part), logits(), nothing.clone()).abs() < 1e-9, "{part}");
        }
    }

    #[test]
    fn every_part_has_its_gradient() {
        let masks = Tensor::cat(
            vec![
                fill::targets("masks", [1, 2, 3], 3, &Device::flex()),
                Tensor::full([1, 1, 3], 255, &Device::flex()),
            ],
            1,
        );
        for part in ["cross_entropy", "focal", "dice"] {
            let config = only(part).with_class_weights(Some(vec![1.0, 0.5, 2.0]));
            let inputs = [("logits", fill::data("logits", &[1, 3, 3, 3]).convert_dtype(DType::F64))];
            let report = GradCheck::new()
                .function(&Device::flex(), &inputs, |inputs| {
                    config.init(3).unwrap().forward(inputs.get::<4>("logits"), masks.clone())
                })
                .unwrap();
            assert_eq!((report.compared, report.excepted), (27, 0));
        }
    }

    #[test]
    fn unusable_settings_are_named() {
        let field = |config: PixelLossConfig| config.init(3).unwrap_err().field;
        assert_eq!(field(PixelLossConfig::new().with_dice(-1.0)), "dice");
        assert_eq!(field(PixelLossConfig::new().with_cross_entropy(0.0)), "cross_entropy");
        assert_eq!(field(PixelLossConfig::new().with_gamma(f64::NAN)), "gamma");
        assert_eq!(field(PixelLossConfig::new().with_class_weights(Some(vec![1.0; 2]))), "class_weights");
        assert_eq!(PixelLossConfig::new().init(1).unwrap_err().field, "num_classes");
    }

    #[test]
    #[should_panic(expected = "logits of 3 classes, expected 5")]
    fn logits_of_other_classes_are_refused() {
        PixelLossConfig::new().init(5).unwrap().forward(logits(), masks());
    }
}

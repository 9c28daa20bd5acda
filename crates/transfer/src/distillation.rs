//! # Distillation
//!
//! A large network knows more than the labels it was taught: that this 4 looks a little like a 9 and not at all like a 0. A
//! small network learns more from those beliefs than from the label alone, for each sample then says something about every
//! class.
//!
//! ```text
//! soft targets   p_T(c) = softmax(z/T)_c                     T flattens: small beliefs become visible
//! loss           L = α · T² · KL(teacher_T ‖ student_T)  +  (1 − α) · cross-entropy(student, labels)
//!
//!            ┌──▶ teacher (frozen) ──▶ z ──▶ softmax(z/T) ───┐
//!  images ───┤                                               ├──▶ KL · T² ──┐
//!            └──▶ student ───────────▶ z ─┬▶ softmax(z/T) ───┘              ├──▶ L
//!                                         └▶ softmax(z) ── labels ──────────┘
//! ```
//!
//! The gradient of the KL with respect to a logit is (softmax(z_s/T) − softmax(z_t/T))/T and shrinks as 1/T²; the factor T²
//! keeps the two parts of the loss in proportion whatever the temperature.
//!
//! **Hints** ([`Hint`]) add the teacher's inner maps: a 1 × 1 convolution turns the student's map into one of the teacher's
//! width, and their distance is minimised. They help students that are thin and deep, where the loss at the end is far away.
//!
//! **Self-distillation.** The teacher may be a network of the same size, even the student's own former generation: train,
//! keep it as `teacher = student.valid()`, begin anew with the same loss. It gains because the soft targets weigh samples by
//! how sure the former generation was.
//!
//! What goes wrong: a teacher that is certain of everything (trained to zero loss on the same samples) says no more than the
//! labels: raise T, or augment what both see. A student much smaller than its teacher cannot follow; a teacher in between
//! helps.
//!
//! Papers: G. Hinton, O. Vinyals, J. Dean, *Distilling the knowledge in a neural network*, 2015
//! (<https://arxiv.org/abs/1503.02531>); A. Romero et al., *FitNets*, 2015 (<https://arxiv.org/abs/1412.6550>); T. Furlanello
//! et al., *Born-again neural networks*, 2018 (<https://arxiv.org/abs/1805.04770>).
//!
//! ## Differs from the paper
//!
//! 1. The soft part is a KL divergence, Hinton's a cross-entropy: the gradient is the same, and zero means agreement.
//! 2. FitNets trains with hints first and with soft targets afterwards; here the hint is a term of the same loss, and may be
//!    given a weight of zero after some steps. It is a mean of squares, theirs half a sum.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use fornax_cnn::classification::{self, Batch};
use fornax_cnn::{Backbone, Classifier};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive, unit_interval};
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::kernels::Convolve;

/// How the two parts of the loss are mixed.
#[derive(Config, Debug, PartialEq)]
pub struct DistillationConfig {
    /// T: 1 leaves the beliefs as they are. Default: within the paper's best range for small students, 2.5 to 4.
    #[config(default = 4.0)]
    pub temperature: f64,
    /// α: the soft targets' share. Default: most of it, for the paper found a small weight on the labels best.
    #[config(default = 0.9)]
    pub alpha: f64,
}

impl DistillationConfig {
    /// Checks both fields.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        positive("temperature", self.temperature)?;
        unit_interval("alpha", self.alpha)
    }

    /// α · soft + (1 − α) · hard.
    ///
    /// # Shapes
    ///
    /// - student, teacher: `[batch, classes]`, logits
    /// - targets: `[batch]`
    pub fn loss(&self, student: Tensor<2>, teacher: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
        let soft = soft_target_loss(student.clone(), teacher, self.temperature);
        soft * self.alpha + classification::loss(student, targets) * (1.0 - self.alpha)
    }
}

/// T² · KL(teacher ‖ student), both at temperature T; the teacher gets no gradient.
///
/// # Shapes
///
/// - student, teacher: `[batch, classes]`, logits
///
/// # Panics
///
/// When the shapes differ.
pub fn soft_target_loss(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let (left, right) = (student.dims(), teacher.dims());
    assert!(left == right, "logits of the student {left:?} and of the teacher {right:?} differ in shape");
    let student = log_softmax(student / temperature, 1);
    let teacher = log_softmax(teacher.detach() / temperature, 1);
    let divergence = (teacher.clone().exp() * (teacher - student)).sum_dim(1); // [B, 1]
    divergence.mean() * (temperature * temperature)
}

/// What the teacher makes of images, without a gradient and as inference sees them, on the device of `images`.
///
/// # Shapes
///
/// - images: `[batch, in_channels, height, width]`
/// - output: `[batch, classes]`
///
/// # Panics
///
/// When `teacher` is in training: give it as `teacher.valid()`.
pub fn teacher_logits<M: Classifier>(teacher: &M, images: Tensor<4>) -> Tensor<2> {
    if images.device().is_autodiff() {
        Tensor::from_inner(teacher.forward(images.inner()))
    } else {
        teacher.forward(images)
    }
}

/// Sizes of a [`Hint`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct HintConfig {
    /// Channels of the student's map.
    pub student: usize,
    /// Channels of the teacher's.
    pub teacher: usize,
}

impl HintConfig {
    /// The sizes for the deepest maps of two backbones.
    pub fn last<S: Backbone, T: Backbone>(student: &S, teacher: &T) -> Self {
        let channels = |stages: Vec<fornax_cnn::geometry::Stage>| stages.last().map_or(0, |s| s.channels);
        Self::new(channels(student.stages()), channels(teacher.stages()))
    }

    /// Builds the regressor on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is zero.
    pub fn init(&self, device: &Device) -> Result<Hint, ConfigError> {
        at_least_one(&[("student", self.student), ("teacher", self.teacher)])?;
        Ok(Hint { regressor: Conv2dConfig::new([self.student, self.teacher], [1, 1]).init(device) })
    }
}

/// From the student's map to the teacher's; trained with the student, thrown away afterwards.
#[derive(Module, Debug)]
pub struct Hint {
    /// 1 × 1.
    pub regressor: Conv2d,
}

impl Hint {
    /// Mean squared distance of the maps; the teacher gets no gradient.
    ///
    /// # Shapes
    ///
    /// - student: `[batch, student, height, width]`
    /// - teacher: `[batch, teacher, height, width]`
    ///
    /// # Panics
    ///
    /// When the maps differ in size.
    pub fn loss(&self, student: Tensor<4>, teacher: Tensor<4>) -> Tensor<1> {
        let student = self.regressor.convolve(student);
        let (left, right) = (student.dims(), teacher.dims());
        assert!(left == right, "maps of the student {left:?} and of the teacher {right:?} differ in shape");
        let difference = student - teacher.detach();
        (difference.clone() * difference).mean()
    }
}

/// One step of learning from labels and from the teacher's logits for the same images. Returns the new student and the loss
/// before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Classifier>(
    student: M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
    teacher: Tensor<2>,
    config: &DistillationConfig,
) -> Result<(M, f32), NonFinite> {
    let loss = config.loss(student.forward(batch.images), teacher, batch.targets);
    let (loss, gradients) = gradients(loss, &student)?;
    Ok((optim.step(lr, student, gradients), loss))
}

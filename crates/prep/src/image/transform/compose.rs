//! Pipelines: one step after another, sometimes, or one of several. All of it is data, so that a pipeline can be
//! stored beside the weights it trained.

use serde::{Deserialize, Serialize};

use super::flip::half;
use super::*;
use crate::image::{Sample, Transform};
use crate::{Error, Key};

macro_rules! steps {
    ($($name:ident),* $(,)?) => {
        /// Any transformation of this module, as data.
        ///
        /// In JSON it is an object with one field, the name in small letters: `{"center_crop": {"size": [224, 224]}}`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Step {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        impl Transform for Step {
            fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
                match self {
                    $(Self::$name(step) => step.apply(sample, key),)*
                }
            }
        }

        $(impl From<$name> for Step {
            fn from(step: $name) -> Self {
                Self::$name(step)
            }
        })*
    };
}

steps!(
    Resize,
    Crop,
    CenterCrop,
    RandomCrop,
    RandomResizedCrop,
    Pad,
    HorizontalFlip,
    VerticalFlip,
    Rotation,
    Affine,
    Perspective,
    ColorJitter,
    Grayscale,
    GaussianBlur,
    GaussianNoise,
    RandomErasing,
    RandAugment,
    Compose,
    RandomApply,
    OneOf,
);

/// One step after another.
///
/// The i-th step gets `key.fold(i)`: two steps of the same kind draw independently. For steps of your own a
/// `Vec<Box<dyn Transform>>` does the same.
///
/// ```
/// use fornax_prep::Key;
/// use fornax_prep::image::transform::{ColorJitter, Compose, HorizontalFlip, RandomResizedCrop};
/// use fornax_prep::image::{Channels, Image, Sample, Transform};
///
/// let pipeline = Compose::new()
///     .then(RandomResizedCrop::new(64, 64))
///     .then(HorizontalFlip::default())
///     .then(ColorJitter::new(0.4, 0.4, 0.4, 0.1));
/// let sample = Sample::new(Image::filled(100, [90, 120], Channels::Rgb).unwrap());
/// let key = Key::new(42).fold(0).fold(17); // seed, epoch, sample
/// let once = pipeline.apply(sample.clone(), key).unwrap();
/// assert_eq!(once.image.size(), [64, 64]);
/// assert_eq!(once, pipeline.apply(sample, key).unwrap());
///
/// let json = serde_json::to_string(&pipeline).unwrap();
/// assert_eq!(serde_json::from_str::<Compose>(&json).unwrap(), pipeline);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Compose {
    /// In order.
    pub steps: Vec<Step>,
}

impl Compose {
    /// Does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One step more.
    #[must_use]
    pub fn then(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self
    }
}

impl Transform for Compose {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        self.steps.apply(sample, key)
    }
}

impl<T: Transform> Transform for Vec<T> {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        let mut steps = self.iter().zip(0..);
        steps.try_fold(sample, |sample, (step, index)| step.apply(sample, key.fold(index)))
    }
}

impl<T: Transform + ?Sized> Transform for Box<T> {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        (**self).apply(sample, key)
    }
}

/// All of some steps, or none of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomApply {
    /// How probable they are. Default: 0.5, as in torchvision.
    #[serde(default = "half")]
    pub p: f32,
    /// In order.
    pub steps: Vec<Step>,
}

impl RandomApply {
    /// This step with probability `p`.
    pub fn new(p: f32, step: impl Into<Step>) -> Self {
        Self { p, steps: vec![step.into()] }
    }
}

impl Transform for RandomApply {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        if draw::happens(self.p, &mut key.stream())? {
            self.steps.apply(sample, key.fold(0))
        } else {
            Ok(sample)
        }
    }
}

/// One of several steps (torchvision's `RandomChoice`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneOf {
    /// To choose from; at least one.
    pub steps: Vec<Step>,
    /// How often each is chosen, relative to the others. Default: all alike, as in torchvision.
    #[serde(default)]
    pub weights: Option<Vec<f32>>,
}

impl OneOf {
    /// Any of these, all alike.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), weights: None }
    }

    fn choose(&self, key: Key) -> Result<&Step, Error> {
        let weights = match &self.weights {
            Some(weights) => weights.clone(),
            None => vec![1.0; self.steps.len()],
        };
        let total: f32 = weights.iter().sum();
        let usable = weights.len() == self.steps.len() && weights.iter().all(|&weight| weight >= 0.0);
        if !(usable && total > 0.0 && total.is_finite()) {
            let expected = "a number of at least 0 for each of at least one step, not all 0";
            return Err(Error::argument("weights", expected, format_args!("{weights:?}")));
        }
        let mut left = key.stream().uniform() * total;
        let chosen = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave a crumb beyond the last.
        let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
        Ok(&self.steps[chosen.unwrap_or(last)])
    }
}

impl Transform for OneOf {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        self.choose(key)?.apply(sample, key.fold(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Channels, Image};

    #[test]
    fn choices_are_as_frequent_as_their_weights() {
        let steps = [Pad::all(1).into(), Pad::all(2).into(), Pad::all(3).into()];
        let choice = OneOf { weights: Some(vec![1.0, 0.0, 3.0]), ..OneOf::new(steps) };
        let sample = Sample::new(Image::filled(0, [1, 1], Channels::Grey).unwrap());
        let mut seen = [0i32; 4];
        for index in 0..4000 {
            let padded = choice.apply(sample.clone(), Key::new(1).fold(index)).unwrap();
            seen[padded.image.size()[0] / 2] += 1;
        }
        // Binomial with deviation 27; five of them.
        assert!((seen[1] - 1000).abs() < 137 && seen[2] == 0 && seen[1] + seen[3] == 4000, "{seen:?}");
    }

    #[test]
    fn choices_of_nothing_are_refused() {
        let none = OneOf { steps: Vec::new(), weights: None };
        let zero = OneOf { weights: Some(vec![0.0]), ..OneOf::new([Pad::all(1).into()]) };
        let short = OneOf { weights: Some(vec![]), ..OneOf::new([Pad::all(1).into()]) };
        for bad in [none, zero, short] {
            assert!(bad.choose(Key::new(0)).unwrap_err().to_string().starts_with("weights: expected"));
        }
    }

    #[test]
    fn a_file_with_a_typing_error_is_refused() {
        let good = r#"[{"resize": {"size": {"shorter": {"side": 256}}}}, {"center_crop": {"size": [224, 224]}},
            {"horizontal_flip": {}}, {"random_apply": {"steps": [{"gaussian_blur": {"kernel_size": 5}}]}}]"#;
        let pipeline: Compose = serde_json::from_str(good).unwrap();
        assert_eq!(pipeline.steps.len(), 4);
        assert_eq!(pipeline.steps[2], HorizontalFlip { p: 0.5 }.into());
        for (right, wrong) in
            [("horizontal_flip", "flip"), ("side", "site"), ("kernel_size", "size"), ("steps", "step")]
        {
            assert!(serde_json::from_str::<Compose>(&good.replace(right, wrong)).is_err(), "{wrong}");
        }
    }
}

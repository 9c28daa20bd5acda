//! # Adapters
//!
//! To adapt a large network is to change its function a little. An **adapter** freezes every weight and learns a small
//! correction beside some of them: a hundredth of the parameters, a hundredth of the file, and the network it stands on
//! stays the one it was, so that a dozen adapters can share it.
//!
//! ```text
//! W′ = f(W, θ)          W: the frozen weight        θ: the adapter's parameters, all that is learnt and saved
//!
//! LoRA   W + (α/r)·A·B           A: in × r, B: r × out            crate::lora   (and for convolutions)
//! DoRA   m ⊙ (W + s·A·B) / ‖·‖   and a length for every output    crate::dora
//! IA³    l ⊙ W                   a factor for each in- or output  crate::ia3
//! bottleneck   x + U·gelu(D·x)   a layer between layers           crate::bottleneck
//! ```
//!
//! The first three are functions of one weight. Burn lets a parameter carry such a function (a *reparameterization*):
//! wherever a layer reads its weight it then reads W′, and gradients reach θ through it. No architecture has to know of
//! adapters, and [`attach`] works on any module:
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//! use fornax_transfer::adapter;
//! use fornax_transfer::lora::LoraConfig;
//!
//! let device = Device::flex().autodiff();
//! let base: Linear = LinearConfig::new(64, 64).init(&device);
//! let adapted = adapter::attach(base.clone(), &LoraConfig::new(2), 0)?;
//! let size = adapter::size(&adapted);
//! assert_eq!((size.base, size.adapter), (64 * 64 + 64, 2 * (64 + 64)));
//!
//! // B begins at zero, so nothing has changed yet.
//! let x = Tensor::<2>::ones([1, 64], &device);
//! assert_eq!(adapted.forward(x.clone()).to_data(), base.forward(x).to_data());
//! # Ok::<(), fornax_transfer::adapter::AdapterError>(())
//! ```
//!
//! **Merge.** `adapted.materialize()` (Burn's) computes W′ once and forgets θ: inference then costs what the base costs.
//! **Files.** [`Adapter`] holds θ alone, with the fingerprint of the base it was learnt on: beside another base its
//! corrections mean nothing, so there it is an error. **Several.** [`Adapters`] keeps one base and corrections by name.
//!
//! Running statistics of batch normalisation are no parameters but would move all the same, and with them the base;
//! [`attach`] stops them.
//!
//! Survey: N. Houlsby et al., *Parameter-efficient transfer learning for NLP*, 2019
//! (<https://arxiv.org/abs/1902.00751>); J. He et al., *Towards a unified view of parameter-efficient transfer learning*,
//! 2022 (<https://arxiv.org/abs/2110.04366>).

mod error;
mod file;
mod named;
mod visit;

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, Reparameterization};
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use error::AdapterError;
pub use file::{Adapter, AdapterConfig, fingerprint};
pub use named::Adapters;
use visit::{Attach, Bases, Found, Place, StopStatistics};

/// What Burn calls the place of a parameter that belongs to another one's reparameterization.
const INSIDE: &str = "Reparameterization";

/// A weight that an adapter can stand on: that of a linear layer, of a convolution or of an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its path in the module, `fc1.weight`.
    pub path: String,
    /// `[in, out]`, `[out, in, …]` for a convolution, `[entries, out]` for an embedding.
    pub shape: Vec<usize>,
    /// The dimension of the outputs.
    pub outputs: usize,
    /// The dimension of the inputs.
    pub inputs: usize,
    /// Whether it is the table of an embedding, which is corrected only where it is named.
    pub embedding: bool,
}

impl Target {
    /// Rows and columns of the weight as a matrix: all dimensions behind the first are one.
    pub fn matrix(&self) -> [usize; 2] {
        let rows = self.shape.first().copied().unwrap_or(0);
        [rows, self.shape.iter().skip(1).product()]
    }

    /// Whether `name` is a run of whole components of the path: `blocks.1` is one of `stack.blocks.1.up.weight`.
    pub fn is_named(&self, name: &str) -> bool {
        format!(".{}.", self.path).contains(&format!(".{name}."))
    }
}

/// A way of correcting weights.
pub trait Method {
    /// The correction of one weight.
    type Layer: Reparameterization;

    /// Names of the layers to correct, each a run of whole components of a path; none for all linear layers and convolutions.
    fn names(&self) -> Vec<&str>;

    /// Checks the settings that concern no weight.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    fn validate(&self) -> Result<(), ConfigError>;

    /// Checks that this weight can be corrected.
    ///
    /// # Errors
    ///
    /// [`AdapterError`] naming the weight.
    fn check(&self, _target: &Target) -> Result<(), AdapterError> {
        Ok(())
    }

    /// The correction that a weight begins with, which changes nothing; random numbers are drawn from `noise`.
    fn layer<const D: usize>(
        &self,
        target: &Target,
        weight: Tensor<D>,
        noise: &mut ChaCha8Rng,
    ) -> Self::Layer;
}

/// The weights of linear layers, convolutions and embeddings in a module, in its order.
pub fn targets<M: Module>(model: &M) -> Vec<Target> {
    let mut found = Found::default();
    model.visit(&mut found);
    found.targets
}

/// The model with every parameter frozen, running statistics too, and a correction beside each weight that `method` names.
/// The corrections follow from `seed`, and change nothing until they are trained.
///
/// # Errors
///
/// [`AdapterError`] when a name fits no weight, a weight cannot be corrected, a setting is out of range, or the model has
/// an adapter already.
pub fn attach<M: Module, A: Method>(model: M, method: &A, seed: u64) -> Result<M, AdapterError> {
    method.validate()?;
    let mut found = Found::default();
    model.visit(&mut found);
    if let Some(path) = found.adapted {
        return Err(AdapterError::Adapted { path });
    }
    let names = method.names();
    for name in &names {
        if !found.targets.iter().any(|target| target.is_named(name)) {
            let known = found.targets.into_iter().map(|target| target.path).collect();
            return Err(AdapterError::NoTarget { name: (*name).to_owned(), known });
        }
    }
    let chosen: Vec<Target> = found
        .targets
        .into_iter()
        .filter(|target| {
            if names.is_empty() { !target.embedding } else { names.iter().any(|name| target.is_named(name)) }
        })
        .collect();
    if chosen.is_empty() {
        return Err(AdapterError::NoTarget { name: "*".to_owned(), known: Vec::new() });
    }
    for target in &chosen {
        method.check(target)?;
    }
    let targets = chosen.into_iter().map(|target| (target.path.clone(), target)).collect();
    let noise = ChaCha8Rng::seed_from_u64(seed);
    let model = model.map(&mut StopStatistics::default());
    Ok(model.apply_reparameterization(Attach { method, targets, noise }))
}

/// The base as it was before [`attach`], to the bit; its parameters stay frozen.
pub fn detach<M: Module>(model: M) -> M {
    let mut bases = Bases(HashMap::new());
    model.visit(&mut bases);
    // Burn removes a reparameterization only by applying it; the bases then go back to their places.
    model.materialize().map(&mut bases)
}

/// How many parameters there are on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Of the frozen model, running statistics among them.
    pub base: usize,
    /// Of the adapter: all that is trained.
    pub adapter: usize,
}

impl Size {
    /// The adapter's part of the base, 0.01 for a hundredth.
    pub fn share(&self) -> f64 {
        self.adapter as f64 / self.base.max(1) as f64
    }
}

/// Counts the parameters of base and adapter.
pub fn size<M: Module>(model: &M) -> Size {
    struct Count {
        place: Place,
        size: Size,
    }
    impl ModuleVisitor for Count {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.place.enter(name, container_type);
        }

        fn exit_module(&mut self, _name: &str, container_type: &str) {
            self.place.exit(container_type);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let count = param.lazy_shape().num_elements();
            if self.place.is_inside() {
                self.size.adapter += count;
            } else {
                self.size.base += count;
            }
        }
    }
    let mut count = Count { place: Place::default(), size: Size::default() };
    model.visit(&mut count);
    count.size
}

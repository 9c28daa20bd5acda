#![doc = include_str!("../README.md")]

pub mod autoencoder;
pub mod balance;
pub mod constraint;
pub mod eigen;
pub mod evaluation;
pub mod flow;
pub mod gan;
pub mod latent;
pub mod likelihood;
pub mod made;
pub mod maf;
pub mod planar;
pub mod real_nvp;
pub mod spline;
pub mod vae;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use constraint::Constraint;
pub use flow::Flow;
pub use gan::{Critic, GanConfig, Generator};
pub use likelihood::Likelihood;
pub use made::{Made, MadeConfig};
pub use maf::{Maf, MafConfig};
pub use planar::{PlanarFlow, PlanarFlowConfig};
pub use real_nvp::{RealNvp, RealNvpConfig};
pub use spline::{SplineFlow, SplineFlowConfig};
pub use vae::{Vae, VaeConfig};

//! # Loss landscapes
//!
//! Training walks downhill on a surface over the parameters. What it can meet there:
//!
//! ```text
//! stationary point   ∇f = 0, and by the eigenvalues λ of the Hessian ∇²f there:
//!   minimum          all λ > 0        local, or global if no other point is lower
//!   saddle           some λ < 0       downhill along their eigenvectors, though ∇f = 0
//!   flat             λ ≈ 0            a plateau, or the floor of a valley
//! ravine             λ_max ≫ λ_min    steep across, gentle along: κ = λ_max/λ_min steps
//! ```
//!
//! A **global optimum** is the lowest point there is, a **local minimum** one that is lowest in its
//! neighbourhood. Only for convex functions are they the same. In many dimensions a random stationary
//! point is far likelier a saddle than a minimum, because all of its λ would have to be
//! positive at once (Dauphin et al., 2014); what stops a deep network is mostly plateaus and ravines.
//!
//! Two tools:
//!
//! - [`Landscape`]: eight functions of two variables whose optima are known, to race optimisers on and to
//!   test the [convergence detector](crate::convergence) with. Value, gradient and Hessian are
//!   closed forms in f64; [`Landscape::loss`] is the same function on a tensor, and [`Point`] the
//!   module that any optimiser can move.
//! - [`line()`] and [`plane`]: slices through the loss of a real model along random
//!   [`Direction`]s, normalised filter by filter so that two pictures can be compared.
//!
//! ```
//! use burn::optim::SgdConfig;
//! use burn::tensor::Device;
//! use fornax_nn_core::gradient::gradients;
//! use fornax_nn_core::landscape::{Landscape, Point};
//!
//! let landscape = Landscape::Bowl;
//! let mut point = Point::new(landscape.start(), &Device::flex().autodiff());
//! let mut optim = SgdConfig::new().init();
//! for _ in 0..100 {
//!     let (_, gradients) = gradients(landscape.loss(point.position.val()), &point)?;
//!     point = optim.step(0.1, point, gradients);
//! }
//! // (1 − 0.1)¹⁰⁰ of the way from the start is left.
//! assert!(landscape.value(point.coordinates()) < 1e-6);
//! # Ok::<(), fornax_nn_core::gradient::NonFinite>(())
//! ```
//!
//! Papers: H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, *Visualizing the loss landscape of neural
//! nets*, 2018, <https://arxiv.org/abs/1712.09913>; Y. Dauphin et al., *Identifying and attacking the
//! saddle point problem in high-dimensional non-convex optimization*, 2014,
//! <https://arxiv.org/abs/1406.2572>.

mod function;
mod slice;

pub use function::{Landscape, Point, UnknownLandscape};
pub use slice::{Direction, Line, Plane, line, plane};

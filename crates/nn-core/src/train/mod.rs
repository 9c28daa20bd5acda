//! # The training kit
//!
//! What a training loop needs around it so that its result can be trusted, repeated and gone on with:
//! a run directory, figures, checkpoints, resume, clean stops. The loop itself stays in the example, in
//! plain sight:
//!
//! ```
//! use burn::nn::loss::{MseLoss, Reduction};
//! use burn::nn::{Linear, LinearConfig};
//! use burn::optim::SgdConfig;
//! use burn::tensor::{Device, Tensor};
//! use fornax_nn_core::gradient::gradients;
//! use fornax_nn_core::train::{Error, Run, RunArgs, Target};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Error> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let args = RunArgs { out: Some(directory.path().join("line")), ..Default::default() };
//! // y = 2x + 1, learnt from 64 points.
//! let (epochs, batch_size, lr) = (20, 16, 0.1);
//! let mut run = Run::open("line", &args, &json!({"epochs": epochs, "batch_size": batch_size, "lr": lr}))?;
//! let device = args.device.open()?.autodiff();
//! device.seed(run.seed());
//! let (mut model, mut optim) = (LinearConfig::new(1, 1).init(&device), SgdConfig::new().init());
//! if let Some(saved) = run.resume() {
//!     (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
//! }
//! for _epoch in run.epochs(epochs) {
//!     for batch in run.batches(64, batch_size)? {
//!         device.seed(run.step_seed());
//!         let x: Vec<f32> = batch.iter().map(|&i| i as f32 / 32.0 - 1.0).collect();
//!         let x = Tensor::<1>::from_data(x.as_slice(), &device).reshape([-1, 1]); // [B, 1]
//!         let y = x.clone() * 2.0 + 1.0; // [B, 1]
//!         let loss = MseLoss::new().forward(model.forward(x), y, Reduction::Mean);
//!         let (loss, gradients) = run.guard(gradients(loss, &model))?;
//!         model = optim.step(lr, model, gradients);
//!         run.step([("loss", loss)])?;
//!         run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
//!     }
//!     run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
//!     run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
//! }
//! let loss = run.history("train", "mean_loss")?.last().map_or(f64::NAN, |(_, loss)| *loss);
//! run.check("loss", loss, Target::at_most(1e-3));
//! assert!(loss < 1e-3);
//! run.finish(2, json!({"loss": loss}), format_args!("The line is found to a squared error of {loss:.1e}."))?;
//! # assert!(directory.path().join("line/summary.json").exists());
//! # Ok(())
//! # }
//! ```
//!
//! Two models, two optimisers, a moving average and a replay buffer are more parts of the same snapshot
//! (see [`checkpoint::Snapshot`]).
//!
//! ## The run directory
//!
//! | file | what it holds |
//! |---|---|
//! | `config.json` | example, seed, device, every setting, versions, machine type: enough to repeat the run |
//! | `metrics.csv` | `step,epoch,split,metric,value`, a row a figure |
//! | `checkpoints/` | [generations](checkpoint) |
//! | `summary.json` | the final figures, written last: its presence marks a finished run |
//!
//! A directory with a run in it is not written to without `--resume` or `--force`, one with anything else
//! in it never.
//!
//! ## What resuming has to restore
//!
//! A resumed run is right when nobody can tell: k steps, a kill, a resume and N − k steps leave the same
//! bits as N steps. That takes everything the next step depends on:
//!
//! | state | where it is |
//! |---|---|
//! | weights, running statistics (with their last update, which Burn keeps aside and records without) | the module's part |
//! | momenta, step counts of the optimiser | its part, found again by the parameters' identities, saved with the module |
//! | position of the learning rate schedule | its part |
//! | which samples come next | nowhere: the order is a permutation of (seed, epoch), and the progress says how many batches are done |
//! | what dropout and noise draw next | nowhere: `device.seed(run.step_seed())` makes it follow from (seed, step) |
//! | sums for the epoch's means, rows of `metrics.csv` | the kit's own part `run`; rows after the checkpoint are cut off and written again |
//! | an environment, a replay buffer, a normaliser | parts by `json` and `bytes` |
//!
//! On flex the result is the same to the bit; the tests compare every weight, state and figure.
//!
//! ## When something goes wrong
//!
//! - **SIGINT, SIGTERM** raise a flag. The step is finished, [`Run::checkpoint_if_due`] writes a checkpoint
//!   and returns [`Error::Interrupted`] with the command that goes on. A second signal ends at once.
//! - **NaN, infinity**: [`Run::guard`] stops before the update and says where the last good checkpoint is.
//! - **Full disk, vanished directory**: [`Error::CheckpointFailed`]; the generations before it are as they were.
//! - **`kill -9`, power cut**: see [`checkpoint`].

mod args;
mod batches;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
mod console;
mod default_device;
mod error;
mod files;
pub mod metrics;
pub mod rng;
mod run;
mod settings;
pub mod signal;
mod target;

pub use args::RunArgs;
pub use batches::Batches;
pub use error::{Error, PartProblem};
pub use run::Run;
pub use settings::saved_config;
pub use target::Target;

//! The ways of learning the new task that are compared.

use fornax_transfer::fine_tune::{Phase, fine_tune, gradual};
use fornax_transfer::freeze::GradualUnfreezing;
use fornax_transfer::groups::Groups;
use fornax_transfer::rates::Rates;

use crate::Outcome;

/// What is trained in turn.
pub(crate) const JOBS: [&str; 5] = ["source", "scratch", "frozen", "fine_tuned", "gradual"];

/// How a job learns: `epochs` in all.
pub(crate) fn plan(job: &str, groups: &Groups, epochs: usize, lr: f64) -> Outcome<Vec<Phase>> {
    Ok(match job {
        "frozen" => vec![Phase::head(groups, epochs, lr)],
        "fine_tuned" => fine_tune(groups, epochs.saturating_sub(1).max(1), lr),
        "gradual" => {
            let unfreezing = GradualUnfreezing { every: (epochs / 10).max(1), first: 1 };
            gradual(groups, &unfreezing, epochs, Rates::LayerWise { lr, decay: 1.0 / 2.6 })?
        }
        _ => vec![Phase::everything(epochs, lr)],
    })
}

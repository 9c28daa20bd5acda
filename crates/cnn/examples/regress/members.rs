//! The networks of the ensemble in a checkpoint, each with its optimiser.

use burn::optim::ModuleOptimizer;
use fornax_cnn::ResNet;
use fornax_cnn::regression::Regressor;
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};

type Member = (Regressor<ResNet>, ModuleOptimizer);

pub(crate) fn save(snapshot: Snapshot, members: &[Member]) -> Result<Snapshot, Error> {
    members.iter().enumerate().try_fold(snapshot, |snapshot, (i, (model, optim))| {
        snapshot.module(&format!("model_{i}"), model)?.optimizer(&format!("optimizer_{i}"), optim)
    })
}

pub(crate) fn restored(saved: &Loaded, members: Vec<Member>) -> Result<Vec<Member>, Error> {
    let restored = |(i, (model, optim)): (usize, Member)| {
        let model = saved.module(&format!("model_{i}"), model)?;
        Ok((model, saved.optimizer(&format!("optimizer_{i}"), optim)?))
    };
    members.into_iter().enumerate().map(restored).collect()
}

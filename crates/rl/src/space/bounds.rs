//! JSON has no infinity: an infinite bound is `null`.

use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn write<S: Serializer>(bounds: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(bounds.iter().map(|bound| bound.is_finite().then_some(*bound)))
}

pub(super) fn read_low<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    read(deserializer, f32::NEG_INFINITY)
}

pub(super) fn read_high<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    read(deserializer, f32::INFINITY)
}

fn read<'d, D: Deserializer<'d>>(deserializer: D, missing: f32) -> Result<Vec<f32>, D::Error> {
    let bounds = Vec::<Option<f32>>::deserialize(deserializer)?;
    Ok(bounds.into_iter().map(|bound| bound.unwrap_or(missing)).collect())
}

//! Digit scenes or image files, as batches: what `segment` and `detect` learn from.

use fornax_prep::image::transform::Resize;
use fornax_prep::image::{Channels, FileSamples, Normalisation, Sample, SampleBatch, Samples, Transform};
use fornax_prep::worlds::{DigitSceneConfig, DigitScenes};
use fornax_prep::{Digits, Folds, Key};
use std::sync::Arc;

use crate::Outcome;

/// A part of the data: what is learnt from, or what is held out.
pub(crate) struct Part {
    source: Source,
    normalisation: Normalisation,
    len: usize,
}

enum Source {
    /// Scenes of some of the digits, without end.
    Scenes(DigitScenes, Key),
    /// Some of the files, resized.
    Files(Arc<FileSamples>, Vec<usize>, Resize),
}

impl Part {
    /// `train` scenes a pass, new ones in every pass, and `test` scenes of digits that are in none of the others.
    pub(crate) fn scenes(
        config: &DigitSceneConfig,
        [train, test]: [usize; 2],
        seed: u64,
    ) -> Outcome<[Self; 2]> {
        let split = Digits::load().folds().split(0);
        let key = Key::new(seed);
        // About the mean and deviation of the scenes' pixels.
        let normalisation = Normalisation { mean: vec![0.28], std: vec![0.23] };
        let part = |digits: &[usize], key, len| -> Outcome<Self> {
            let source = Source::Scenes(config.init_with(digits)?, key);
            Ok(Self { source, normalisation: normalisation.clone(), len })
        };
        // The scenes held out are the same for every seed.
        Ok([part(&split.train, key.fold(0), train)?, part(&split.test, Key::new(0).fold(1), test)?])
    }

    /// Four fifths of the files and the rest.
    pub(crate) fn files(samples: FileSamples, side: usize, seed: u64) -> Outcome<[Self; 2]> {
        let samples = Arc::new(samples);
        let split = Folds::stratified(&vec![0; samples.len()], 5, seed)?.split(0);
        Ok([split.train, split.test].map(|indices| Self {
            len: indices.len(),
            source: Source::Files(Arc::clone(&samples), indices, Resize::to(side, side)),
            normalisation: Normalisation::imagenet(),
        }))
    }

    /// Samples a pass.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Grey scenes, files in colour.
    pub(crate) fn channels(&self) -> Channels {
        if let Source::Scenes(..) = self.source { Channels::Grey } else { Channels::Rgb }
    }

    /// One sample, its image not normalised.
    pub(crate) fn sample(&self, place: usize, pass: usize) -> Outcome<Sample> {
        match &self.source {
            Source::Scenes(world, key) => Ok(world.sample(*key, (pass * self.len + place) as u64)?),
            Source::Files(samples, indices, resize) => {
                Ok(resize.apply(samples.get(indices[place])?, Key::new(0))?)
            }
        }
    }

    /// Samples of a pass as a batch.
    pub(crate) fn batch(&self, places: &[usize], pass: usize) -> Outcome<SampleBatch> {
        let samples =
            places.iter().map(|&place| self.sample(place, pass)).collect::<Outcome<Vec<Sample>>>()?;
        let collate =
            SampleBatch::collate(samples, places.to_vec(), Some(&self.normalisation), Default::default());
        Ok(collate.map_err(|(_, error)| error)?)
    }
}

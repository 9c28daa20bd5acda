//! The loader: the same bytes whoever reads, errors with names, bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use burn::tensor::Device;
use fornax_prep::balance::WeightedSampler;
use fornax_prep::image::folder::{OnBroken, listing};
use fornax_prep::image::transform::*;
use fornax_prep::image::{
    BoundingBox, Channels, Collate, Image, Loader, LoaderConfig, Mask, Normalisation, Object, Sample,
    SampleBatch, Samples, Transform,
};
use fornax_prep::{Error, Key, Limits};

use crate::support::{Folder, assert_refused, bmp};

/// Two classes, so many images each; every image of its own colour and size.
fn pictures(count: usize) -> Folder {
    let folder = Folder::new();
    for index in 0..count {
        for (class, base) in [("ants", 10), ("bees", 120)] {
            let (width, height) = (12 + 4 * (index % 3), 10 + index % 5);
            let content: Vec<u8> = (0..width * height * 3).map(|i| (base + index * 7 + i) as u8).collect();
            folder.write(&format!("{class}/{index:03}.bmp"), &bmp(width as i32, height as i32, &content));
        }
    }
    folder
}

fn source(folder: &Folder) -> impl Samples + 'static {
    listing(folder.path(), OnBroken::Fail, &Limits::default())
        .unwrap()
        .samples(Channels::Rgb, &Limits::default())
}

fn augment() -> Compose {
    Compose::new()
        .then(RandomResizedCrop::new(8, 8))
        .then(HorizontalFlip::default())
        .then(ColorJitter::new(0.4, 0.4, 0.4, 0.1))
        .then(GaussianNoise::default())
}

fn config(workers: usize) -> LoaderConfig {
    LoaderConfig { batch_size: 5, workers, seed: 3, ..LoaderConfig::default() }
}

fn batches(folder: &Folder, config: LoaderConfig, epoch: u64) -> Vec<SampleBatch> {
    let loader = Loader::new(source(folder), config).unwrap();
    let loader = loader.with_transform(augment()).with_normalisation(Normalisation::imagenet());
    loader.epoch(epoch).map(Result::unwrap).collect()
}

#[test]
fn no_one_and_four_workers_give_the_same_bytes() {
    let folder = pictures(11);
    for prefetch in [1, 3] {
        let with = |workers| batches(&folder, LoaderConfig { prefetch, ..config(workers) }, 2);
        let alone = with(0);
        assert_eq!((alone.len(), alone[4].len()), (5, 2));
        for workers in [1, 2, 4, 16] {
            let bits = |batches: &[SampleBatch]| -> Vec<u32> {
                batches.iter().flat_map(|batch| &batch.images.pixels).map(|value| value.to_bits()).collect()
            };
            let found = with(workers);
            assert_eq!(bits(&found), bits(&alone), "{workers} workers");
            assert_eq!(found, alone, "{workers} workers");
        }
    }
}

#[test]
fn an_epoch_is_a_permutation_of_its_own_and_can_be_had_again() {
    let folder = pictures(11);
    let order = |batches: &[SampleBatch]| -> Vec<usize> {
        batches.iter().flat_map(|batch| batch.images.indices.clone()).collect()
    };
    let (first, second) = (batches(&folder, config(2), 0), batches(&folder, config(2), 1));
    assert_ne!(order(&first), order(&second));
    assert_eq!(first, batches(&folder, config(2), 0));
    let mut sorted = order(&first);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..22).collect::<Vec<_>>());
    for (batch, index) in first.iter().flat_map(|b| b.images.labels.iter().zip(&b.images.indices)) {
        assert_eq!(*batch, index / 11, "labels go with their images");
    }
    let still = LoaderConfig { shuffle: false, drop_last: true, ..config(2) };
    assert_eq!(order(&batches(&folder, still, 7)), (0..20).collect::<Vec<_>>());
    let other = LoaderConfig { seed: 4, ..config(2) };
    assert_ne!(order(&first), order(&batches(&folder, other, 0)));
    // A sample is changed the same way in whatever batch it comes.
    let single = LoaderConfig { batch_size: 1, ..config(2) };
    for batch in batches(&folder, single, 0) {
        let index = batch.images.indices[0];
        let whole = first.iter().find(|b| b.images.indices.contains(&index)).unwrap();
        let place = whole.images.indices.iter().position(|&i| i == index).unwrap();
        assert_eq!(batch.images.pixels, whole.images.pixels[place * 192..][..192]);
    }
}

#[test]
fn a_broken_file_ends_the_epoch_with_its_name_or_is_skipped_and_reported() {
    let folder = pictures(6);
    let broken = [folder.write("ants/003.bmp", b"BM no more"), folder.write("bees/001.bmp", b"")];
    for workers in [0, 1, 4] {
        let still = LoaderConfig { shuffle: false, ..config(workers) };
        let loader = Loader::new(source(&folder), still).unwrap().with_transform(augment());
        assert_refused(&broken[0], "bmp", || loader.epoch(0).collect::<Result<Vec<_>, Error>>());
        let mut epoch = loader.epoch(0);
        assert!(epoch.next().unwrap().is_err() && epoch.next().is_none());

        let skip = LoaderConfig { on_broken: OnBroken::Skip, ..still };
        let loader = Loader::new(source(&folder), skip).unwrap().with_transform(augment());
        let mut epoch = loader.epoch(0);
        let sizes: Vec<usize> = epoch.by_ref().map(|batch| batch.unwrap().len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
        let skipped: Vec<_> = epoch.skipped().iter().map(|s| (s.index, s.error.path().unwrap())).collect();
        assert_eq!(skipped, [(3, &*broken[0]), (7, &*broken[1])]);
    }
}

#[test]
fn what_a_transformation_refuses_names_the_file() {
    let folder = pictures(2);
    let loader = Loader::new(source(&folder), LoaderConfig { shuffle: false, ..config(1) }).unwrap();
    let cropping = loader.with_transform(Crop::new(0, 0, [11, 12]));
    let first = folder.path().join("ants/000.bmp");
    assert_refused(&first, "size: expected at least 1×1 and inside the image of 10×12", || {
        cropping.epoch(0).next().unwrap()
    });
    let second = folder.path().join("ants/001.bmp");
    let loader = Loader::new(source(&folder), LoaderConfig { shuffle: false, ..config(1) }).unwrap();
    assert_refused(&second, "image: expected 10×12 pixels, as the first of the batch; found 11×16", || {
        loader.epoch(0).next().unwrap()
    });
}

/// A source that counts what was asked of it.
struct Counted {
    asked: Arc<AtomicUsize>,
    len: usize,
}

impl Samples for Counted {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        self.asked.fetch_add(1, SeqCst);
        Ok(Sample::new(Image::filled(index as u8, [2, 3], Channels::Grey)?).with_label(index % 2))
    }
}

#[test]
fn no_more_is_read_ahead_than_allowed_and_dropping_an_epoch_stops_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Counted { asked: Arc::clone(&asked), len: 200 };
    let config = LoaderConfig { batch_size: 2, workers: 3, prefetch: 2, ..LoaderConfig::default() };
    let loader = Loader::new(counted, config).unwrap();
    let mut epoch = loader.epoch(0);
    epoch.next().unwrap().unwrap();
    epoch.next().unwrap().unwrap();
    // Two batches taken, at most 3 · 2 beyond them; wait until the workers have nothing to do.
    let settle = || {
        let mut before = usize::MAX;
        while before != asked.load(SeqCst) {
            before = asked.load(SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        before
    };
    assert_eq!(settle(), 2 * (2 + 6));
    drop(epoch);
    assert_eq!(settle(), 2 * (2 + 6));
    assert_eq!(loader.epoch(1).count(), 100);
}

#[test]
#[should_panic(expected = "a mistake of the user's")]
fn a_panic_of_a_worker_is_the_callers() {
    struct Mistaken;
    impl Transform for Mistaken {
        fn apply(&self, _: Sample, _: Key) -> Result<Sample, Error> {
            panic!("a mistake of the user's");
        }
    }
    let counted = Counted { asked: Arc::default(), len: 20 };
    let loader = Loader::new(counted, config(2)).unwrap().with_transform(Mistaken);
    loader.epoch(0).for_each(drop);
}

#[test]
fn weights_decide_how_often_and_repeats_differ() {
    let folder = pictures(10);
    let weights: Vec<f64> = (0..20).map(|index| if index == 4 { 60.0 } else { 1.0 }).collect();
    for workers in [0, 3] {
        let loader =
            Loader::new(source(&folder), LoaderConfig { batch_size: 20, ..config(workers) }).unwrap();
        let loader =
            loader.with_transform(augment()).with_weights(WeightedSampler::new(&weights).unwrap()).unwrap();
        let batch = loader.epoch(0).next().unwrap().unwrap();
        let places: Vec<usize> = (0..20).filter(|&place| batch.images.indices[place] == 4).collect();
        assert!(places.len() > 8, "{:?}", batch.images.indices);
        let image = |place: usize| &batch.images.pixels[place * 192..][..192];
        assert!(places.windows(2).all(|two| image(two[0]) != image(two[1])));
        assert_eq!(batch, loader.epoch(0).next().unwrap().unwrap());
    }
    let loader = Loader::new(source(&folder), config(0)).unwrap();
    assert!(loader.with_weights(WeightedSampler::new(&[1.0]).unwrap()).is_err());
}

#[test]
fn settings_that_are_none_are_refused_by_name() {
    let refused = |error: Error, start: &str| assert!(error.to_string().starts_with(start), "{error}");
    let counted = |len| Counted { asked: Arc::default(), len };
    refused(
        Loader::new(counted(3), LoaderConfig { batch_size: 0, ..config(0) }).err().unwrap(),
        "batch_size:",
    );
    refused(Loader::new(counted(0), config(0)).err().unwrap(), "source:");
    let loader = || Loader::new(counted(3), config(0)).unwrap();
    refused(loader().with_indices(vec![0, 3]).err().unwrap(), "indices: expected numbers below 3; found 3");
    refused(loader().with_indices(vec![]).err().unwrap(), "indices:");
    let wrong = loader().with_normalisation(Normalisation::imagenet());
    refused(wrong.epoch(0).next().unwrap().unwrap_err(), "normalisation: expected one for 1 channels");
    assert!(serde_json::from_str::<LoaderConfig>(r#"{"batchsize": 3}"#).is_err());
    let stored = serde_json::to_string(&config(4)).unwrap();
    assert_eq!(serde_json::from_str::<LoaderConfig>(&stored).unwrap(), config(4));
}

fn with_boxes(size: [usize; 2], boxes: &[[f32; 4]]) -> Sample {
    let objects = boxes.iter().zip(1..).map(|(&b, class)| Object::new(BoundingBox::from_corners(b), class));
    Sample::new(Image::filled(255, size, Channels::Rgb).unwrap())
        .with_objects(objects.collect())
        .with_mask(Mask::new(vec![1; size[0] * size[1]], size).unwrap())
        .unwrap()
}

#[test]
fn images_boxes_and_masks_of_different_sizes_share_a_frame() {
    let device = Device::flex();
    let samples = vec![
        with_boxes([2, 3], &[[0.0, 0.0, 1.0, 2.0], [1.0, 0.0, 3.0, 1.0]]),
        with_boxes([3, 2], &[]),
        with_boxes([1, 1], &[[0.0, 0.0, 1.0, 1.0]]),
    ];
    let normalisation = Normalisation { mean: vec![0.5; 3], std: vec![0.25, 0.5, 1.0] };
    let pad = Collate::Pad { multiple: 4 };
    let batch = SampleBatch::collate(samples, vec![7, 8, 9], Some(&normalisation), pad).unwrap();
    let images = batch.to_images(&device);
    assert_eq!(images.dims(), [3, 3, 4, 4]);
    let values: Vec<f32> = images.into_data().iter::<f32>().collect();
    // White is (1 − 0.5) / std; the frame beyond is zero.
    assert_eq!(
        values[..16],
        [2.0, 2.0, 2.0, 0.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    );
    assert_eq!((values[16], values[32], values[48 + 8], values[48 + 10]), (1.0, 0.5, 2.0, 0.0));
    let masks: Vec<i64> = batch.to_masks(&device).unwrap().into_data().iter::<i64>().collect();
    assert_eq!(masks[..8], [1, 1, 1, 255, 1, 1, 1, 255]);
    assert!(batch.to_labels(&device).is_none());

    let padded = batch.to_padded_boxes(&device);
    assert_eq!((padded.corners.dims(), padded.classes.dims()), ([3, 2, 4], [3, 2]));
    let corners: Vec<f32> = padded.corners.into_data().iter::<f32>().collect();
    assert_eq!(corners[4..8], [1.0, 0.0, 3.0, 1.0]);
    let present: Vec<bool> = padded.present.into_data().iter::<bool>().collect();
    assert_eq!(present, [true, true, false, false, true, false]);
    let ragged = batch.to_ragged_boxes(&device).unwrap();
    assert_eq!(ragged.corners.dims(), [3, 4]);
    assert_eq!(ragged.image.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 0, 2]);
    assert_eq!(ragged.classes.into_data().iter::<i64>().collect::<Vec<_>>(), [1, 2, 1]);

    let equal = SampleBatch::collate(
        vec![with_boxes([2, 3], &[]), with_boxes([3, 2], &[])],
        vec![0, 1],
        None,
        Collate::Equal,
    );
    assert_eq!(equal.unwrap_err().0, 1);
    let unmasked = Sample { mask: None, ..with_boxes([2, 3], &[]) };
    let mixed =
        SampleBatch::collate(vec![with_boxes([2, 3], &[]), unmasked], vec![0, 1], None, Collate::Equal);
    let (place, error) = mixed.unwrap_err();
    assert_eq!(
        (place, error.to_string().as_str()),
        (1, "mask: expected a mask, as the first of the batch; found no mask")
    );
}

#[test]
fn statistics_of_files_are_those_of_all_their_pixels() {
    let folder = pictures(5);
    let source = source(&folder);
    let indices: Vec<usize> = (0..source.len()).collect();
    let measured = Normalisation::measure(&source, &indices, &Resize::to(7, 9)).unwrap();
    let loader = Loader::new(self::source(&folder), config(0)).unwrap().with_transform(Resize::to(7, 9));
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); 3];
    for batch in loader.with_normalisation(measured).epoch(0) {
        for (plane, pixels) in batch.unwrap().images.pixels.chunks(63).enumerate() {
            values[plane % 3].extend(pixels.iter().map(|&value| f64::from(value)));
        }
    }
    for channel in values {
        let n = channel.len() as f64;
        let mean = channel.iter().sum::<f64>() / n;
        let variance = channel.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
    }
    folder.write("bees/002.bmp", b"gone");
    assert_refused(&folder.path().join("bees/002.bmp"), "expected a png, jpeg, webp or bmp image", || {
        Normalisation::measure(&source, &indices, &Resize::to(7, 9))
    });
}

//! Clips of films and what is made of them.

use burn::tensor::Device;
use fornax_prep::image::{Channels, Image, Sample, Transform};
use fornax_prep::video::{Clip, ClipBatch, ClipSpec, Clock, Film, FlowConfig, Padding, Plan, difference};
use fornax_prep::{Error, Key, Limits};

use crate::films::y4m;
use crate::support::{Folder, assert_refused, noise};

fn frames(plans: &[Plan]) -> Vec<Vec<Option<usize>>> {
    plans.iter().map(|plan| plan.frames.clone()).collect()
}

fn some(frames: &[usize]) -> Vec<Option<usize>> {
    frames.iter().map(|&frame| Some(frame)).collect()
}

#[test]
fn places_follow_the_formula_by_index_and_by_time() {
    let clock = Clock::constant(100, [30, 1]);
    for (start, dilation) in [(0, 1), (5, 3), (40, 7)] {
        let plan = ClipSpec::new(8).with_dilation(dilation).at(&clock, start).unwrap();
        assert_eq!(plan.frames, some(&(0..8).map(|k| start + k * dilation).collect::<Vec<_>>()));
    }
    // 10 a second of 30 a second: every third; of any other rate, the frame that is on the screen.
    let spec = ClipSpec::new(6).with_rate(10.0);
    assert_eq!(spec.at_time(&clock, 1.0).unwrap().frames, some(&[30, 33, 36, 39, 42, 45]));
    for rate in [[24, 1], [25, 1], [60, 1], [30_000, 1001]] {
        let clock = Clock::constant(600, rate);
        let plan = spec.at_time(&clock, 1.2345).unwrap();
        for (k, frame) in plan.frames.iter().enumerate() {
            let (frame, time) = (frame.unwrap(), 1.2345 + k as f64 / 10.0);
            assert!(clock.time(frame) <= time && time < clock.time(frame + 1), "{rate:?} {k}");
        }
    }
}

#[test]
fn each_padding_does_what_it_says() {
    let clock = Clock::constant(10, [10, 1]);
    let spec = ClipSpec::new(5).with_dilation(2);
    let at = |padding| spec.with_padding(padding).at(&clock, 5).map(|plan| plan.frames);
    assert_eq!(at(Padding::RepeatLast), Some(some(&[5, 7, 9, 9, 9])));
    assert_eq!(at(Padding::Loop), Some(some(&[5, 7, 9, 5, 7])));
    assert_eq!(at(Padding::Zeros), Some(vec![Some(5), Some(7), Some(9), None, None]));
    assert_eq!(at(Padding::Drop), None);
    let spec = ClipSpec::new(4).with_rate(4.0);
    let at = |padding| spec.with_padding(padding).at_time(&clock, 0.6).map(|plan| plan.frames);
    assert_eq!(at(Padding::RepeatLast), Some(some(&[6, 8, 8, 8])));
    assert_eq!(at(Padding::Loop), Some(some(&[6, 8, 6, 8])));
    assert_eq!(at(Padding::Zeros), Some(vec![Some(6), Some(8), None, None]));
    assert_eq!(at(Padding::Drop), None);
    assert_eq!(
        (spec.at(&clock, 10), spec.at_time(&clock, 1.0), spec.at_time(&clock, -0.1)),
        (None, None, None)
    );
}

#[test]
fn regular_clips_cover_the_film_and_random_ones_reach_every_start() {
    let clock = Clock::constant(20, [10, 1]);
    let spec = ClipSpec::new(4).with_dilation(2);
    let starts = |plans: Vec<Plan>| plans.iter().map(|plan| plan.frames[0].unwrap()).collect::<Vec<_>>();
    assert_eq!(starts(spec.spread(&clock, 4).unwrap()), [0, 4, 9, 13]);
    assert_eq!(starts(spec.spread(&clock, 1).unwrap()), [6]);
    assert_eq!(starts(spec.every(&clock, 8).unwrap()), [0, 8, 16]);
    assert_eq!(
        starts(spec.with_padding(Padding::Drop).every(&clock, 1).unwrap()),
        (0..14).collect::<Vec<_>>()
    );
    assert_eq!(starts(spec.every_seconds(&clock, 0.75).unwrap()), [0, 7, 15]);

    let key = Key::new(5).fold(2);
    for spec in [spec, spec.with_rate(5.0)] {
        let plans = spec.with_padding(Padding::Drop).random(&clock, 400, key).unwrap();
        assert_eq!(plans, spec.with_padding(Padding::Drop).random(&clock, 400, key).unwrap());
        assert_ne!(plans, spec.random(&clock, 400, Key::new(6)).unwrap());
        // All 14 starts fit and each comes 400 / 14 ± 5 deviations times: none is dropped, none is padded.
        let mut counts = [0u32; 14];
        starts(plans).into_iter().for_each(|start| counts[start] += 1);
        assert!(counts.iter().all(|&count| (4..60).contains(&count)), "{counts:?}");
        let times = spec.with_padding(Padding::Drop).random_times(&clock, 400, key).unwrap();
        assert_eq!(times.len(), 400);
        assert!(times.iter().any(|plan| plan.start > 1.3) && times.iter().any(|plan| plan.start < 0.1));
    }
    // A film that is too short is padded, or gives nothing.
    let short = Clock::constant(3, [10, 1]);
    assert_eq!(frames(&spec.random(&short, 2, key).unwrap()), vec![some(&[0, 2, 2, 2]); 2]);
    assert!(spec.with_padding(Padding::Drop).random(&short, 2, key).unwrap().is_empty());
}

#[test]
fn specs_that_lead_nowhere_are_named() {
    let clock = Clock::constant(20, [10, 1]);
    let message = |spec: ClipSpec| spec.spread(&clock, 1).unwrap_err().to_string();
    assert_eq!(message(ClipSpec::new(0)), "frames: expected at least 1; found 0");
    assert_eq!(message(ClipSpec::new(2).with_dilation(0)), "dilation: expected at least 1; found 0");
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            message(ClipSpec::new(2).with_rate(rate)).starts_with("rate: expected a finite number above 0")
        );
    }
    let spec = ClipSpec::new(2);
    assert!(spec.every(&clock, 0).unwrap_err().to_string().starts_with("stride"));
    for seconds in [0.0, f64::NAN, 1e-9] {
        assert!(spec.every_seconds(&clock, seconds).unwrap_err().to_string().starts_with("seconds"));
    }
    // Numbers near the end of their range wrap nowhere.
    let far = spec.with_dilation(usize::MAX);
    assert_eq!(far.at(&clock, 3).unwrap().frames, some(&[3, 3]));
}

/// Cuts off a random left part, to tell keys apart.
struct Crop;

impl Transform for Crop {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        let [height, width] = sample.image.size();
        let start = key.stream().below(width as u64 / 2) as usize;
        let pixels = sample.image.pixels().chunks_exact(width).flat_map(|row| &row[start..start + width / 2]);
        Ok(Sample::new(Image::new(pixels.copied().collect(), [height, width / 2], Channels::Grey)?))
    }
}

fn film(count: usize) -> Film {
    let images =
        (0..count).map(|seed| Image::new(noise(seed as u64, 6 * 8), [6, 8], Channels::Grey).unwrap());
    Film::from_images(images.collect(), [10, 1], &Limits::default()).unwrap()
}

#[test]
fn a_clip_becomes_a_tensor_of_its_frames() {
    let mut film = film(9);
    let spec = ClipSpec::new(3).with_dilation(3).with_padding(Padding::Zeros);
    let clips: Vec<Clip> = [0, 5]
        .map(|start| {
            let plan = spec.at(film.clock(), start).unwrap();
            film.clip(&plan).unwrap().with_label(start)
        })
        .to_vec();
    let batch = ClipBatch::new(&clips).unwrap();
    assert_eq!((batch.shape, &batch.labels[..]), ([2, 3, 1, 6, 8], &[0, 5][..]));
    let tensor = batch.to_tensor(&Device::flex()); // [2, 3, 1, 6, 8]
    let values = tensor.clone().into_data().try_to_vec::<f32>().unwrap();
    for (k, frame) in [Some(0), Some(3), Some(6), Some(5), Some(8), None].into_iter().enumerate() {
        let expected = match frame {
            Some(frame) => film.frame(frame).unwrap().into_pixels(),
            None => vec![0; 48],
        };
        assert!(values[k * 48..][..48].iter().zip(expected).all(|(a, b)| *a == f32::from(b) / 255.0), "{k}");
    }
    let moved = difference(tensor);
    assert_eq!(moved.dims(), [2, 2, 1, 6, 8]);
    let moved = moved.into_data().try_to_vec::<f32>().unwrap();
    for (index, value) in moved.iter().enumerate() {
        let (clip, rest) = (index / 96, index % 96);
        let at = clip * 144 + rest;
        assert!((value - (values[at + 48] - values[at])).abs() < 1e-7);
    }
}

#[test]
fn every_frame_of_a_clip_is_changed_alike() {
    let mut film = film(8);
    let plan = ClipSpec::new(4).at(film.clock(), 1).unwrap();
    let clip = film.clip(&plan).unwrap();
    let mut starts = std::collections::HashSet::new();
    for seed in 0..8 {
        let cut = clip.clone().transformed(&Crop, Key::new(seed)).unwrap();
        let start = Key::new(seed).stream().below(4) as usize;
        starts.insert(start);
        for (whole, part) in clip.frames.iter().zip(&cut.frames) {
            for row in 0..6 {
                assert_eq!(part.image.pixels()[row * 4..][..4], whole.image.pixels()[row * 8 + start..][..4]);
            }
        }
    }
    assert!(starts.len() > 2);
}

#[test]
fn clips_of_different_shapes_are_no_batch() {
    let mut film = film(8);
    let clip = |film: &mut Film, frames| {
        let plan = ClipSpec::new(frames).at(film.clock(), 0).unwrap();
        film.clip(&plan).unwrap()
    };
    let (long, short) = (clip(&mut film, 3), clip(&mut film, 2));
    let error = ClipBatch::new(&[long.clone(), short]).unwrap_err().to_string();
    assert!(
        error.starts_with("clips: expected 3 frames of 6×8, Grey, as the first; found 2 frames of 6×8"),
        "{error}"
    );
    let cut = long.clone().transformed(&Crop, Key::new(0)).unwrap();
    let error = ClipBatch::new(&[long, cut]).unwrap_err().to_string();
    assert!(error.contains("found 3 frames of 6×4, Grey in clip 1"), "{error}");
    assert!(ClipBatch::new(&[]).unwrap_err().to_string().starts_with("clips: expected at least one clip"));
}

#[test]
fn memory_is_that_of_the_clip_and_not_of_the_film() {
    // 64 MB of film on disk; a clip of 2 × 64 kB out of it in less than 24 MB, and one over the limit not at all.
    let folder = Folder::new();
    let frames = vec![noise(1, 256 * 256); 1000];
    let path = folder.write("long.y4m", &y4m("W256 H256 F25:1 Cmono", &frames));
    drop(frames);
    let limits = Limits { clip_bytes: 1 << 20, ..Limits::default() };
    let mut film = Film::open(&path, &Default::default(), &limits).unwrap();
    assert_refused(&path, "over the limit `clip_bytes`: allowed 1048576; found 196608000", || {
        let small = ClipSpec::new(2).at(film.clock(), 900).unwrap();
        assert_eq!(film.clip(&small).unwrap().frames.len(), 2);
        film.clip(&ClipSpec::new(1000).at(film.clock(), 0).unwrap())
    });
}

/// A texture of waves of many directions, at a place between pixels.
fn texture(x: f64, y: f64) -> f64 {
    let waves = [
        (0.35, 0.05, 0.3),
        (0.11, 0.31, 1.7),
        (-0.21, 0.23, 0.9),
        (0.07, -0.13, 2.2),
        (0.52, 0.41, 0.1),
        (-0.45, 0.48, 4.0),
    ];
    0.5 + waves.iter().map(|(a, b, phase)| (a * x + b * y + phase).sin()).sum::<f64>() / 13.0
}

fn textured(size: [usize; 2], u: f64, v: f64) -> Image {
    let [height, width] = size;
    let places = (0..height).flat_map(|row| (0..width).map(move |column| (column, row)));
    let value = |(x, y)| (255.0 * texture(x as f64 - u, y as f64 - v)).round() as u8;
    Image::new(places.map(value).collect(), size, Channels::Grey).unwrap()
}

#[test]
fn optical_flow_finds_known_translations_to_a_tenth_of_a_pixel() {
    let size = [96, 128];
    let still = textured(size, 0.0, 0.0);
    for (u, v) in [(0.0, 0.0), (0.25, -0.4), (1.0, 0.0), (-1.5, 2.25), (4.0, -3.0), (-7.3, 5.6), (0.0, 9.5)] {
        let flow = FlowConfig::default().estimate(&still, &textured(size, u, v)).unwrap();
        // Inside: what is on both frames, and half a window from borders.
        let border = 16;
        let (mut worst, mut sum, mut count) = (0.0f64, 0.0, 0);
        for row in border..96 - border {
            for column in border..128 - border {
                let [a, b] = flow.at(row, column).map(f64::from);
                let error = (a - u).hypot(b - v);
                (worst, sum, count) = (worst.max(error), sum + error, count + 1);
            }
        }
        assert!(worst <= 0.1, "({u}, {v}): worst {worst:.3}, mean {:.3}", sum / f64::from(count));
    }
}

#[test]
fn optical_flow_is_silent_where_nothing_can_be_seen() {
    // A plain wall: no motion, no confidence.
    let wall = Image::filled(90, [40, 40], Channels::Grey).unwrap();
    let flow = FlowConfig::default().estimate(&wall, &wall).unwrap();
    assert!(flow.u.iter().chain(&flow.v).chain(&flow.confidence).all(|&value| value == 0.0));
    // An upright edge: the motion along it cannot be told, and λ says so; on texture it is well above the threshold.
    let edge = |shift: usize| {
        let pixels = (0..40 * 40).map(|i| if i % 40 < 20 + shift { 20 } else { 220 }).collect();
        Image::new(pixels, [40, 40], Channels::Grey).unwrap()
    };
    let flow = FlowConfig::default().estimate(&edge(0), &edge(1)).unwrap();
    assert!(flow.confidence[20 * 40 + 20] < 1e-6);
    let texture = textured([40, 40], 0.0, 0.0);
    let flow = FlowConfig::default().estimate(&texture, &texture).unwrap();
    assert!(flow.confidence[20 * 40 + 20] > 3e-4);
    assert_eq!(flow.to_tensor(&Device::flex()).dims(), [2, 40, 40]);
}

#[test]
fn optical_flow_refuses_what_it_cannot_use() {
    let a = Image::filled(0, [8, 8], Channels::Grey).unwrap();
    let b = Image::filled(0, [8, 9], Channels::Rgb).unwrap();
    let message = |config: FlowConfig, b: &Image| config.estimate(&a, b).unwrap_err().to_string();
    let config = FlowConfig::default();
    assert_eq!(message(config, &b), "second: expected 8×8, as the first; found 8×9");
    assert!(message(FlowConfig { levels: 0, ..config }, &a).starts_with("levels"));
    assert!(message(FlowConfig { radius: 0, ..config }, &a).starts_with("radius"));
    assert!(message(FlowConfig { iterations: 0, ..config }, &a).starts_with("iterations"));
    assert!(message(FlowConfig { min_confidence: f32::NAN, ..config }, &a).starts_with("min_confidence"));
    let one = Image::filled(5, [1, 1], Channels::Grey).unwrap();
    assert_eq!(config.estimate(&one, &one).unwrap().at(0, 0), [0.0, 0.0]);
}

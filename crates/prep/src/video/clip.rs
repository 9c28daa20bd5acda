//! Clips: a few frames of a film, of one number and size.

use burn::tensor::{Device, Tensor, TensorData, s};
use serde::{Deserialize, Serialize};

use super::{Clock, Film};
use crate::image::{Image, Sample, Transform};
use crate::{Error, Key, Problem};

/// What stands where a clip goes on after its film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// The clip's last real frame, again and again, as torchcodec has it by default.
    #[default]
    RepeatLast,
    /// The clip's real frames from its first, again and again.
    Loop,
    /// Black frames.
    Zeros,
    /// There is no such clip.
    Drop,
}

/// How far apart the frames of a clip are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// So many frames of the film: 1 takes each, 2 every other.
    Dilation(usize),
    /// So many frames a second of the film's time, whatever its own rate.
    Rate(f64),
}

/// Which frames make a clip.
///
/// ```
/// use fornax_prep::Key;
/// use fornax_prep::video::{ClipSpec, Clock, Padding};
///
/// let clock = Clock::constant(10, [25, 1]);
/// let spec = ClipSpec::new(4).with_dilation(2);
/// let frames = |plan: Option<fornax_prep::video::Plan>| plan.map(|plan| plan.frames);
/// assert_eq!(frames(spec.at(&clock, 1)), Some(vec![Some(1), Some(3), Some(5), Some(7)]));
/// assert_eq!(frames(spec.at(&clock, 6)), Some(vec![Some(6), Some(8), Some(8), Some(8)]));
/// assert_eq!(frames(spec.with_padding(Padding::Drop).at(&clock, 6)), None);
///
/// // A start for each clip and epoch, from a key.
/// let key = Key::new(7).fold(0);
/// assert_eq!(spec.random(&clock, 3, key)?, spec.random(&clock, 3, key)?);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipSpec {
    /// Frames of a clip, T.
    pub frames: usize,
    /// How far apart they are. Default: each of the film.
    pub pace: Pace,
    /// What stands after the film's end. Default: its last frame.
    pub padding: Padding,
}

/// The frames of one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The film's frame at each place; none is black.
    pub frames: Vec<Option<usize>>,
    /// The film's time, in seconds, at the clip's beginning.
    pub start: f64,
}

impl ClipSpec {
    /// Clips of this many frames, each of the film.
    pub fn new(frames: usize) -> Self {
        Self { frames, pace: Pace::Dilation(1), padding: Padding::RepeatLast }
    }

    /// Takes every `dilation`-th frame.
    #[must_use]
    pub fn with_dilation(self, dilation: usize) -> Self {
        Self { pace: Pace::Dilation(dilation), ..self }
    }

    /// Takes `rate` frames a second.
    #[must_use]
    pub fn with_rate(self, rate: f64) -> Self {
        Self { pace: Pace::Rate(rate), ..self }
    }

    /// Puts this after the film's end.
    #[must_use]
    pub fn with_padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// Refuses clips of no frames and paces that lead nowhere.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the field.
    pub fn check(&self) -> Result<(), Error> {
        if self.frames == 0 {
            return Err(Error::argument("frames", "at least 1", 0));
        }
        match self.pace {
            Pace::Dilation(0) => Err(Error::argument("dilation", "at least 1", 0)),
            Pace::Rate(rate) if !(rate.is_finite() && rate > 0.0) => {
                Err(Error::argument("rate", "a finite number above 0", rate))
            }
            _ => Ok(()),
        }
    }

    /// The clip that begins with frame `start`; nothing where it begins after the film, or would have to be padded and
    /// [`Padding::Drop`] says no.
    pub fn at(&self, clock: &Clock, start: usize) -> Option<Plan> {
        if start >= clock.len() {
            return None;
        }
        match self.pace {
            Pace::Dilation(dilation) => {
                let place = |k: usize| k.checked_mul(dilation).and_then(|ahead| start.checked_add(ahead));
                let frames = (0..self.frames).map(|k| place(k).filter(|&frame| frame < clock.len()));
                self.padded(frames.collect(), clock.time(start))
            }
            Pace::Rate(_) => self.at_time(clock, clock.time(start)),
        }
    }

    /// The clip that begins with the frame shown at `seconds`; nothing as for [`at`](Self::at), and before the film.
    pub fn at_time(&self, clock: &Clock, seconds: f64) -> Option<Plan> {
        let during =
            |time: f64| (0.0..clock.duration()).contains(&time) || (time == 0.0 && !clock.is_empty());
        if !during(seconds) {
            return None;
        }
        match self.pace {
            Pace::Dilation(_) => {
                let plan = self.at(clock, clock.frame_at(seconds))?;
                Some(Plan { start: seconds, ..plan })
            }
            Pace::Rate(rate) => {
                let frames = (0..self.frames).map(|k| {
                    let time = seconds + k as f64 / rate;
                    during(time).then(|| clock.frame_at(time))
                });
                self.padded(frames.collect(), seconds)
            }
        }
    }

    /// Fills what the film does not: frames are real up to some place, and none behind it.
    fn padded(&self, mut frames: Vec<Option<usize>>, start: f64) -> Option<Plan> {
        let real: Vec<usize> = frames.iter().map_while(|frame| *frame).collect();
        let last = *real.last()?;
        for (k, frame) in frames.iter_mut().enumerate().skip(real.len()) {
            *frame = match self.padding {
                Padding::RepeatLast => Some(last),
                Padding::Loop => Some(real[k % real.len()]),
                Padding::Zeros => None,
                Padding::Drop => return None,
            };
        }
        Some(Plan { frames, start })
    }

    /// The last frame from which a clip fits without padding, or the first of the film where none does.
    fn last_start(&self, clock: &Clock) -> usize {
        let fits = |start: usize| self.with_padding(Padding::Drop).at(clock, start).is_some();
        match self.pace {
            Pace::Dilation(dilation) => clock
                .len()
                .saturating_sub(1)
                .saturating_sub(self.frames.saturating_sub(1).saturating_mul(dilation)),
            // Fitting never comes back once it is lost.
            Pace::Rate(_) => {
                let (mut low, mut high) = (0, clock.len());
                while low + 1 < high {
                    let middle = low.midpoint(high);
                    if fits(middle) { low = middle } else { high = middle }
                }
                low
            }
        }
    }

    /// Clips that begin every `stride` frames, from the first to the last of the film: for predictions of all of it.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and for a `stride` of 0.
    pub fn every(&self, clock: &Clock, stride: usize) -> Result<Vec<Plan>, Error> {
        self.check()?;
        if stride == 0 {
            return Err(Error::argument("stride", "at least 1", 0));
        }
        Ok((0..clock.len()).step_by(stride).filter_map(|start| self.at(clock, start)).collect())
    }

    /// Clips that begin every so many seconds, from time 0.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), for `seconds` that lead nowhere, and for more clips than a million.
    pub fn every_seconds(&self, clock: &Clock, seconds: f64) -> Result<Vec<Plan>, Error> {
        const MOST: f64 = 1e6;
        self.check()?;
        if !(seconds.is_finite() && seconds > 0.0 && clock.duration() / seconds <= MOST) {
            return Err(Error::argument("seconds", "a number above 0, for at most a million clips", seconds));
        }
        let count = (clock.duration() / seconds).ceil().max(1.0) as usize;
        Ok((0..count).filter_map(|k| self.at_time(clock, k as f64 * seconds)).collect())
    }

    /// `count` clips at even distances, the first at the film's beginning, the last as late as it fits; all the same where
    /// the film is too short.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn spread(&self, clock: &Clock, count: usize) -> Result<Vec<Plan>, Error> {
        self.check()?;
        let last = self.last_start(clock);
        let start = |k: usize| (k * last + (count - 1) / 2).checked_div(count - 1).unwrap_or(last / 2);
        Ok((0..count).filter_map(|k| self.at(clock, start(k))).collect())
    }

    /// `count` clips that begin with random frames, all starts that fit being as likely; with the first frame where the
    /// film is too short.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn random(&self, clock: &Clock, count: usize, key: Key) -> Result<Vec<Plan>, Error> {
        self.check()?;
        let starts = self.last_start(clock) as u64 + 1;
        let start = |k: usize| key.fold(k as u64).stream().below(starts) as usize;
        Ok((0..count).filter_map(|k| self.at(clock, start(k))).collect())
    }

    /// `count` clips that begin at random times, all that fit being as likely.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn random_times(&self, clock: &Clock, count: usize, key: Key) -> Result<Vec<Plan>, Error> {
        self.check()?;
        let span = match self.pace {
            Pace::Dilation(_) => clock.time(self.last_start(clock) + 1),
            Pace::Rate(rate) => clock.duration() - (self.frames - 1) as f64 / rate,
        };
        let start = |k: usize| span.max(0.0) * f64::from(key.fold(k as u64).stream().uniform());
        Ok((0..count).filter_map(|k| self.at_time(clock, start(k))).collect())
    }
}

/// Some frames of a film, each with its annotations.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The frames in order.
    pub frames: Vec<Sample>,
    /// What each is in its film; none is black padding.
    pub plan: Plan,
    /// The class of the whole clip.
    pub label: Option<usize>,
}

impl Film {
    /// The frames of a plan. Each is decoded once, in the film's order.
    ///
    /// # Errors
    ///
    /// [`Error::File`] over [`clip_bytes`](crate::Limits::clip_bytes) or with what is wrong with a frame,
    /// [`Error::Argument`] for a plan of another film.
    pub fn clip(&mut self, plan: &Plan) -> Result<Clip, Error> {
        let [height, width] = self.size();
        let found =
            (plan.frames.len() as u64).saturating_mul((height * width * self.channels().count()) as u64);
        let allowed = self.limits().clip_bytes;
        if found > allowed {
            return Err(Error::file(self.path(), Problem::over("clip_bytes", allowed, found)));
        }
        let mut order: Vec<usize> = (0..plan.frames.len()).collect();
        order.sort_by_key(|&k| plan.frames[k]);
        let mut frames: Vec<Option<Sample>> = vec![None; plan.frames.len()];
        let mut before: Option<(usize, usize)> = None;
        for k in order {
            let image = match (plan.frames[k], before) {
                (None, _) => Image::filled(0, self.size(), self.channels())?,
                (Some(frame), Some((same, at))) if frame == same => {
                    frames[k] = frames[at].clone();
                    continue;
                }
                (Some(frame), _) => {
                    before = Some((frame, k));
                    self.frame(frame)?
                }
            };
            frames[k] = Some(Sample::new(image));
        }
        Ok(Clip { frames: frames.into_iter().flatten().collect(), plan: plan.clone(), label: None })
    }
}

impl Clip {
    /// With a class.
    #[must_use]
    pub fn with_label(self, label: usize) -> Self {
        Self { label: Some(label), ..self }
    }

    /// The same change on every frame: one transform, one key. A crop that fell differently on each frame would invent motion.
    ///
    /// Noise drawn by a transform is the same in all frames too, as dirt on the lens is.
    ///
    /// # Errors
    ///
    /// As the transform.
    pub fn transformed(self, transform: &dyn Transform, key: Key) -> Result<Self, Error> {
        let frames = self.frames.into_iter().map(|frame| transform.apply(frame, key));
        Ok(Self { frames: frames.collect::<Result<_, _>>()?, ..self })
    }
}

/// Clips of one shape, ready to become a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipBatch {
    /// Values from 0 to 1, in the order of `shape`.
    pub pixels: Vec<f32>,
    /// `[clips, frames, channels, height, width]`
    pub shape: [usize; 5],
    /// The clips' classes; empty where a clip has none.
    pub labels: Vec<usize>,
}

impl ClipBatch {
    /// Clips side by side.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there are none, or a frame differs in size or channels, or a clip in length.
    pub fn new(clips: &[Clip]) -> Result<Self, Error> {
        let Some(first) = clips.first().and_then(|clip| clip.frames.first()) else {
            return Err(Error::argument("clips", "at least one clip of at least one frame", "none"));
        };
        let (frames, size, channels) = (clips[0].frames.len(), first.image.size(), first.image.channels());
        let [height, width] = size;
        let mut pixels = Vec::with_capacity(clips.len() * frames * channels.count() * height * width);
        for (index, clip) in clips.iter().enumerate() {
            for sample in &clip.frames {
                let image = &sample.image;
                if clip.frames.len() != frames || image.size() != size || image.channels() != channels {
                    let shape =
                        |count, [height, width]: [usize; 2]| format!("{count} frames of {height}×{width}");
                    let expected = format!("{}, {channels:?}, as the first", shape(frames, size));
                    let found = shape(clip.frames.len(), image.size());
                    return Err(Error::argument(
                        "clips",
                        expected,
                        format_args!("{found}, {:?} in clip {index}", image.channels()),
                    ));
                }
                for channel in 0..channels.count() {
                    let plane = image.pixels().iter().skip(channel).step_by(channels.count());
                    pixels.extend(plane.map(|&byte| f32::from(byte) / 255.0));
                }
            }
            if clip.frames.len() != frames {
                let found = format!("none in clip {index}");
                return Err(Error::argument("clips", format_args!("{frames} frames, as the first"), found));
            }
        }
        let labels: Option<Vec<usize>> = clips.iter().map(|clip| clip.label).collect();
        let shape = [clips.len(), frames, channels.count(), height, width];
        Ok(Self { pixels, shape, labels: labels.unwrap_or_default() })
    }

    /// # Shapes
    ///
    /// - output: `[batch, time, channel, height, width]`, values from 0 to 1
    pub fn to_tensor(self, device: &Device) -> Tensor<5> {
        Tensor::from_data(TensorData::new(self.pixels, self.shape), device)
    }
}

/// What changed from each frame to the next: `x[t + 1] − x[t]`.
///
/// # Shapes
///
/// - clips: `[batch, time, channel, height, width]`, at least two frames
/// - output: `[batch, time - 1, channel, height, width]`
///
/// # Panics
///
/// When there is but one frame.
pub fn difference(clips: Tensor<5>) -> Tensor<5> {
    let time = clips.dims()[1];
    assert!(time >= 2, "difference: expected at least two frames; found {time}");
    let before = clips.clone().slice(s![.., ..time - 1]); // [B, T-1, C, H, W]
    clips.slice(s![.., 1..]) - before // [B, T-1, C, H, W]
}

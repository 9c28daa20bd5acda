//! When each frame of a film is shown.

/// The times of a film's frames: frame i is shown from [`time`](Self::time)`(i)` until the time of frame i + 1, the last
/// one until [`duration`](Self::duration). Time 0 is the first frame's.
///
/// Times are whole ticks of a fixed length, as containers store them, and become seconds only when asked for; the
/// time of a frame is always found again: `frame_at(time(i)) == i` where times differ.
///
/// ```
/// use fornax_prep::video::Clock;
///
/// // 30,000/1,001 frames a second, television's 29.97.
/// let clock = Clock::constant(300, [30_000, 1001]);
/// assert!((clock.time(299) - 9.9766).abs() < 1e-4);
/// assert_eq!(clock.frame_at(clock.time(299)), 299);
/// assert_eq!(clock.frame_at(1.0), 29);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock(Ticks);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ticks {
    /// Frames, and frames a second as a fraction.
    Constant(usize, [u32; 2]),
    /// The tick of each frame and of the end, never falling; ticks a second.
    Listed(Vec<u64>, u32),
}

impl Clock {
    /// A constant rate: `numerator / denominator` frames a second; a zero in either is taken for a one.
    pub fn constant(frames: usize, [numerator, denominator]: [u32; 2]) -> Self {
        Self(Ticks::Constant(frames, [numerator.max(1), denominator.max(1)]))
    }

    /// Frames shown for these numbers of ticks, of which there are `scale` a second.
    pub(crate) fn lasting(durations: impl IntoIterator<Item = u64>, scale: u32) -> Self {
        let mut ticks = vec![0];
        let mut now = 0u64;
        for duration in durations {
            now = now.saturating_add(duration);
            ticks.push(now);
        }
        Self(Ticks::Listed(ticks, scale.max(1)))
    }

    /// Ticks of the frames, never falling, and of the end.
    #[cfg(feature = "mp4")]
    pub(crate) fn listed(ticks: Vec<u64>, scale: u32) -> Self {
        Self(Ticks::Listed(ticks, scale.max(1)))
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Ticks::Constant(frames, _) => *frames,
            Ticks::Listed(ticks, _) => ticks.len().saturating_sub(1),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time in seconds from which a frame is shown; of a frame past the end, the end.
    pub fn time(&self, frame: usize) -> f64 {
        match &self.0 {
            Ticks::Constant(frames, [numerator, denominator]) => {
                frame.min(*frames) as f64 * f64::from(*denominator) / f64::from(*numerator)
            }
            Ticks::Listed(ticks, scale) => {
                let tick = ticks.get(frame).or(ticks.last()).copied().unwrap_or(0);
                tick as f64 / f64::from(*scale)
            }
        }
    }

    /// The time in seconds at which the last frame ends.
    pub fn duration(&self) -> f64 {
        self.time(self.len())
    }

    /// Frames a second, on average.
    pub fn rate(&self) -> f64 {
        match &self.0 {
            Ticks::Constant(_, [numerator, denominator]) => f64::from(*numerator) / f64::from(*denominator),
            Ticks::Listed(..) if self.duration() > 0.0 => self.len() as f64 / self.duration(),
            Ticks::Listed(..) => 0.0,
        }
    }

    /// The frame shown at this time: the last whose time is not later. Before the film the first, after it the last.
    pub fn frame_at(&self, seconds: f64) -> usize {
        let last = self.len().saturating_sub(1);
        match &self.0 {
            Ticks::Constant(_, [numerator, denominator]) => {
                let guess = seconds * f64::from(*numerator) / f64::from(*denominator);
                let mut frame = (guess.max(0.0) as usize).min(last);
                // The product may be rounded across a boundary; times decide.
                while frame < last && self.time(frame + 1) <= seconds {
                    frame += 1;
                }
                while frame > 0 && self.time(frame) > seconds {
                    frame -= 1;
                }
                frame
            }
            Ticks::Listed(ticks, scale) => {
                let scale = f64::from(*scale);
                let frames = &ticks[..self.len()];
                frames.partition_point(|&tick| tick as f64 / scale <= seconds).saturating_sub(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_found_again_by_its_time() {
        for rate in [[24, 1], [25, 1], [30_000, 1001], [24_000, 1001], [60, 1], [7, 3], [1, 1], [1000, 1]] {
            let clock = Clock::constant(5000, rate);
            for frame in 0..5000 {
                let [from, to] = [clock.time(frame), clock.time(frame + 1)];
                assert_eq!(clock.frame_at(from), frame, "{rate:?}");
                assert_eq!(clock.frame_at(f64::midpoint(from, to)), frame, "{rate:?}");
                assert_eq!(clock.frame_at(from.next_down()), frame.saturating_sub(1), "{rate:?}");
            }
        }
    }

    #[test]
    fn a_variable_rate_is_followed() {
        let clock = Clock::lasting([10, 1, 50, 7], 100);
        assert_eq!(clock.len(), 4);
        let times: Vec<f64> = (0..4).map(|frame| clock.time(frame)).collect();
        assert_eq!(times, [0.0, 0.1, 0.11, 0.61]);
        assert_eq!(clock.duration(), 0.68);
        for (time, frame) in [(-1.0, 0), (0.0999, 0), (0.1, 1), (0.11, 2), (0.5, 2), (0.61, 3), (99.0, 3)] {
            assert_eq!(clock.frame_at(time), frame, "{time}");
        }
        assert!((clock.rate() - 4.0 / 0.68).abs() < 1e-12);
    }

    #[test]
    fn times_that_are_none_give_some_frame() {
        for clock in [Clock::constant(3, [25, 1]), Clock::lasting([1, 2, 3], 10), Clock::constant(3, [0, 0])]
        {
            assert_eq!(clock.frame_at(f64::NAN), 0);
            assert_eq!(clock.frame_at(f64::INFINITY), 2);
            assert_eq!(clock.frame_at(f64::NEG_INFINITY), 0);
        }
        assert!(Clock::constant(0, [25, 1]).is_empty());
    }
}

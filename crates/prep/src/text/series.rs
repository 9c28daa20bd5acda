//! Windows over measurements in time.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Error;

/// How a series is cut; pure data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesConfig {
    /// Steps that are seen.
    pub past: usize,
    /// Steps after them that are predicted.
    pub horizon: usize,
    /// From one window's beginning to the next one's.
    pub stride: usize,
}

impl SeriesConfig {
    /// A window at every step.
    pub fn new(past: usize, horizon: usize) -> Self {
        Self { past, horizon, stride: 1 }
    }

    /// A window every `stride` steps.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
}

/// Sliding windows over a series of measurements, several at each step.
///
/// ```text
/// steps     0 1 2 3 4 5 6 7 8 …                 past 3, horizon 2, stride 2
/// window 0  • • • ○ ○                           • seen   ○ predicted
/// window 1      • • • ○ ○
/// ```
///
/// Windows that overlap must not stand on both sides of a split, or what is to be predicted has been seen.
/// [`within`](Self::within) gives the windows that lie entirely in a stretch of time.
///
/// ```
/// use burn::tensor::Device;
/// use fornax_prep::text::{SeriesConfig, SeriesWindows};
///
/// let measured: Vec<f32> = (0..20).map(|i| i as f32).collect(); // ten steps of two values
/// let windows = SeriesWindows::new(measured, 2, &SeriesConfig::new(3, 2))?;
/// assert_eq!(windows.len(), 6);
/// assert_eq!(windows.within(0..7), 0..3); // steps 0 to 6
/// let (past, future) = windows.batch(&[0, 5], &Device::flex());
/// assert_eq!((past.dims(), future.dims()), ([2, 3, 2], [2, 2, 2]));
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesWindows {
    values: Vec<f32>,
    channels: usize,
    config: SeriesConfig,
    count: usize,
}

impl SeriesWindows {
    /// Cuts a series, given step after step: `[steps, channels]`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a size is 0, the values are not whole steps, there are fewer steps than one
    /// window holds, or a value is not finite: one missing measurement makes a loss NaN.
    pub fn new(values: Vec<f32>, channels: usize, config: &SeriesConfig) -> Result<Self, Error> {
        let SeriesConfig { past, horizon, stride } = *config;
        for (name, size) in [("channels", channels), ("past", past), ("horizon", horizon), ("stride", stride)]
        {
            if size == 0 {
                return Err(Error::argument(name, "at least 1", 0));
            }
        }
        if !values.len().is_multiple_of(channels) {
            return Err(Error::argument("values", format!("steps of {channels} values"), values.len()));
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let found =
                format!("{} at step {}, channel {}", values[place], place / channels, place % channels);
            return Err(Error::argument("values", "finite numbers", found));
        }
        let steps = values.len() / channels;
        let Some(room) = past.checked_add(horizon).and_then(|length| steps.checked_sub(length)) else {
            let expected = format!("at least {past} + {horizon} steps");
            return Err(Error::argument("values", expected, steps));
        };
        Ok(Self { values, channels, config: *config, count: room / stride + 1 })
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none; never, once made.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What is seen and what is predicted: `[past, channels]` and `[horizon, channels]`, step after step.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn get(&self, index: usize) -> (&[f32], &[f32]) {
        assert!(index < self.count, "window {index} of {}", self.count);
        let SeriesConfig { past, horizon, stride } = self.config;
        let window = &self.values[index * stride * self.channels..][..(past + horizon) * self.channels];
        window.split_at(past * self.channels)
    }

    /// The windows of which everything, seen and predicted, lies within these steps.
    pub fn within(&self, steps: Range<usize>) -> Range<usize> {
        let SeriesConfig { past, horizon, stride } = self.config;
        let first = steps.start.div_ceil(stride);
        let last = steps.end.checked_sub(past + horizon).map_or(0, |start| start / stride + 1);
        first.min(self.count)..last.clamp(first.min(self.count), self.count)
    }

    /// Some windows as tensors, on `device`.
    ///
    /// # Shapes
    ///
    /// - past: `[indices.len(), past, channels]`
    /// - future: `[indices.len(), horizon, channels]`
    ///
    /// # Panics
    ///
    /// When an index is not below [`len`](Self::len).
    pub fn batch(&self, indices: &[usize], device: &Device) -> (Tensor<3>, Tensor<3>) {
        let SeriesConfig { past, horizon, .. } = self.config;
        let (mut seen, mut predicted) = (Vec::new(), Vec::new());
        for &index in indices {
            let (before, after) = self.get(index);
            seen.extend_from_slice(before);
            predicted.extend_from_slice(after);
        }
        let tensor = |values, steps| {
            Tensor::from_data(TensorData::new(values, [indices.len(), steps, self.channels]), device)
        };
        (tensor(seen, past), tensor(predicted, horizon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(steps: usize) -> Vec<f32> {
        (0..steps).map(|step| step as f32).collect()
    }

    #[test]
    fn windows_as_drawn() {
        let windows = SeriesWindows::new(counted(9), 1, &SeriesConfig::new(3, 2).with_stride(2)).unwrap();
        assert_eq!(windows.len(), 3);
        assert_eq!(windows.get(1), (&[2.0, 3.0, 4.0][..], &[5.0, 6.0][..]));
        assert_eq!(windows.get(2), (&[4.0, 5.0, 6.0][..], &[7.0, 8.0][..]));
    }

    #[test]
    fn stretches_of_time_share_no_step() {
        for stride in 1..5 {
            let windows =
                SeriesWindows::new(counted(40), 1, &SeriesConfig::new(4, 3).with_stride(stride)).unwrap();
            for boundary in 0..=40 {
                let (before, after) = (windows.within(0..boundary), windows.within(boundary..40));
                for index in 0..windows.len() {
                    let (seen, predicted) = windows.get(index);
                    let inside =
                        |low: usize, high: usize| seen[0] as usize >= low && (predicted[2] as usize) < high;
                    assert_eq!(before.contains(&index), inside(0, boundary), "{stride} {boundary} {index}");
                    assert_eq!(after.contains(&index), inside(boundary, 40), "{stride} {boundary} {index}");
                }
            }
        }
    }

    #[test]
    fn tensors_hold_the_windows() {
        let windows = SeriesWindows::new(counted(12), 2, &SeriesConfig::new(2, 1)).unwrap();
        let (past, future) = windows.batch(&[3, 0], &Device::flex());
        let numbers = |tensor: Tensor<3>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(numbers(past), [6.0, 7.0, 8.0, 9.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(numbers(future), [10.0, 11.0, 4.0, 5.0]);
    }

    #[test]
    fn what_makes_no_windows_is_refused_by_name() {
        let config = SeriesConfig::new(3, 2);
        let cases = [
            (counted(4), 1, config, "values: expected at least 3 + 2 steps; found 4"),
            (counted(9), 2, config, "values: expected steps of 2 values; found 9"),
            (counted(9), 0, config, "channels: expected at least 1; found 0"),
            (counted(9), 1, SeriesConfig::new(0, 2), "past: expected at least 1; found 0"),
            (counted(9), 1, SeriesConfig::new(3, 0), "horizon: expected at least 1; found 0"),
            (counted(9), 1, config.with_stride(0), "stride: expected at least 1; found 0"),
            (
                vec![0.0, f32::NAN, 1.0, 2.0],
                2,
                SeriesConfig::new(1, 1),
                "values: expected finite numbers; found NaN at step 0, channel 1",
            ),
            (counted(9), 1, SeriesConfig::new(usize::MAX, 2), "values: expected at least"),
        ];
        for (values, channels, config, expected) in cases {
            let message = SeriesWindows::new(values, channels, &config).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}

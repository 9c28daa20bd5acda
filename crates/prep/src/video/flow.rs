//! Dense optical flow: where every pixel of one frame is in the next.
//!
//! Brightness is assumed to move and not to change. To first order that is one equation for two unknowns, so a pixel's
//! neighbours have to share its motion:
//!
//! ```text
//! I(x + u, y + v, t + 1) = I(x, y, t)      ⇒      I_x u + I_y v + I_t = 0
//!
//! ┌ Σ I_x²     Σ I_x I_y ┐ ┌ u ┐     ┌ Σ I_x I_t ┐
//! │                      │ │   │ = − │           │        G w = −b, sums over a window of (2r + 1)²
//! └ Σ I_x I_y  Σ I_y²    ┘ └ v ┘     └ Σ I_y I_t ┘
//! ```
//!
//! It can be solved where G's smaller eigenvalue λ is large: on texture and corners. On an edge λ is near zero, and only the motion
//! across the edge can be seen (the *aperture problem*); on a plain wall both are. λ is the [`confidence`](Flow::confidence) that comes with
//! the flow, and where it is below a threshold the estimate of the coarser level is kept.
//!
//! The first order holds for motions of about a pixel. Two remedies: **iterate** (move the second frame back by what was
//! found, solve for the rest), and a **pyramid**: halve both frames until the motion is small, solve, double the result, go on
//! one level finer.
//!
//! B. D. Lucas and T. Kanade, *An iterative image registration technique with an application to stereo vision*, IJCAI 1981,
//! <https://www.ri.cmu.edu/pub_files/pub3/lucas_bruce_d_1981_1/lucas_bruce_d_1981_1.pdf>; the pyramid as in J.-Y. Bouguet,
//! *Pyramidal implementation of the affine Lucas Kanade feature tracker*, Intel 2001.
//!
//! Differs from Bouguet's: every pixel is solved for, not chosen corners, and all pixels move by their own flow when the second
//! frame is moved back, so that sums over windows are running sums and the cost does not depend on r. That has a price: an error may
//! alternate from pixel to pixel within a window. So windows weigh less towards their border, a step is at most a pixel, and
//! after it the flow is averaged over r / 2.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::{Channels, Image};

/// How optical flow is estimated.
///
/// ```
/// use fornax_prep::image::{Channels, Image};
/// use fornax_prep::video::FlowConfig;
///
/// // A soft pattern, and the same one pixel further to the right.
/// let wave = |x: f32, y: f32| (127.0 + 60.0 * (x / 4.0).sin() + 60.0 * (y / 5.0).cos()) as u8;
/// let image = |shift: f32| {
///     let pixels = (0..48 * 48).map(|i| wave((i % 48) as f32 - shift, (i / 48) as f32)).collect();
///     Image::new(pixels, [48, 48], Channels::Grey).unwrap()
/// };
/// let flow = FlowConfig::default().estimate(&image(0.0), &image(1.0)).unwrap();
/// let [u, v] = flow.at(24, 24);
/// assert!((u - 1.0).abs() < 0.1 && v.abs() < 0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// Levels of the pyramid, the frame itself included; motions of about 2^levels pixels are found. Default: 4, as OpenCV's
    /// pyramid (`maxLevel` 3).
    pub levels: usize,
    /// r: windows have 2r + 1 pixels a side. Default: 7, OpenCV's usual 15 × 15; larger is steadier and blurs borders of motion.
    pub radius: usize,
    /// Solutions on each level. Default: 8, from which on known translations got no better.
    pub iterations: usize,
    /// Smallest λ, per pixel of the window and in brightness from 0 to 1, that is trusted. Default: 1e-4, OpenCV's
    /// `minEigThreshold`.
    pub min_confidence: f32,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self { levels: 4, radius: 7, iterations: 8, min_confidence: 1e-4 }
    }
}

/// Where every pixel of one frame is in the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Pixels to the right, row after row.
    pub u: Vec<f32>,
    /// Pixels down.
    pub v: Vec<f32>,
    /// λ: how well the motion is determined; see the module page.
    pub confidence: Vec<f32>,
    /// `[height, width]`
    pub size: [usize; 2],
}

impl Flow {
    /// `[u, v]` of a pixel.
    ///
    /// # Panics
    ///
    /// When it lies outside.
    pub fn at(&self, row: usize, column: usize) -> [f32; 2] {
        let pixel = row * self.size[1] + column;
        [self.u[pixel], self.v[pixel]]
    }

    /// # Shapes
    ///
    /// - output: `[2, height, width]`, u and v in pixels
    pub fn to_tensor(&self, device: &Device) -> Tensor<3> {
        let [height, width] = self.size;
        Tensor::from_data(TensorData::new([&self.u[..], &self.v].concat(), [2, height, width]), device)
    }
}

/// A plane of brightness from 0 to 1.
#[derive(Clone)]
struct Plane {
    values: Vec<f32>,
    height: usize,
    width: usize,
}

impl FlowConfig {
    /// The motion from `first` to `second`, two frames of one size; colours count by their luma.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the sizes differ, or for a field that is 0 or no number.
    pub fn estimate(&self, first: &Image, second: &Image) -> Result<Flow, Error> {
        if first.size() != second.size() {
            let ([h, w], [height, width]) = (first.size(), second.size());
            let expected = format!("{h}×{w}, as the first");
            return Err(Error::argument("second", expected, format_args!("{height}×{width}")));
        }
        for (name, value) in
            [("levels", self.levels), ("radius", self.radius), ("iterations", self.iterations)]
        {
            if value == 0 {
                return Err(Error::argument(name, "at least 1", 0));
            }
        }
        if !(self.min_confidence.is_finite() && self.min_confidence >= 0.0) {
            return Err(Error::argument(
                "min_confidence",
                "a finite number of at least 0",
                self.min_confidence,
            ));
        }
        let pyramid = |image| {
            let mut levels = vec![Plane::of(image)];
            while levels.len() < self.levels {
                match levels.last().and_then(Plane::halved) {
                    Some(half) => levels.push(half),
                    None => break,
                }
            }
            levels
        };
        let (first, second) = (pyramid(first), pyramid(second));
        let mut flow: Option<Flow> = None;
        for (first, second) in first.iter().zip(&second).rev() {
            let start = match &flow {
                Some(coarse) => coarse.doubled([first.height, first.width]),
                None => Flow::none([first.height, first.width]),
            };
            flow = Some(self.refine(first, second, start));
        }
        flow.ok_or_else(|| Error::argument("levels", "at least 1", 0))
    }

    fn refine(&self, first: &Plane, second: &Plane, mut flow: Flow) -> Flow {
        let size = [first.height, first.width];
        let [dx, dy] = first.gradients();
        for _ in 0..self.iterations {
            let moved = second.moved_back(&flow);
            // A pixel that has left the frame says nothing.
            let dt: Vec<f32> = moved
                .iter()
                .zip(&first.values)
                .map(|(after, before)| after.map_or(f32::NAN, |after| after - before))
                .collect();
            let window = |a: &[f32], b: &[f32]| {
                let products =
                    a.iter().zip(b).zip(&dt).map(|((a, b), dt)| if dt.is_nan() { 0.0 } else { a * b });
                windowed(products.collect(), size, self.radius)
            };
            let (xx, xy, yy) = (window(&dx, &dx), window(&dx, &dy), window(&dy, &dy));
            let (xt, yt) = (window(&dx, &dt), window(&dy, &dt));
            for pixel in 0..first.values.len() {
                let (xx, xy, yy) = (xx[pixel], xy[pixel], yy[pixel]);
                let lambda = 0.5 * (xx + yy - ((xx - yy).powi(2) + 4.0 * xy * xy).sqrt());
                flow.confidence[pixel] = lambda;
                let determinant = xx * yy - xy * xy;
                if lambda < self.min_confidence || determinant <= 0.0 {
                    continue;
                }
                let u = (xy * yt[pixel] - yy * xt[pixel]) / determinant;
                let v = (xy * xt[pixel] - xx * yt[pixel]) / determinant;
                // The first order holds for about a pixel.
                let step = 1.0 / u.hypot(v).max(1.0);
                flow.u[pixel] += step * u;
                flow.v[pixel] += step * v;
            }
            flow.u = means(flow.u, size, self.radius / 2);
            flow.v = means(flow.v, size, self.radius / 2);
        }
        flow
    }
}

impl Flow {
    fn none(size: [usize; 2]) -> Self {
        let zeros = vec![0.0; size[0] * size[1]];
        Self { u: zeros.clone(), v: zeros.clone(), confidence: zeros, size }
    }

    /// The flow of frames twice as large.
    fn doubled(&self, size @ [height, width]: [usize; 2]) -> Self {
        let [rows, columns] = self.size;
        let double = |values: &[f32]| {
            let plane = Plane { values: values.to_vec(), height: rows, width: columns };
            let at = |row, column| 2.0 * plane.at(row as f32 / 2.0, column as f32 / 2.0);
            (0..height)
                .flat_map(|row| (0..width).map(move |column| (row, column)))
                .map(|(r, c)| at(r, c))
                .collect()
        };
        Self { u: double(&self.u), v: double(&self.v), confidence: vec![0.0; height * width], size }
    }
}

impl Plane {
    fn of(image: &Image) -> Self {
        let [height, width] = image.size();
        let byte = |value: u8| f32::from(value) / 255.0;
        let values = match image.channels() {
            Channels::Grey => image.pixels().iter().map(|&value| byte(value)).collect(),
            Channels::Rgb => {
                let luma = |[r, g, b]: &[u8; 3]| 0.299 * byte(*r) + 0.587 * byte(*g) + 0.114 * byte(*b);
                image.pixels().as_chunks::<3>().0.iter().map(luma).collect()
            }
        };
        Self { values, height, width }
    }

    /// The value at a place, between pixels by their distance, outside that of the border.
    fn at(&self, y: f32, x: f32) -> f32 {
        let (bottom, right) = (self.height - 1, self.width - 1);
        let (y, x) = (y.clamp(0.0, bottom as f32), x.clamp(0.0, right as f32));
        let (row, column) = (y as usize, x as usize);
        let (dy, dx) = (y - row as f32, x - column as f32);
        let (below, beside) = ((row + 1).min(bottom), (column + 1).min(right));
        let value = |row: usize, column: usize| self.values[row * self.width + column];
        let above = value(row, column) + dx * (value(row, beside) - value(row, column));
        let under = value(below, column) + dx * (value(below, beside) - value(below, column));
        above + dy * (under - above)
    }

    /// Smoothed by the binomial 1 4 6 4 1 both ways, then every other pixel; nothing below 16 pixels a side.
    fn halved(&self) -> Option<Self> {
        let (height, width) = (self.height.div_ceil(2), self.width.div_ceil(2));
        if height < 8 || width < 8 {
            return None;
        }
        const WEIGHTS: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];
        let near = |at: usize, k: usize, len: usize| (at + k).saturating_sub(2).min(len - 1);
        let mut across = Vec::with_capacity(self.height * width);
        for row in self.values.chunks_exact(self.width) {
            across.extend((0..width).map(|column| {
                WEIGHTS.iter().enumerate().map(|(k, w)| w * row[near(2 * column, k, self.width)]).sum::<f32>()
            }));
        }
        let mut values = Vec::with_capacity(height * width);
        for row in 0..height {
            values.extend((0..width).map(|column| {
                let at = |k| across[near(2 * row, k, self.height) * width + column];
                WEIGHTS.iter().enumerate().map(|(k, w)| w * at(k)).sum::<f32>()
            }));
        }
        Some(Self { values, height, width })
    }

    /// I_x and I_y by Scharr's 3 × 3 weights, which see all directions alike.
    fn gradients(&self) -> [Vec<f32>; 2] {
        let (bottom, right) = (self.height - 1, self.width - 1);
        let at = |row: usize, column: usize| self.values[row * self.width + column];
        let mut gradients = [Vec::with_capacity(self.values.len()), Vec::with_capacity(self.values.len())];
        for row in 0..self.height {
            let (above, below) = (row.saturating_sub(1), (row + 1).min(bottom));
            for column in 0..self.width {
                let (left, beside) = (column.saturating_sub(1), (column + 1).min(right));
                let x = |row| at(row, beside) - at(row, left);
                let y = |column| at(below, column) - at(above, column);
                gradients[0].push((3.0 * x(above) + 10.0 * x(row) + 3.0 * x(below)) / 32.0);
                gradients[1].push((3.0 * y(left) + 10.0 * y(column) + 3.0 * y(beside)) / 32.0);
            }
        }
        gradients
    }

    /// The plane as it would be if every pixel had stayed: the value of (x + u, y + v) at (x, y), if that is inside.
    fn moved_back(&self, flow: &Flow) -> Vec<Option<f32>> {
        let (bottom, right) = ((self.height - 1) as f32, (self.width - 1) as f32);
        let pixels = flow.u.iter().zip(&flow.v).enumerate();
        pixels
            .map(|(pixel, (u, v))| {
                let (y, x) = ((pixel / self.width) as f32 + v, (pixel % self.width) as f32 + u);
                ((0.0..=bottom).contains(&y) && (0.0..=right).contains(&x)).then(|| self.at(y, x))
            })
            .collect()
    }
}

/// The mean over a window of weights that fall towards its border: two means, one after the other.
///
/// Plain means would not do. What is left of an error after a step is 1 − ŵ of it, frequency by frequency, where ŵ is the window's
/// spectrum, and that of a plain window is negative at some: there errors would grow with every step.
fn windowed(values: Vec<f32>, size: [usize; 2], radius: usize) -> Vec<f32> {
    means(means(values, size, radius / 2), size, radius - radius / 2)
}

/// The mean over the window around each pixel, by running sums; at borders over the part inside.
fn means(values: Vec<f32>, [height, width]: [usize; 2], radius: usize) -> Vec<f32> {
    // sums[i] of the i first values, in double precision: differences of large sums stay exact enough.
    fn line(
        values: impl Iterator<Item = f64>,
        sums: &mut Vec<f64>,
        radius: usize,
    ) -> impl Iterator<Item = f64> {
        sums.clear();
        sums.push(0.0);
        let mut sum = 0.0;
        sums.extend(values.map(|value| {
            sum += value;
            sum
        }));
        let len = sums.len() - 1;
        (0..len).map(move |at| (at.saturating_sub(radius), (at + radius + 1).min(len))).map({
            let sums = sums.clone();
            move |(from, to)| (sums[to] - sums[from]) / (to - from) as f64
        })
    }
    let mut sums = Vec::new();
    let mut across = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width) {
        across.extend(line(row.iter().map(|&value| f64::from(value)), &mut sums, radius));
    }
    let mut means = values;
    for column in 0..width {
        let down = line((0..height).map(|row| across[row * width + column]), &mut sums, radius);
        for (row, mean) in down.enumerate() {
            means[row * width + column] = mean as f32;
        }
    }
    means
}

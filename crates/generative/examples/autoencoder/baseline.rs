//! What linear algebra makes of the same task.

use fornax_generative::eigen::symmetric;
use fornax_generative::evaluation::moments;

/// The error of the best `width`-dimensional plane through `seen`, on `unseen`: what is left off the plane.
pub(crate) fn principal_components(seen: &[Vec<f64>], unseen: &[Vec<f64>], width: usize) -> f64 {
    let (mean, covariance) = moments(seen);
    let axes = &symmetric(&covariance).vectors[..width.min(mean.len())];
    let left = |x: &Vec<f64>| {
        let centred: Vec<f64> = x.iter().zip(&mean).map(|(x, m)| x - m).collect();
        let along = |axis: &Vec<f64>| axis.iter().zip(&centred).map(|(a, c)| a * c).sum::<f64>().powi(2);
        centred.iter().map(|c| c * c).sum::<f64>() - axes.iter().map(along).sum::<f64>()
    };
    unseen.iter().map(left).sum::<f64>() / (unseen.len() * mean.len()) as f64
}

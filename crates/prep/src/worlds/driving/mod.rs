//! A world to drive in: roads that wind and fork, a camera, a car, and an expert who knows the way.
//!
//! ```text
//!             ┌──────── camera ◀─────────┐
//!             ▼                          │
//! image ──▶ driver ──▶ command ──▶ car ──┴──▶ where it stands on the road: lane error, arrived, left the road
//! ```
//!
//! - [`Road`]: a route of two lanes, driven on the right, with forks; which way leads on is known to the expert, and to
//!   whoever asks for [`Episode::goal`], but does not show in the image.
//! - [`Camera`]: a pinhole above the rear axle, looking forwards and down on flat ground.
//! - [`Car`]: the kinematic bicycle, moved along exact arcs.
//! - [`Episode`]: a car on a road, step by step of a tenth of a second, with the expert's command at each and a score.
//!
//! ```
//! use fornax_prep::Key;
//! use fornax_prep::worlds::driving::{CameraConfig, Episode, RoadConfig, Status};
//!
//! let road = RoadConfig::default().init()?.sample(Key::new(1), 0);
//! let camera = CameraConfig::default().init()?;
//! let mut episode = Episode::new(&road);
//! while episode.status() == Status::Driving {
//!     let image = camera.view(&road, &episode.car(), Key::new(2).fold(episode.steps()));
//!     assert_eq!(image.len(), 3 * 32 * 64);
//!     episode.step(episode.expert())?;
//! }
//! assert_eq!(episode.status(), Status::Arrived);
//! assert!(episode.mean_lane_error() < 0.2); // metres
//! # Ok::<(), fornax_prep::Error>(())
//! ```
//!
//! Lengths are metres, times seconds, angles radians; headings grow anticlockwise, and left is positive.

mod camera;
mod car;
mod episode;
mod ground;
mod road;

pub use camera::{Camera, CameraConfig};
pub use car::{Car, Command};
pub use episode::{Episode, Status, disturbance};
pub use road::{Fork, Road, RoadConfig, Roads, Turn};

/// Width of a lane; a road has two.
pub const LANE: f64 = 3.2;

/// Metres between neighbouring points of a path.
const STEP: f64 = 0.5;

/// Uniform on [low, high).
fn between(stream: &mut crate::random::Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * super::fine_uniform(stream)
}

#[cfg(test)]
mod tests;

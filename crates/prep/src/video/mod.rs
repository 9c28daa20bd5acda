//! Video: from films to clips to tensors.
//!
//! A film adds an axis to images, time, and with it a hundredfold of data that is nearly the same from frame to frame. A network
//! sees short **clips** of it:
//!
//! ```text
//! y4m, GIF, MP4 ─┐                                                     seed, epoch
//! folder         ─┼─▶ Film ──clip──▶ Clip ──one key a clip──▶ Clip ──▶ ClipBatch ──▶ Tensor<5> [B, T, C, H, W]
//! moving digits  ─┘  frames, times   T frames   Transform                                │
//!                                                                          difference ───┴─── optical flow
//! ```
//!
//! ## Time
//!
//! Frame i is shown from its time tᵢ until tᵢ₊₁. Films have 24, 25, 29.97, 50 or 60 frames a second, or a rate that varies (screen
//! recordings, telephones, GIFs). A motion of given speed should look the same to the network whatever the rate, so a clip can be
//! taken by time as well as by index:
//!
//! ```text
//! by index    frame of place k = start + k · dilation                   k = 0 … T − 1
//! by time     frame of place k = max { i : tᵢ ≤ start + k / rate }
//! ```
//!
//! With **dilation** d the same T frames span (T − 1) d + 1 frames of film: further sight, coarser motion. See [`ClipSpec`].
//!
//! ## Key frames
//!
//! Compressed films store most frames as differences from others, so frame n cannot be read alone: decoding begins at a
//! **key frame** before it. Seeking by rounding a time to "about there" is how labels come to be one frame off. Here an index of all
//! frames is made when a film is opened, and [`Film::frame`] gives exactly what sequential decoding gives, at the cost of
//! decoding from the key frame. Asked for in order, each frame is decoded once.
//!
//! | | key frame | cost of a seek |
//! |---|---|---|
//! | y4m, folder, memory | every frame | one frame |
//! | GIF | a picture over the whole canvas without transparency | pictures since it |
//! | MP4 | an instantaneous refresh (IDR), every 1 to 10 s in most files | pictures since it |
//!
//! ## Motion
//!
//! [`difference`] shows what changed, [`FlowConfig`] where it went.
//!
//! ## Limits
//!
//! Films may be larger than memory: a y4m or MP4 file is read in place and bounded by [`Limits::frames`](crate::Limits::frames) and
//! [`frame_pixels`](crate::Limits::frame_pixels), a clip by [`clip_bytes`](crate::Limits::clip_bytes). GIFs, whose blocks have to
//! be walked over one by one, are also bounded by [`file_bytes`](crate::Limits::file_bytes) and
//! [`animation_frames`](crate::Limits::animation_frames).

#[cfg(feature = "mp4")]
mod boxes;
mod clip;
mod clock;
mod film;
mod flow;
mod frames;
mod gif;
#[cfg(feature = "mp4")]
mod h264;
#[cfg(feature = "mp4")]
mod mp4;
mod y4m;
mod yuv;

pub use clip::{Clip, ClipBatch, ClipSpec, Pace, Padding, Plan, difference};
pub use clock::Clock;
pub use film::{Film, FilmKind, FilmSpec, Frames};
pub use flow::{Flow, FlowConfig};

//! Optimisers and schedules against PyTorch, against themselves after a restart, and in bad weather.

mod optimizers;
mod schedules;

#![doc = include_str!("../README.md")]

pub mod adapter;
pub mod bottleneck;
pub mod continual;
mod distance;
pub mod distillation;
pub mod domain;
pub mod dora;
pub mod features;
pub mod few_shot;
pub mod fine_tune;
pub mod freeze;
pub mod groups;
pub mod ia3;
pub mod lora;
pub mod neighbors;
pub mod preprocessing;
pub mod pretrained;
pub mod probe;
pub mod rates;
pub mod self_supervised;
pub mod similarity;
pub mod source;

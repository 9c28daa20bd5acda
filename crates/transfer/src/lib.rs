#![doc = include_str!("../README.md")]

pub mod adapter;
pub mod continual;
pub mod distillation;
pub mod domain;
pub mod dora;
pub mod few_shot;
pub mod ia3;
pub mod lora;
pub mod self_supervised;
pub mod similarity;

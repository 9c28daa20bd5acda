#![doc = include_str!("../README.md")]

pub mod attention;
pub mod bert;
pub mod generate;
pub mod gpt;
pub mod position;
pub mod pretrained;
pub mod token_loss;
pub mod tokens;
pub mod transformer;
mod validate;
pub mod vit;

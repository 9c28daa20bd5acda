//! The tests of fornax-transfer, one binary so that it links once.

mod adapter;
mod continual;
mod contract;
mod distillation;
mod domain;
mod features;
mod few_shot;
mod freezing;
mod pretrained;
mod self_supervised;
mod similarity;
mod support_adaptation;

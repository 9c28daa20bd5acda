//! # Self-supervised pretraining
//!
//! What to transfer from where there are no labels? Make a task whose answer is in the data itself, learn it, keep the
//! features.
//!
//! | page | the task | learns to be indifferent to |
//! |---|---|---|
//! | [`contrastive`] (SimCLR) | which two of these views show the same image? | what the augmentations change |
//! | [`masked`] (masked autoencoder) | what stands behind the masks? | nothing: it must know everything |
//!
//! The first needs augmentations that keep what matters and large batches, and gives features a linear classifier can use at
//! once; the second needs no augmentation, costs a quarter of a pass for the encoder, and gives features that are best fine-tuned.

pub mod contrastive;
pub mod masked;

//! Readers against files: honest ones, and ones made to break them.

mod cifar;
mod coco;
mod csv;
mod gzip;
mod idx;
mod images;
mod joint;
mod loader;
mod mask;
mod open;
mod parity;
mod paths;
mod support;
mod voc;

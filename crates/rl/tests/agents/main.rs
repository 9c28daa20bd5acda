//! Do the agents learn? On problems whose answers are known; and is a run the function of its seed that it should be?

mod faults;
mod identity;
mod parity;
mod pictures;
mod probes;
mod resume;
mod soak;
mod support;

//! The tests of fornax-sequence, one binary so that it links once.

mod transformer;

//! The tests of fornax-transfer, one binary so that it links once.

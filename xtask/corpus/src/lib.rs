//! Recorded traffic, for the programs that measure over it.

pub mod recording;

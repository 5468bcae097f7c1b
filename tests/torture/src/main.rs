//! Tortures the refresh engine.
fn main() {}

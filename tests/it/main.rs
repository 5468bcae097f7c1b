//! Placeholder.

mod contracts;

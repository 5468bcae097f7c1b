//! Where jobs begin.

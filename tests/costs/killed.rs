//! A sweep that dies.

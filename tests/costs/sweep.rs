//! What the sweep costs.

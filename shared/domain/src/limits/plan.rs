//! What each provider allows.

use std::time::Duration;

/// What a request is for: it decides how much of a limit it may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Somebody waits for the answer.
    Interactive,
    /// A webhook told of a change.
    Webhook,
    /// Everything that can wait; it leaves a share of every limit to the others.
    Background,
}

/// What one provider allows.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Requests a minute for one company.
    pub per_minute: u32,
}

/// What all providers allow.
#[derive(Clone, Copy, Debug)]
pub struct Plans {
    /// How long the share lasts.
    pub reserve: Duration,
}

//! What the health of a deployment is made of: whether its tables, its key and its queues can be used.

use async_trait::async_trait;

use crate::store::StoreError;

/// A table that can be asked whether it answers.
#[async_trait]
pub trait TableProbe: Send + Sync {
    /// Reads next to nothing.
    async fn answers(&self) -> Result<(), StoreError>;
}

/// How the key stands that wraps data keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// It wraps and opens.
    Usable,
    /// Somebody disabled it, or it is to be deleted.
    Disabled,
    /// There is no such key.
    Missing,
    /// We are not let near it.
    Denied,
    /// It did not answer.
    Unreachable,
    /// Too many asked at once; it will answer again.
    Throttled,
}

impl KeyState {
    /// The name in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "healthy",
            Self::Disabled => "disabled",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
        }
    }
}

/// The key that wraps data keys.
#[async_trait]
pub trait KeyProbe: Send + Sync {
    /// How it stands.
    async fn state(&self) -> KeyState;
}

/// How much is on a queue; by the queue's own count, which is a moment old.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QueueDepth {
    /// Messages that wait, those that are to come later too.
    pub waiting: u64,
    /// Messages that somebody works on.
    pub in_flight: u64,
    /// Messages that were given up, on the dead-letter queue.
    pub dead_letters: u64,
}

/// A queue with its dead-letter queue.
#[async_trait]
pub trait QueueProbe: Send + Sync {
    /// How much is on it.
    async fn depth(&self) -> Result<QueueDepth, StoreError>;
}

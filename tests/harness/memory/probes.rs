//! Tables, a key and queues whose state a test decides.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{
    probe::{KeyProbe, KeyState, QueueDepth, QueueProbe, TableProbe},
    store::StoreError,
};

/// What a test says of a table, the key or a queue; nothing answers where it says nothing.
#[derive(Debug)]
pub struct Scripted<T>(Mutex<Option<T>>);

impl<T: Copy> Scripted<T> {
    /// Stands so.
    #[must_use]
    pub fn new(state: T) -> Self {
        Self(Mutex::new(Some(state)))
    }

    /// Stands otherwise from now on.
    pub fn set(&self, state: Option<T>) {
        *self.0.lock().unwrap() = state;
    }

    fn state(&self) -> Result<T, StoreError> {
        let state = *self.0.lock().unwrap();
        state.ok_or_else(|| StoreError::Unavailable { operation: "probe", source: "out of order".into() })
    }
}

#[async_trait]
impl TableProbe for Scripted<()> {
    async fn answers(&self) -> Result<(), StoreError> {
        self.state()
    }
}

#[async_trait]
impl KeyProbe for Scripted<KeyState> {
    async fn state(&self) -> KeyState {
        Self::state(self).unwrap_or(KeyState::Unreachable)
    }
}

#[async_trait]
impl QueueProbe for Scripted<QueueDepth> {
    async fn depth(&self) -> Result<QueueDepth, StoreError> {
        self.state()
    }
}

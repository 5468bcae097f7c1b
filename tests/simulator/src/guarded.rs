//! A mutex whose lock cannot fail: the simulator keeps answering after a panic in one request.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value that one request at a time may see.
#[derive(Debug, Default)]
pub(crate) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

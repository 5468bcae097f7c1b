//! What every port to a durable store can fail with.

use thiserror::Error;

/// A failure of a store or queue, with the adapter's own error as its source.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store did not answer, throttled or refused; the same call may succeed later.
    #[error("{operation} did not succeed")]
    Unavailable {
        /// The port method that failed.
        operation: &'static str,
        /// The adapter's error.
        #[source]
        source: BoxError,
    },
    /// A caller's cursor is not one that this list handed out.
    #[error("the cursor is not of this list")]
    InvalidCursor(#[source] BoxError),
    /// What is stored cannot be understood; trying again will not help.
    #[error("{what} as stored cannot be read")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// Why it was refused.
        #[source]
        source: BoxError,
    },
}

/// An adapter's error, boxed so that its type does not reach the domain.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Prints an error with all its causes, for the one log line that tells of it.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

//! What tests are made of: fakes of every port, a clock that obeys, samples, and the contracts that keep fakes and
//! adapters alike.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::missing_panics_doc, reason = "a contract fails by panicking")]

pub mod clock;

pub mod contract;
pub mod endpoint;
pub mod entropy;
pub mod faulty;
pub mod memory;
pub mod revocation;
pub mod sample;

pub use clock::{ManualClock, PausedClock};
pub use endpoint::ScriptedTokenEndpoint;
pub use entropy::SeededEntropy;
pub use faulty::{Fault, FaultyRefreshStore, Operation};
pub use revocation::{Revoked, ScriptedRevocation};

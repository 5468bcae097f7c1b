//! Connections from other systems: rows with tokens as they are, or encrypted as two older systems did it, become
//! connections here by the same way that a callback's grant takes.

mod key;
mod one;
mod open;
mod report;
mod row;
mod run;
mod stand;

pub use key::{
    Digest, Encoding, InvalidSecret, LegacySecret, MAX_ITERATIONS, MAX_SCRYPT_MEMORY, MAX_WORK,
    MIN_ITERATIONS, SecretRequest,
};
pub use report::{ImportReport, RowReport, RowStatus, Warning};
pub use row::Locations;
pub use run::{Importer, Importing, Options, Verify};

//! One job a company at a time: a lease on the company that ends by itself.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Lane, RecordPlace};
use crate::store::StoreError;

/// Who holds a company: one run of a job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holder {
    /// A name of this run alone; another run of the same job is another holder.
    pub name: String,
    /// The lane of its job.
    pub lane: Lane,
}

/// What came of asking for a company.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// It is held until the time that was asked for.
    Mine,
    /// Another run holds it until this time. Where its lane is a lower one it learns that it is waited for.
    Busy {
        /// That time.
        until: Timestamp,
    },
}

/// What a holder learns when it keeps a company.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    /// It is held until the time that was asked for.
    Mine,
    /// It is, and a job of a higher lane waits for it.
    Wanted,
    /// It ended, and another run may hold it.
    Lost,
}

/// Where leases on companies are.
#[async_trait]
pub trait CompanyLeases: Send + Sync {
    /// Takes a company that nobody holds at `now`, until a time; the same holder takes it again.
    async fn take(
        &self,
        place: &RecordPlace,
        holder: &Holder,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Taken, StoreError>;

    /// Keeps a company until a later time.
    async fn keep(&self, place: &RecordPlace, holder: &Holder, until: Timestamp) -> Result<Kept, StoreError>;

    /// Gives a company back; one that another run holds stays as it is.
    async fn release(&self, place: &RecordPlace, holder: &Holder) -> Result<(), StoreError>;
}

//! A store that fails when told to.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{
    connection::{ConnectionKey, Due, Lease},
    refresh::{
        CompleteOutcome, LeaseOutcome, LeasePurpose, RefreshLease, RefreshStore, SettleError, Settlement,
        SpilledTokens,
    },
    store::StoreError,
};

/// What may be made to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Taking a lease.
    TakeLease,
    /// Storing a settlement.
    Settle,
    /// Storing what came by the recovery queue.
    Complete,
}

/// How it fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Nothing happened.
    Refused,
    /// It happened, and the answer was lost.
    AnswerLost,
}

/// A [`RefreshStore`] whose next calls can be made to fail.
pub struct FaultyRefreshStore {
    inner: Arc<dyn RefreshStore>,
    faults: Mutex<Vec<(Operation, Fault)>>,
}

impl FaultyRefreshStore {
    /// Passes everything on to `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn RefreshStore>) -> Self {
        Self { inner, faults: Mutex::default() }
    }

    /// Makes the next `times` calls of `operation` fail.
    pub fn fail_next(&self, operation: Operation, fault: Fault, times: usize) {
        self.faults.lock().unwrap().extend(std::iter::repeat_n((operation, fault), times));
    }

    /// Forgets what is still to fail.
    pub fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn next_fault(&self, operation: Operation) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let at = faults.iter().position(|(planned, _)| *planned == operation)?;
        Some(faults.remove(at).1)
    }
}

fn lost(operation: &'static str) -> StoreError {
    StoreError::Unavailable { operation, source: "made to fail".into() }
}

/// Runs `$call` under the next planned fault of `$operation`.
macro_rules! under_fault {
    ($self:ident, $operation:ident, $name:literal, $call:expr) => {
        match $self.next_fault(Operation::$operation) {
            None => $call.await,
            Some(Fault::Refused) => Err(lost($name).into()),
            Some(Fault::AnswerLost) => {
                $call.await?;
                Err(lost($name).into())
            }
        }
    };
}

#[async_trait]
impl RefreshStore for FaultyRefreshStore {
    async fn take_lease(
        &self,
        key: &ConnectionKey,
        lease: &Lease,
        purpose: LeasePurpose,
    ) -> Result<LeaseOutcome, StoreError> {
        under_fault!(self, TakeLease, "take_lease", self.inner.take_lease(key, lease, purpose))
    }

    async fn settle(&self, lease: &RefreshLease, settlement: &Settlement) -> Result<(), SettleError> {
        under_fault!(self, Settle, "settle", self.inner.settle(lease, settlement))
    }

    async fn complete(
        &self,
        spilled: &SpilledTokens,
        due: Due,
        write_id: &str,
    ) -> Result<CompleteOutcome, StoreError> {
        under_fault!(self, Complete, "complete", self.inner.complete(spilled, due, write_id))
    }
}

//! The sweep: finds connections that are due and puts them on the refresh queue.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, future, stream};
use jiff::Timestamp;

use super::{
    DueConnection, MAX_CONNECTIONS, RefreshMessage, RefreshQueue, RefreshStore, SweepLog, Trigger,
    policy::{CLAIM, later},
};
use crate::{
    clock::Clock,
    connection::ConnectionKey,
    store::{StoreError, chain},
};

/// How many index entries are read at once.
const PAGE: u32 = 200;
/// Claims at once; each is a write of milliseconds.
const CONCURRENT_CLAIMS: usize = 16;
/// What one page may need at most, from its reading to its last message.
const PAGE_TIME: Duration = Duration::from_secs(10);
/// How many pages of one shard a sweep reads at most; the rest is still due a minute later.
const MAX_PAGES: usize = 50;

/// Finds what is due.
pub struct Sweep {
    /// The due index.
    pub store: Arc<dyn RefreshStore>,
    /// Where due connections go.
    pub queue: Arc<dyn RefreshQueue>,
    /// Where the sweep leaves its mark.
    pub log: Arc<dyn SweepLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How many shards the due index has.
    pub shards: u32,
}

/// What one sweep did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SweepReport {
    /// Connections claimed and enqueued.
    pub enqueued: usize,
    /// Connections claimed whose message could not be sent; they are due again when the claim runs out.
    pub unsent: usize,
    /// Shards that could not be read to their end.
    pub failed_shards: usize,
}

impl Sweep {
    /// Walks every shard until `deadline` is near; one shard's failure does not stop the others.
    ///
    /// Each minute begins with another shard, so that when time is short none is always the last.
    pub async fn run(&self, deadline: Timestamp) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        let minute = self.clock.now().as_second().div_euclid(60);
        let first = u32::try_from(minute.rem_euclid(i64::from(self.shards.max(1)))).unwrap_or_default();
        for shard in (first..self.shards).chain(0..first) {
            if let Err(error) = self.walk(shard, deadline, &mut report).await {
                tracing::error!(error = chain(&error), shard, "Shard could not be swept");
                report.failed_shards += 1;
            }
        }
        self.log.note(self.clock.now()).await?;
        Ok(report)
    }

    async fn walk(
        &self,
        shard: u32,
        deadline: Timestamp,
        report: &mut SweepReport,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_PAGES {
            let now = self.clock.now();
            if later(now, PAGE_TIME) > deadline {
                tracing::warn!(shard, "No time is left for the rest; it is due a minute later");
                return Ok(());
            }
            let due = self.store.list_due(shard, now, PAGE).await?;
            let claims = stream::iter(&due).map(|entry| self.claim(entry, now)).buffered(CONCURRENT_CLAIMS);
            let claimed: Vec<_> = claims.filter_map(future::ready).collect().await;
            for keys in claimed.chunks(MAX_CONNECTIONS) {
                self.enqueue(keys.to_vec(), report).await;
            }
            if due.len() < PAGE as usize {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Claims one connection; one that could not be claimed is due again with the next sweep.
    async fn claim(&self, due: &DueConnection, now: Timestamp) -> Option<ConnectionKey> {
        let claimed = self.store.claim_due(due, later(now, CLAIM)).await;
        let told =
            |error: &StoreError| tracing::error!(error = chain(error), "Connection could not be claimed");
        claimed.inspect_err(told).unwrap_or_default().then(|| due.key.clone())
    }

    async fn enqueue(&self, claimed: Vec<ConnectionKey>, report: &mut SweepReport) {
        let count = claimed.len();
        match self.queue.send(&RefreshMessage::new(claimed, Trigger::Scheduled)).await {
            Ok(()) => report.enqueued += count,
            Err(error) => {
                tracing::error!(error = chain(&error), count, "Due connections are not enqueued");
                report.unsent += count;
            }
        }
    }
}

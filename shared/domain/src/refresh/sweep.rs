//! The sweep: finds connections that are due and puts them on the refresh queue.

use std::sync::Arc;

use super::{
    MAX_CONNECTIONS, RefreshMessage, RefreshQueue, RefreshStore, SweepLog, Trigger,
    policy::{CLAIM, later},
};
use crate::{
    clock::Clock,
    connection::ConnectionKey,
    store::{StoreError, chain},
};

/// How many index entries are read at once.
const PAGE: u32 = 200;
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
    /// Walks every shard; one shard's failure does not stop the others.
    pub async fn run(&self) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        for shard in 0..self.shards {
            if let Err(error) = self.walk(shard, &mut report).await {
                tracing::error!(error = chain(&error), shard, "Shard could not be swept");
                report.failed_shards += 1;
            }
        }
        self.log.note(self.clock.now()).await?;
        Ok(report)
    }

    async fn walk(&self, shard: u32, report: &mut SweepReport) -> Result<(), StoreError> {
        for _ in 0..MAX_PAGES {
            let now = self.clock.now();
            let due = self.store.list_due(shard, now, PAGE).await?;
            let mut claimed = Vec::with_capacity(due.len());
            for entry in &due {
                if self.store.claim_due(entry, later(now, CLAIM)).await? {
                    claimed.push(entry.key.clone());
                }
                if claimed.len() == MAX_CONNECTIONS {
                    self.enqueue(std::mem::take(&mut claimed), report).await;
                }
            }
            self.enqueue(claimed, report).await;
            if due.len() < PAGE as usize {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn enqueue(&self, claimed: Vec<ConnectionKey>, report: &mut SweepReport) {
        let count = claimed.len();
        if count == 0 {
            return;
        }
        match self.queue.send(&RefreshMessage::new(claimed, Trigger::Scheduled)).await {
            Ok(()) => report.enqueued += count,
            Err(error) => {
                tracing::error!(error = chain(&error), count, "Due connections are not enqueued");
                report.unsent += count;
            }
        }
    }
}

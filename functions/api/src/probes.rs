//! Asking what the deployment stands on, side by side and each for a short time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    clock::Clock,
    probe::{KeyProbe, KeyState, QueueDepth, QueueProbe, TableProbe},
    store::{StoreError, chain},
};
use futures::future::join_all;

/// What answers in milliseconds is in trouble after this; a caller who watches health does not wait for long.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What can be asked whether it can be used, by the names in answers.
pub struct Probes {
    /// Tables.
    pub tables: Vec<(&'static str, Arc<dyn TableProbe>)>,
    /// The key that wraps data keys.
    pub key: Arc<dyn KeyProbe>,
    /// Queues.
    pub queues: Vec<(&'static str, Arc<dyn QueueProbe>)>,
}

/// What they said.
pub(crate) struct Probed {
    /// Whether each table answers.
    pub(crate) tables: BTreeMap<&'static str, bool>,
    pub(crate) key: KeyState,
    /// Without a number where the queue does not answer.
    pub(crate) queues: BTreeMap<&'static str, Option<QueueDepth>>,
}

impl Probes {
    /// Asks all at once.
    pub(crate) async fn ask(&self, clock: &dyn Clock) -> Probed {
        let tables = self.tables.iter().map(async |(name, table)| {
            (*name, in_time(clock, PROBE_TIMEOUT, told(name, table.answers())).await.is_some())
        });
        let queues = self.queues.iter().map(async |(name, queue)| {
            (*name, in_time(clock, PROBE_TIMEOUT, told(name, queue.depth())).await)
        });
        let key = in_time(clock, PROBE_TIMEOUT, async { Some(self.key.state().await) });
        let (tables, key, queues) = tokio::join!(join_all(tables), key, join_all(queues));
        Probed {
            tables: tables.into_iter().collect(),
            key: key.unwrap_or(KeyState::Unreachable),
            queues: queues.into_iter().collect(),
        }
    }
}

/// What comes of the work, if it comes in time and to something.
pub(crate) async fn in_time<T>(
    clock: &dyn Clock,
    time: Duration,
    work: impl Future<Output = Option<T>>,
) -> Option<T> {
    tokio::select! {
        // What is there already counts, whatever the clock says.
        biased;
        done = work => done,
        () = clock.sleep(time) => None,
    }
}

/// What was asked for; a failure goes to the log, which says why.
pub(crate) async fn told<T>(name: &str, asked: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    let failed = |error: &StoreError| tracing::warn!(probe = name, error = chain(error), "Probe failed");
    asked.await.inspect_err(failed).ok()
}

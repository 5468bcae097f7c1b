//! What the sweep costs, by how much is due and how it lies in the index.

use std::{collections::HashMap, iter, sync::Arc, time::Duration};

use aws::clients;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::{
    connection::{ConnectionKey, Due, DuePartition, Slot},
    provider::Provider,
    refresh::{RefreshMessage, SweepReport, policy::later},
};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use tests::{ManualClock, sample};

use crate::{
    is_full,
    measured::{DUE_SHARDS, Measured},
    refresh::{COLUMNS, cells},
    table::Table,
};

/// The function's own.
const LIFE: Duration = Duration::from_secs(75);
/// Of the columns all but the last: nobody makes a million sweeps.
const COUNTS: usize = COLUMNS.len() - 1;
/// What a write of a batch takes.
const BATCH: usize = 25;
/// Batches under way at once.
const AT_ONCE: usize = 8;

/// How connections are due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entries {
    /// At times of their own.
    Timed,
    /// In the slot of the wheel of 40 that is passed in the minute that begins at [`sample::NOW`].
    Slots,
}

impl Entries {
    fn due(self) -> Due {
        match self {
            Self::Timed => Due::At(sample::NOW),
            Self::Slots => Due::Slot(Slot::at(40, sample::NOW.as_second() / 60)),
        }
    }

    /// Writes so many connections of a provider into the index, and no more of them than the index has; gives their keys.
    pub(crate) async fn write(
        self,
        measured: &Measured,
        provider: Provider,
        count: usize,
    ) -> Vec<ConnectionKey> {
        let tenant = sample::tenant();
        let ids = sample::ids();
        let key = || ConnectionKey { tenant: tenant.clone(), connection: ids.connection() };
        let keys: Vec<_> = iter::repeat_with(key).take(count).collect();
        let dynamodb = clients::dynamodb(&measured.sdk);
        let table = measured.value("CONNECTIONS_TABLE");
        let batches: Vec<Vec<_>> = keys
            .chunks(BATCH)
            .map(|keys| keys.iter().map(|key| self.entry(provider, key)).collect())
            .collect();
        stream::iter(batches)
            .for_each_concurrent(AT_ONCE, async |batch| {
                let output = dynamodb.batch_write_item().request_items(table, batch).send().await.unwrap();
                assert!(output.unprocessed_items.is_none_or(|left| left.is_empty()));
            })
            .await;
        keys
    }

    fn entry(self, provider: Provider, key: &ConnectionKey) -> WriteRequest {
        let partition = DuePartition::of(provider, &key.connection, self.due(), DUE_SHARDS);
        let at = match self.due() {
            Due::At(at) => at.as_millisecond(),
            Due::Slot(_) => 0,
        };
        let item = HashMap::from([
            ("pk", AttributeValue::S(format!("TENANT#{}", key.tenant))),
            ("sk", AttributeValue::S(format!("CONNECTION#{}", key.connection))),
            ("due_shard", AttributeValue::S(partition.to_string())),
            ("due_at", AttributeValue::N(at.to_string())),
        ]);
        let item = item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    }
}

/// Sweeps once at `now`, in a new process.
pub(crate) async fn swept(measured: &Measured, now: Timestamp) -> SweepReport {
    let refresh::Deps { refresher, mut sweep, .. } = measured.worker();
    sweep.clock = Arc::new(ManualClock::at(now));
    sweep.run(&refresher.breakers, later(now, LIFE)).await.unwrap()
}

/// How often each connection is on the queue.
pub(crate) async fn enqueued(measured: &Measured) -> HashMap<ConnectionKey, usize> {
    let mut counts = HashMap::new();
    for body in measured.on_queue().await {
        for key in RefreshMessage::parse(&body).unwrap().connections {
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

/// Sweeps once over so many, and checks that each is on the queue once; gives what it cost.
async fn costs((entries, count): (Entries, usize), now: Timestamp, table: &mut Table) -> usize {
    let measured = Measured::new().await;
    let keys = entries.write(&measured, Provider::QuickBooks, count).await;

    let report = swept(&measured, now).await;

    let used = measured.meter.take();
    assert_eq!((report.enqueued, report.unfinished), (count, 0));
    let enqueued = enqueued(&measured).await;
    assert_eq!(enqueued.len(), count);
    assert!(keys.iter().all(|key| enqueued.get(key) == Some(&1)));
    let what = format!("{count} due, {entries:?}, at {}", now.strftime("%H:%M"));
    table.row(iter::once(what).chain(cells(&used, 1).into_iter().take(COUNTS)));
    used.total()
}

/// Those that are due come in pages of some thousands, leave in messages of a hundred and calls of a thousand, and are
/// noted once in five thousand.
#[tokio::test]
async fn a_sweep_over_a_hundred_thousand_due_costs_five_hundred_calls_at_most() {
    let (count, most) = if is_full() { (100_000, 500) } else { (10_000, 50 + IDLE) };
    let mut table = Table::new(&[&["a sweep"], &COLUMNS[..COUNTS]].concat());

    let usual = costs((Entries::Slots, 0), sample::at(90), &mut table).await;
    let quarter = costs((Entries::Slots, 0), sample::at(30), &mut table).await;
    let timed = costs((Entries::Timed, count), sample::at(30), &mut table).await;
    let slots = costs((Entries::Slots, count), sample::at(30), &mut table).await;

    table.print("One sweep over the connections of three providers");
    assert!(usual < quarter && quarter <= IDLE, "{usual} {quarter}");
    assert!(timed <= most && slots <= most, "{timed} {slots}");
}

/// What a sweep costs that finds nothing: of each provider a look at its breaker, a claim, its shards, one slot of each
/// wheel, and a note; and one note that it ran. Across a quarter of an hour its shards once more.
const IDLE: usize = 60;

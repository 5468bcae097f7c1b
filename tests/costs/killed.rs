//! A sweep that dies, wherever it may, and its successor.

use std::{iter, time::Duration};

use domain::{
    connection::{DuePartition, Slot},
    provider::Provider,
    refresh::policy::earlier,
};
use tests::sample;

use crate::{
    is_full,
    measured::Measured,
    sweep::{Entries, enqueued, swept},
    table::Table,
};

/// More than a page of the index, so that the walk has more than one chunk.
const DUE: usize = 10_000;

/// How many the first chunk has: a page of the index is more than a chunk must have.
async fn first_chunk(measured: &Measured) -> usize {
    let slot = Slot::at(40, sample::NOW.as_second() / 60);
    let partition = DuePartition::Slot { provider: Provider::QuickBooks, slot };
    let times = (earlier(sample::NOW, Duration::from_mins(1)), sample::NOW);
    let page = measured.worker().sweep.index.list_due(partition, times, None).await.unwrap();
    assert!(page.next.is_some() && page.keys.len() > DUE / 2, "{}", page.keys.len());
    page.keys.len()
}

/// Whatever call it was about to make when it died: each connection is on the queue after the next sweep, and twice at most
/// those of the one chunk that was sent and not yet noted.
#[tokio::test]
async fn a_sweep_that_dies_anywhere_loses_nothing_and_repeats_one_chunk_at_most() {
    let mut measured = Measured::new().await;
    let keys = Entries::Slots.write(&measured, Provider::QuickBooks, DUE).await;
    let chunk = first_chunk(&measured).await;
    swept(&measured, sample::at(-30)).await;
    measured.meter.take();
    swept(&measured, sample::at(30)).await;
    let calls = measured.meter.take().total();
    // All that matters happens at the end: the sending and the notes.
    let step = if is_full() { 1 } else { 4 };
    let mut table = Table::new(&["dies before call", "enqueued by it", "twice after its successor"]);

    for dies_before in (if is_full() { 0 } else { calls - 16 }..calls).step_by(step) {
        measured.forget_sweeps().await;
        swept(&measured, sample::at(-30)).await;

        let died = measured.meter.cut_after(dies_before, swept(&measured, sample::at(30))).await;
        let by_it = enqueued(&measured).await;
        let successor = swept(&measured, sample::at(120)).await;

        assert_eq!(died, None);
        assert!(by_it.values().all(|&times| times == 1));
        assert_eq!(successor.unfinished, 0);
        let after = enqueued(&measured).await;
        assert!(keys.iter().all(|key| after.contains_key(key)), "dead before call {dies_before}");
        assert!(after.values().all(|&times| times <= 2));
        let twice = after.values().filter(|&&times| times == 2).count();
        assert!(twice <= chunk, "dead before call {dies_before}: {twice} of {chunk}");
        // Before the first message it is as if there had been no sweep.
        if !by_it.is_empty() {
            let figures = [by_it.len(), twice].map(|count| count.to_string());
            table.row(iter::once(format!("{dies_before} of {calls}")).chain(figures));
        }
    }
    table.print(&format!("A sweep over {DUE} that dies; its first chunk has {chunk}"));
}

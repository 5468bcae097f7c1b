//! The sweep: finds what is due, once.

use std::{sync::Arc, time::Duration};

use domain::{
    clock::Clock as _,
    refresh::{RefreshOutcome, SweepLog as _, Trigger},
};
use jiff::Timestamp;
use tests::{Fault, Operation, memory::InMemorySweepLog};

use crate::world::World;

async fn due_connections(world: &World, count: usize) {
    for _ in 0..count {
        world.connected().await;
    }
    world.clock.advance(Duration::from_mins(45));
}

#[tokio::test]
async fn every_due_connection_is_enqueued_once_packed_into_few_messages() {
    let world = World::new();
    due_connections(&world, 230).await;
    let sweep = world.sweep(Arc::default());

    assert_eq!(sweep.run(Timestamp::MAX).await.unwrap().enqueued, 230);
    assert_eq!(sweep.run(Timestamp::MAX).await.unwrap().enqueued, 0, "what is claimed is not due");

    let messages = world.refresh_queue.take();
    let keys: std::collections::BTreeSet<_> =
        messages.iter().flat_map(|message| &message.connections).collect();
    assert_eq!(keys.len(), 230);
    assert!(messages.len() <= 4 + 230 / 50, "{} messages", messages.len());
    assert!(messages.iter().all(|message| message.reason == Trigger::Scheduled));
}

#[tokio::test]
async fn two_sweeps_at_once_enqueue_nothing_twice() {
    let world = World::new();
    due_connections(&world, 60).await;
    let (one, two) = (world.sweep(Arc::default()), world.sweep(Arc::default()));

    let (one, two) = futures::future::join(one.run(Timestamp::MAX), two.run(Timestamp::MAX)).await;

    assert_eq!(one.unwrap().enqueued + two.unwrap().enqueued, 60);
}

#[tokio::test]
async fn nothing_is_enqueued_before_it_is_due() {
    let world = World::new();
    world.connected().await;

    assert_eq!(world.sweep(Arc::default()).run(Timestamp::MAX).await.unwrap().enqueued, 0);
}

#[tokio::test]
async fn a_connection_whose_message_was_lost_is_due_again() {
    let world = World::new();
    due_connections(&world, 3).await;
    world.sweep(Arc::default()).run(Timestamp::MAX).await.unwrap();

    world.clock.advance(Duration::from_mins(5));

    assert_eq!(world.sweep(Arc::default()).run(Timestamp::MAX).await.unwrap().enqueued, 3);
}

#[tokio::test]
async fn one_shards_failure_does_not_stop_the_walk() {
    let world = World::new();
    due_connections(&world, 40).await;
    world.store.fail_next(Operation::ListDue, Fault::Refused, 1);
    let log = Arc::new(InMemorySweepLog::default());

    let report = world.sweep(log.clone()).run(Timestamp::MAX).await.unwrap();

    assert_eq!(report.failed_shards, 1);
    assert!(report.enqueued > 0 && report.enqueued < 40, "{report:?}");
    assert_eq!(log.last().await.unwrap(), Some(world.clock.now()));
}

#[tokio::test]
async fn connections_made_together_are_refreshed_apart_and_swept_once() {
    let world = World::new();
    for _ in 0..60 {
        world.connected().await;
    }
    let (mut spent, mut busiest) = (0, 0);
    for _ in 0..60 {
        world.clock.advance(Duration::from_mins(1));
        world.sweep(Arc::default()).run(Timestamp::MAX).await.unwrap();
        for message in world.refresh_queue.take() {
            for key in &message.connections {
                let outcome = world.refresh(key, message.reason).await.outcome;
                assert_eq!(outcome, RefreshOutcome::Refreshed, "swept although nothing was to be done");
            }
        }
        busiest = busiest.max(world.refreshes() - spent);
        spent = world.refreshes();
    }
    assert_eq!(spent, 60);
    assert!(busiest < 45, "{busiest} of 60 in one minute");
}

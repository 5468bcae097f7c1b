//! The sweep: finds what is due, once.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    clock::Clock as _,
    connection::{ConnectionKey, Due},
    refresh::{Delayed, MAX_CONNECTIONS, RefreshOutcome, SweepLog as _, Trigger, policy::later},
};

use crate::world::World;

/// A turn of the wheel on which tokens of an hour are.
const TURN_MINUTES: usize = 40;

/// Connects `count` connections, and sweeps once, so that the sweeps after it have a beginning.
async fn connected(world: &World, count: usize) -> Vec<ConnectionKey> {
    let mut keys = vec![];
    for _ in 0..count {
        keys.push(world.connected().await);
    }
    world.swept().await;
    drop(world.refresh_queue.take());
    keys
}

/// How often each connection is named.
fn named(messages: &[Delayed]) -> BTreeMap<ConnectionKey, usize> {
    let mut named = BTreeMap::new();
    for key in messages.iter().flat_map(|delayed| &delayed.message.connections) {
        *named.entry(key.clone()).or_default() += 1;
    }
    named
}

#[tokio::test]
async fn in_one_turn_of_the_wheel_every_connection_is_enqueued_once() {
    let world = World::new();
    connected(&world, 230).await;

    let mut enqueued = 0;
    for _ in 0..TURN_MINUTES {
        world.clock.advance(Duration::from_mins(1));
        enqueued += world.swept().await.enqueued;
    }

    let messages = world.refresh_queue.take();
    assert_eq!(enqueued, 230);
    let named = named(&messages);
    assert_eq!(named.len(), 230);
    assert!(named.values().all(|&times| times == 1));
    assert!(messages.iter().all(|delayed| delayed.message.reason == Trigger::Scheduled));
}

#[tokio::test]
async fn connections_that_are_due_together_are_packed_into_few_messages() {
    let world = World::new();
    for key in connected(&world, 230).await {
        let at = later(world.clock.now(), Duration::from_secs(30));
        world.connections.edit(&key, |connection| connection.due = Some(Due::At(at)));
    }
    world.clock.advance(Duration::from_mins(1));

    assert!(world.swept().await.enqueued >= 230);
    world.clock.advance(Duration::from_mins(1));
    world.swept().await;

    let messages = world.refresh_queue.take();
    assert!(messages.len() <= 4 * 230_usize.div_ceil(MAX_CONNECTIONS) + 2, "{} messages", messages.len());
    assert!(named(&messages).values().all(|&times| times == 1));
}

#[tokio::test]
async fn two_sweeps_at_once_enqueue_nothing_twice() {
    let world = World::new();
    connected(&world, 60).await;
    world.clock.advance(Duration::from_mins(5));
    let deadline = later(world.clock.now(), Duration::from_secs(75));
    let (one, two) = (world.sweep(), world.sweep());
    let breakers = &world.refresher.breakers;

    let (one, two) = futures::future::join(one.run(breakers, deadline), two.run(breakers, deadline)).await;

    let messages = world.refresh_queue.take();
    assert_eq!(one.unwrap().enqueued + two.unwrap().enqueued, named(&messages).len());
    assert!(named(&messages).values().all(|&times| times == 1));
}

#[tokio::test]
async fn a_sweep_whose_messages_cannot_be_sent_is_made_up_for_by_the_next() {
    let world = World::new();
    connected(&world, 100).await;
    world.refresh_queue.set_down(true);
    world.clock.advance(Duration::from_mins(10));
    let failed = world.swept().await;
    assert_eq!((failed.enqueued, failed.unfinished), (0, 1));
    world.refresh_queue.set_down(false);

    world.clock.advance(Duration::from_mins(TURN_MINUTES as u64 - 10 + 2));
    world.swept().await;

    assert_eq!(named(&world.refresh_queue.take()).len(), 100);
}

#[tokio::test]
async fn a_message_that_was_lost_is_made_up_for() {
    let world = World::new();
    for key in connected(&world, 3).await {
        let now = world.clock.now();
        world.connections.edit(&key, |connection| connection.due = Some(Due::At(now)));
    }
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(world.swept().await.enqueued, 3);
    drop(world.refresh_queue.take());

    let mut enqueued = 0;
    for _ in 0..30 {
        world.clock.advance(Duration::from_mins(1));
        enqueued += world.swept().await.enqueued;
    }

    assert_eq!(enqueued, 2 * 3, "once in a quarter of an hour, and not with each sweep");
}

#[tokio::test]
async fn a_sweep_notes_that_it_ran() {
    let world = World::new();

    world.swept().await;

    assert_eq!(world.sweep_log.last().await.unwrap(), Some(world.clock.now()));
}

#[tokio::test]
async fn connections_made_together_are_refreshed_apart_and_swept_once() {
    let world = World::new();
    connected(&world, 60).await;
    let (mut spent, mut busiest) = (0, 0);
    // Two turns, so that what was found young in the first is found in its place in the second.
    for _ in 0..2 * TURN_MINUTES {
        world.clock.advance(Duration::from_mins(1));
        world.swept().await;
        for delayed in world.refresh_queue.take() {
            for key in &delayed.message.connections {
                let outcome = world.refresh(key, delayed.message.reason).await.outcome;
                assert!(matches!(outcome, RefreshOutcome::Refreshed | RefreshOutcome::Fresh), "{outcome:?}");
            }
        }
        busiest = busiest.max(world.refreshes() - spent);
        spent = world.refreshes();
    }
    assert!((60..=120).contains(&spent), "{spent}");
    assert!(busiest < 12, "{busiest} of 60 in one minute");
}

//! Which connections are kept warm, which are kept alive, what is spent on them, and who is told when one comes near its end.

use std::time::Duration;

use domain::{
    clock::Clock as _,
    connection::{ConnectionKey, Due},
    event::EventKind,
    provider::Provider,
    refresh::{RefreshOutcome, Trigger, policy::later},
};

use crate::world::{World, due_at};

const DAY: Duration = Duration::from_hours(24);

/// Lets the schedule run for a time, a minute at a step, with workers that refresh what it finds.
async fn scheduled(world: &World, minutes: u64) {
    for _ in 0..minutes {
        world.clock.advance(Duration::from_mins(1));
        world.swept().await;
        for delayed in world.refresh_queue.take() {
            for key in &delayed.message.connections {
                world.refresh(key, delayed.message.reason).await;
            }
        }
    }
}

async fn connected(world: &World) -> ConnectionKey {
    let key = world.connected().await;
    world.swept().await;
    key
}

#[tokio::test]
async fn a_connection_that_is_used_is_warm_at_any_time() {
    let world = World::new();
    let key = connected(&world).await;
    let access = world.access();
    let mut waited = 0;
    for _ in 0..3 * 24 {
        scheduled(&world, 60).await;
        let before = world.refreshes();
        access.access_token(&key).await.unwrap();
        waited += world.refreshes() - before;
    }

    assert_eq!(waited, 0, "nobody ever waits for a refresh");
    assert!(world.refreshes() <= 3 * 36, "{} refreshes in three days", world.refreshes());
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_kept_alive_about_daily_and_is_good_again_on_use() {
    let world = World::new();
    let key = connected(&world).await;
    scheduled(&world, 25 * 60).await;
    let before = world.refreshes();

    scheduled(&world, 10 * 24 * 60).await;

    let kept_alive = world.refreshes() - before;
    assert!((10..=21).contains(&kept_alive), "{kept_alive} refreshes in ten days");
    assert!(matches!(world.find(&key).await.due, Some(Due::At(_))));
    assert!(world.access().access_token(&key).await.is_ok(), "refreshed on use");
    assert!(matches!(world.find(&key).await.due, Some(Due::Slot(_))), "and warm from then on");
}

#[tokio::test]
async fn a_use_is_noted_a_few_times_a_day_and_not_with_each_read() {
    let world = World::new();
    let key = connected(&world).await;
    let used_at = world.find(&key).await.used_at;
    let access = world.access();

    access.access_token(&key).await.unwrap();
    assert_eq!(world.find(&key).await.used_at, used_at, "a read costs no write");
    scheduled(&world, 7 * 60).await;
    access.access_token(&key).await.unwrap();
    assert_eq!(world.find(&key).await.used_at, world.clock.now());
}

#[tokio::test]
async fn the_eleventh_call_for_a_token_of_zoho_waits_for_its_budget() {
    let world = World::new();
    let key = connected(&world).await;
    world.connections.edit(&key, |connection| connection.provider = Provider::Zoho);
    let connection = world.find(&key).await;
    let tokens = world
        .refresher
        .sealer
        .seal_under_new_keys((&key, Provider::Zoho), 1, &world.provider.fresh())
        .await
        .unwrap();
    world.connections.edit(&key, |connection| {
        let stored = connection.tokens.as_mut().unwrap();
        (stored.access, stored.refresh) = (tokens.access, tokens.refresh);
    });
    let began = world.clock.now();

    for _ in 0..10 {
        assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);
        world.clock.advance(Duration::from_secs(20));
    }
    let held_back = world.manual(&key).await;

    assert_eq!(world.refreshes(), 10);
    let free_at = later(began, Duration::from_mins(10));
    assert_eq!(held_back, RefreshOutcome::OverBudget { until: free_at });
    assert_eq!(due_at(&world.find(&key).await), free_at);
    assert_eq!(world.find(&key).await.attempts.failed, connection.attempts.failed, "which is no failure");
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(world.refresh(&key, Trigger::Scheduled).await.outcome, RefreshOutcome::Refreshed);
}

#[tokio::test]
async fn intuits_hard_end_is_told_a_month_and_a_week_before_once_each() {
    let world = World::new();
    let key = connected(&world).await;
    let ends = later(world.clock.now(), 40 * DAY);
    world.connections.edit(&key, |connection| {
        connection.tokens.as_mut().unwrap().hard_expires_at = Some(ends);
    });
    let mut told = vec![];
    for _ in 0..40 {
        scheduled(&world, 24 * 60).await;
        let events = world.bus.take().into_iter();
        told.extend(events.filter(|event| event.kind == EventKind::TokenNearExpiry));
    }

    let left: Vec<_> =
        told.iter().map(|event| ends.duration_since(event.occurred_at).as_hours() / 24).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!((28..=30).contains(&left[0]) && (5..=7).contains(&left[1]), "{left:?} days before");
    assert!(told.iter().all(|event| event.limit == Some("grant") && event.ends_at == Some(ends)));
}

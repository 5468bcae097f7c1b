//! The refresh engine under everything that can go wrong.

use std::time::Duration;

use domain::{
    clock::Clock as _,
    connection::ConnectionState,
    event::EventKind,
    refresh::{FailureClass, RefreshOutcome, Trigger, policy::later},
    sealing::fingerprint,
    token::{Refusal, TokenEndpointError},
};
use rstest::rstest;
use tests::{Fault, Operation};

use crate::world::{FUNCTION_LIFE, World, class, due_at};

#[tokio::test]
async fn a_refresh_stores_the_new_token_set_and_keeps_the_former_token() {
    let world = World::new();
    let key = world.connected().await;
    let before = world.find(&key).await;
    let calls = world.keys.calls();

    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);

    let (old, after) = (before.tokens.unwrap(), world.find(&key).await);
    let new = after.tokens.unwrap();
    let previous = new.previous.unwrap();
    assert_eq!((new.generation, previous.generation), (old.generation + 1, old.generation));
    assert_eq!(previous.refresh, old.refresh);
    assert_ne!(new.refresh_fingerprint, old.refresh_fingerprint);
    assert!(new.refreshed && after.lease.is_none() && after.fence > before.fence);
    assert_eq!(world.keys.calls() - calls, 1, "a refresh costs one call to the key service");
    assert_eq!((after.attempts.succeeded, after.attempts.failed), (1, 0));
    assert!(world.kinds().contains(&EventKind::TokenRefreshed));
}

#[tokio::test]
async fn a_second_worker_never_spends_the_same_refresh_token() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_mins(45));

    let workers = (0..20).map(|_| world.refresh(&key, Trigger::Scheduled));
    let outcomes: Vec<_> =
        futures::future::join_all(workers).await.into_iter().map(|report| report.outcome).collect();

    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.provider.max_in_flight(), 1);
    let refreshed = outcomes.iter().filter(|outcome| **outcome == RefreshOutcome::Refreshed).count();
    assert_eq!(refreshed, 1, "{outcomes:?}");
}

#[tokio::test]
async fn a_token_that_is_not_due_is_left_alone() {
    let world = World::new();
    let key = world.connected().await;

    assert_eq!(world.refresh(&key, Trigger::Scheduled).await.outcome, RefreshOutcome::Fresh);
    assert_eq!(world.refreshes(), 0);
    assert_eq!(world.find(&key).await.lease, None);
}

#[tokio::test]
async fn a_manual_refresh_joins_one_that_succeeded_a_moment_ago() {
    let world = World::new();
    let key = world.connected().await;

    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);
    world.clock.advance(Duration::from_secs(9));
    assert_eq!(world.manual(&key).await, RefreshOutcome::Fresh);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);

    assert_eq!(world.refreshes(), 2);
}

#[rstest]
#[case::the_write_is_refused(Fault::Refused)]
#[case::the_answer_of_the_write_is_lost(Fault::AnswerLost)]
#[tokio::test]
async fn a_rotated_token_is_saved_however_often_the_table_fails(#[case] fault: Fault) {
    let world = World::new();
    let key = world.connected().await;
    world.store.fail_next(Operation::Settle, fault, 6);

    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);

    let stored = world.find(&key).await.tokens.unwrap();
    assert_eq!((stored.generation, world.refreshes()), (2, 1));
    assert_eq!(world.find(&key).await.attempts.succeeded, 1, "counted once");
}

#[tokio::test]
async fn a_save_is_given_up_only_when_the_functions_time_is_over() {
    let world = World::new();
    let key = world.connected().await;
    world.store.fail_next(Operation::Settle, Fault::Refused, usize::from(u16::MAX));
    let started = world.clock.now();

    let result = world.refresher.refresh(&key, Trigger::Manual, later(started, FUNCTION_LIFE)).await;

    assert!(result.is_err());
    let took = world.clock.now().duration_since(started).as_secs();
    assert!((70..=75).contains(&took), "gave up after {took} s");
    assert!(world.find(&key).await.lease.is_some(), "the intent tells the next worker");
}

fn refused() -> TokenEndpointError {
    TokenEndpointError::AppRefused(Refusal::default())
}

fn throttled() -> TokenEndpointError {
    TokenEndpointError::Throttled { refusal: Refusal::default(), retry_after: None }
}

fn failed() -> TokenEndpointError {
    TokenEndpointError::Failed(Refusal::default())
}

fn unreached() -> TokenEndpointError {
    TokenEndpointError::Unreached("refused".into())
}

#[rstest]
#[case::our_app_is_refused(refused, 1, FailureClass::Configuration)]
#[case::throttled(throttled, 1, FailureClass::Throttled)]
#[case::a_complete_error(failed, 3, FailureClass::Transient)]
#[case::never_reached(unreached, 3, FailureClass::Transient)]
#[tokio::test]
async fn no_other_failure_disconnects_a_customer(
    #[case] error: fn() -> TokenEndpointError,
    #[case] tries: usize,
    #[case] expected: FailureClass,
) {
    let world = World::new();
    let key = world.connected().await;
    let tokens = world.find(&key).await.tokens;
    (0..tries).for_each(|_| world.provider.answer(Err(error())));

    assert_eq!(class(&world.manual(&key).await), Some(expected));

    let connection = world.find(&key).await;
    assert_eq!((connection.state, &connection.lease), (ConnectionState::Active, &None));
    assert_eq!(connection.tokens, tokens, "the stored token set is untouched");
    assert_eq!(world.refreshes(), tries, "and as often as makes sense");
    assert!(due_at(&connection) > world.clock.now(), "it is tried again by itself");
    assert_eq!((connection.attempts.failed, connection.attempts.failed_in_a_row), (1, 1));
    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);
    assert_eq!(world.find(&key).await.attempts.failed_in_a_row, 0);
}

#[tokio::test]
async fn the_same_token_returned_again_is_no_rotation() {
    let world = World::new();
    let key = world.connected().await;
    world.manual(&key).await;
    world.clock.advance(Duration::from_mins(1));
    let before = world.find(&key).await.tokens.unwrap();
    let mut same = world.provider.fresh();
    let opened = world.refresher.sealer.open_refresh(&world.find(&key).await, &before).await.unwrap();
    same.refresh = opened.token;
    assert_eq!(fingerprint(&same.refresh), before.refresh_fingerprint);
    world.provider.answer(Ok(same));

    world.manual(&key).await;

    let after = world.find(&key).await.tokens.unwrap();
    assert_eq!(after.previous, before.previous, "the token before the current one stays known");
    assert_eq!(after.generation, before.generation + 1);
}

#[tokio::test]
async fn data_keys_are_replaced_after_ninety_days_and_readers_follow() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_hours(91 * 24));
    let calls = world.keys.calls();

    assert_eq!(world.refresh(&key, Trigger::OnDemand).await.outcome, RefreshOutcome::Refreshed);

    assert_eq!(world.keys.calls() - calls, 3, "one key opened, two made");
    assert_eq!(world.find(&key).await.tokens.unwrap().keys_made_at, world.clock.now());
    assert!(world.access().access_token(&key).await.is_ok());
    let calls = world.keys.calls();
    world.clock.advance(Duration::from_mins(50));
    world.refresh(&key, Trigger::Scheduled).await;
    assert_eq!(world.keys.calls() - calls, 1);
}

#[tokio::test]
async fn a_sealed_token_put_into_another_connection_does_not_open() {
    let world = World::new();
    let (mine, theirs) = (world.connected().await, world.connected().await);
    let stolen = world.find(&theirs).await.tokens;
    world.connections.edit(&mine, |connection| connection.tokens = stolen);
    let before = world.refreshes();

    assert_eq!(class(&world.manual(&mine).await), Some(FailureClass::Sealing));

    assert!(world.access().access_token(&mine).await.is_err());
    assert_eq!(world.refreshes(), before, "nothing is sent");
    assert_eq!(world.find(&mine).await.state, ConnectionState::Active, "nobody is disconnected for it");
}

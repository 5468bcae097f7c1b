//! Recovery: lost answers, dead workers, previous tokens, and time that runs out.

use std::time::Duration;

use domain::{
    clock::Clock as _,
    connection::{ConnectionState, Due},
    event::EventKind,
    refresh::{
        AttemptLog as _, CompleteOutcome, FailureClass, LeasePurpose, RefreshOutcome, RefreshStore as _,
        Trigger, chain, policy::later,
    },
    token::{Refusal, TokenEndpointError},
};
use jiff::Timestamp;
use tests::{Fault, Operation, sample};

use crate::world::{FUNCTION_LIFE, World, class, due_at, invalid_grant};

/// Past any lease that was taken before.
const AFTER_THE_LEASE: Duration = Duration::from_secs(106);

fn lost() -> TokenEndpointError {
    TokenEndpointError::Unknown { refusal: Refusal::default(), source: None }
}

#[tokio::test]
async fn after_a_lost_answer_nothing_is_sent_before_the_lease_has_ended() {
    let world = World::new();
    let key = world.connected().await;
    world.provider.answer(Err(lost()));

    assert_eq!(class(&world.manual(&key).await), Some(FailureClass::Unknown));

    let connection = world.find(&key).await;
    let lease = connection.lease.clone().expect("the lease is kept");
    assert_eq!(lease.spends, connection.tokens.as_ref().unwrap().refresh_fingerprint);
    assert!(due_at(&connection) >= lease.expires_at, "the sweep looks when the lease has ended");
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(10));
        assert!(matches!(
            world.refresh(&key, Trigger::Scheduled).await.outcome,
            RefreshOutcome::Running { .. }
        ));
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_recovered_with_the_current_token_when_the_lease_has_ended() {
    let world = World::new();
    let key = world.connected().await;
    world.provider.answer(Err(lost()));
    world.manual(&key).await;
    world.clock.advance(AFTER_THE_LEASE);

    assert_eq!(world.refresh(&key, Trigger::Scheduled).await.outcome, RefreshOutcome::Refreshed);

    let spent = world.provider.spent();
    assert_eq!(spent[1], spent[2], "the token whose fate was unknown is tried again");
    let attempts =
        world.attempts.list(domain::provider::Provider::QuickBooks, Some(&key.tenant), 10).await.unwrap();
    assert_eq!(attempts[0].trigger, Trigger::Recovery);
}

#[tokio::test]
async fn the_previous_token_saves_a_connection_whose_current_one_the_provider_never_knew() {
    let world = World::new();
    let key = world.connected().await;
    world.manual(&key).await;
    world.clock.advance(Duration::from_mins(1));
    let tokens = world.find(&key).await.tokens.unwrap();
    world.provider.answer(Err(invalid_grant()));

    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);

    let spent = world.provider.spent();
    let previous = spent.last().unwrap();
    assert_eq!(spent[spent.len() - 2], tokens.refresh_fingerprint);
    assert_ne!(*previous, tokens.refresh_fingerprint);
    assert_eq!(world.find(&key).await.state, ConnectionState::Active);
    // The token set sealed with the keys of the former envelope must open for its readers.
    assert!(world.access().access_token(&key).await.is_ok());
}

#[tokio::test]
async fn a_connection_dies_only_when_current_and_previous_are_refused() {
    let world = World::new();
    let key = world.connected().await;
    world.manual(&key).await;
    world.clock.advance(Duration::from_mins(1));
    world.provider.answer(Err(invalid_grant()));
    world.provider.answer(Err(invalid_grant()));

    assert_eq!(class(&world.manual(&key).await), Some(FailureClass::Dead));

    let connection = world.find(&key).await;
    assert_eq!(connection.state, ConnectionState::ReconnectRequired);
    assert_eq!(connection.reason.as_deref(), Some("invalid_grant"));
    assert_eq!((connection.due, connection.lease), (None, None));
    assert!(world.kinds().contains(&EventKind::ConnectionReconnectRequired));
    assert_eq!(world.refreshes(), 3, "one good, then current and previous once each");
    let again = world.manual(&key).await;
    assert_eq!(again, RefreshOutcome::NotRefreshable { state: ConnectionState::ReconnectRequired });
}

#[tokio::test]
async fn after_a_recovery_the_token_that_was_spent_is_kept_and_not_the_one_that_was_refused() {
    let world = World::new();
    let key = world.connected().await;
    world.manual(&key).await;
    world.clock.advance(Duration::from_mins(1));
    let before = world.find(&key).await.tokens.unwrap().previous.unwrap();
    world.provider.answer(Err(invalid_grant()));

    world.manual(&key).await;

    let after = world.find(&key).await.tokens.unwrap().previous.unwrap();
    assert_eq!((after.refresh, after.generation), (before.refresh, before.generation));
}

#[tokio::test]
async fn nothing_is_sent_whose_answer_could_not_be_heard() {
    let world = World::new();
    let key = world.connected().await;
    let little = later(world.clock.now(), Duration::from_secs(44));

    let report = world.refresher.refresh(&key, Trigger::Manual, little).await.unwrap();

    assert_eq!(report.outcome, RefreshOutcome::NoTime);
    assert_eq!((world.refreshes(), world.find(&key).await.fence), (0, 0), "and nothing is written");
}

#[tokio::test]
async fn a_save_is_given_up_before_the_lease_ends_however_long_the_function_may_live() {
    let world = World::new();
    let key = world.connected().await;
    world.store.fail_next(Operation::Settle, Fault::Refused, usize::from(u16::MAX));
    let started = world.clock.now();

    let result = world.refresher.refresh(&key, Trigger::Manual, Timestamp::MAX).await;

    assert!(result.is_err());
    assert!(
        world.clock.now() < later(started, Duration::from_secs(105)),
        "nobody else may have the lease yet"
    );
}

#[tokio::test]
async fn a_refresh_that_somebody_asked_for_leaves_a_message_that_follows_a_worker_that_dies() {
    let world = World::new();
    let key = world.connected().await;
    // A save that never succeeds leaves what a killed worker leaves: the lease and its intent.
    world.store.fail_next(Operation::Settle, Fault::Refused, usize::from(u16::MAX));
    let deadline = later(world.clock.now(), FUNCTION_LIFE);
    assert!(world.refresher.refresh(&key, Trigger::Manual, deadline).await.is_err());

    let watch = world.refresh_queue.take().remove(0);

    assert_eq!(watch.message.connections, [key]);
    assert_eq!(watch.message.reason, Trigger::Recovery);
    assert!(watch.delay > Duration::from_secs(105), "it comes when the lease has ended");
}

#[tokio::test]
async fn the_message_that_watches_over_a_refresh_costs_no_write_where_all_went_well() {
    let world = World::new();
    let key = world.connected().await;
    world.manual(&key).await;
    let before = world.find(&key).await;

    assert_eq!(world.refresh(&key, Trigger::Recovery).await.outcome, RefreshOutcome::Fresh);

    assert_eq!(world.find(&key).await, before);
}

#[tokio::test]
async fn a_token_set_that_the_table_does_not_take_is_durable_on_the_recovery_queue_and_comes_back_from_there()
{
    let world = World::new();
    let key = world.connected().await;
    let before = world.find(&key).await;
    world.store.fail_next(Operation::Settle, Fault::Refused, usize::from(u16::MAX));
    let deadline = later(world.clock.now(), FUNCTION_LIFE);

    assert!(world.refresher.refresh(&key, Trigger::Manual, deadline).await.is_err());

    let spilled = world.recovery_queue.take();
    assert_eq!(spilled.len(), 1, "once, however often the table refuses");
    let due = before.due.unwrap();
    for _ in 0..2 {
        let completed = world.connections.complete(&spilled[0], due, "w").await.unwrap();
        assert_eq!(completed, CompleteOutcome::Stored, "a second delivery changes nothing");
    }
    let after = world.find(&key).await;
    assert_eq!((after.tokens.as_ref(), after.lease), (Some(&spilled[0].tokens), None));
    assert_eq!(after.tokens.unwrap().refresh_fingerprint, world.provider.newest());
    assert!(world.access().access_token(&key).await.is_ok());
}

#[tokio::test]
async fn a_spilled_token_set_takes_back_the_verdict_on_the_token_that_it_replaces() {
    let world = World::new();
    let key = world.connected().await;
    world.store.fail_next(Operation::Settle, Fault::Refused, 60);
    let deadline = later(world.clock.now(), FUNCTION_LIFE);
    assert!(world.refresher.refresh(&key, Trigger::Manual, deadline).await.is_err());
    let spilled = world.recovery_queue.take().remove(0);
    world.store.heal();
    world.clock.advance(AFTER_THE_LEASE);
    world.provider.answer(Err(invalid_grant()));
    assert_eq!(class(&world.refresh(&key, Trigger::Recovery).await.outcome), Some(FailureClass::Dead));

    let due = Due::At(world.clock.now());
    assert_eq!(world.connections.complete(&spilled, due, "w").await.unwrap(), CompleteOutcome::Stored);

    assert_eq!(world.find(&key).await.state, ConnectionState::Active);
    assert!(world.access().access_token(&key).await.is_ok());
}

#[tokio::test]
async fn a_verdict_does_not_stand_on_a_token_set_that_was_replaced_meanwhile() {
    let world = World::new();
    let key = world.connected().await;
    world.store.fail_next(Operation::Settle, Fault::Refused, 60);
    let deadline = later(world.clock.now(), FUNCTION_LIFE);
    assert!(world.refresher.refresh(&key, Trigger::Manual, deadline).await.is_err());
    let spilled = world.recovery_queue.take().remove(0);
    world.store.heal();
    world.clock.advance(AFTER_THE_LEASE);
    world.provider.answer(Err(invalid_grant()));
    let completing = async {
        // While the provider thinks about the token that was spent already.
        let due = Due::At(world.clock.now());
        world.connections.complete(&spilled, due, "w").await.unwrap()
    };

    let (report, completed) = tokio::join!(world.refresh(&key, Trigger::Recovery), completing);

    assert_eq!((report.outcome, completed), (RefreshOutcome::Fresh, CompleteOutcome::Stored));
    let after = world.find(&key).await;
    assert_eq!((after.state, after.lease), (ConnectionState::Active, None));
    assert_eq!(after.tokens.as_ref(), Some(&spilled.tokens));
}

#[tokio::test]
async fn the_attempt_of_a_worker_that_was_killed_is_in_the_history_too_and_the_chain_holds() {
    let world = World::new();
    let key = world.connected().await;
    world.manual(&key).await;
    world.clock.advance(Duration::from_mins(1));
    let lease = sample::lease(world.clock.now());
    world.store.take_lease(&key, &lease, LeasePurpose::Refresh).await.unwrap();
    world.clock.advance(AFTER_THE_LEASE);

    assert_eq!(world.refresh(&key, Trigger::Recovery).await.outcome, RefreshOutcome::Refreshed);

    let history = world.attempts.all();
    assert_eq!(history.len(), 3);
    let lost = history.iter().find(|attempt| attempt.id == lease.attempt).unwrap();
    assert_eq!(lost.failure.as_ref().unwrap().code.as_deref(), Some("worker_lost"));
    let report = chain::verify(world.find(&key).await.chain, &history);
    assert!(report.intact && report.checked == 3, "{report:?}");
}

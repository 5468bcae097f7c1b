//! Callbacks: what becomes a connection, and what must not even reach the provider.

use std::time::Duration;

use domain::{
    authorization::{CompleteError, Completed, ConnectFailure},
    connection::ConnectionState,
    event::EventKind,
    refresh::{LeasePurpose, RefreshOutcome, RefreshStore as _, Trigger},
    token::{Refusal, TokenEndpointError},
};
use tests::sample;

use crate::{grants::FOREIGN_REALM, world::World};

/// Why a good request did not become a connection.
pub(crate) fn failure(completed: Result<Completed, CompleteError>) -> ConnectFailure {
    match completed {
        Err(CompleteError::Failed { failure, .. }) => failure,
        other => panic!("the state was good and the connection was to fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_callback_in_the_right_browser_becomes_a_connection_with_its_company_and_first_sync() {
    let world = World::new();
    let tenant = sample::tenant();
    world.begun(&tenant, "state", "browser").await;

    let completed = world.call_back("state", Some("browser"), "4620816365").await.unwrap();

    assert_eq!(completed.companies, ["Company 4620816365"]);
    let connection = world.find(&completed.key).await;
    assert_eq!((connection.state, connection.tokens.unwrap().generation), (ConnectionState::Active, 1));
    assert_eq!(world.kinds(), [EventKind::ConnectionCreated]);
    assert_eq!(world.sync_queue.take().len(), 1);
    assert!(world.access().access_token(&completed.key).await.is_ok());
}

#[tokio::test]
async fn a_state_that_is_forged_used_late_or_of_another_browser_never_reaches_the_provider() {
    let world = World::new();
    world.begun(&sample::tenant(), "state", "browser").await;

    for (state, browser) in [("forged", Some("browser")), ("state", Some("other browser")), ("state", None)] {
        let refused = world.call_back(state, browser, "1").await;
        assert!(matches!(refused, Err(CompleteError::State)), "{state} {browser:?}");
    }
    assert_eq!(world.provider.spent().len(), 0);

    world.call_back("state", Some("browser"), "1").await.expect("other browsers did not use the state up");
    assert!(matches!(world.call_back("state", Some("browser"), "1").await, Err(CompleteError::StateUsed)));
    assert_eq!(world.provider.spent().len(), 1, "a code is spent once");

    world.begun(&sample::tenant(), "late", "browser").await;
    world.clock.advance(Duration::from_mins(10));
    assert!(matches!(world.call_back("late", Some("browser"), "2").await, Err(CompleteError::State)));
    assert_eq!(world.provider.spent().len(), 1);
}

#[tokio::test]
async fn a_code_that_cannot_be_exchanged_leaves_nothing_behind() {
    let world = World::new();
    world.begun(&sample::tenant(), "state", "browser").await;
    world.provider.answer(Err(TokenEndpointError::Unknown { refusal: Refusal::default(), source: None }));

    let refused = world.call_back("state", Some("browser"), "77").await;

    assert!(matches!(failure(refused), ConnectFailure::Exchange(_)));
    assert_eq!(world.provider.spent().len(), 1, "never blindly again: the provider revokes on double use");
    assert!(world.kinds().is_empty());
}

#[tokio::test]
async fn a_company_that_the_provider_does_not_confirm_is_not_connected() {
    let world = World::new();
    world.begun(&sample::tenant(), "state", "browser").await;

    let refused = world.call_back("state", Some("browser"), FOREIGN_REALM).await;

    assert!(matches!(failure(refused), ConnectFailure::Companies(_)));
    assert!(world.kinds().is_empty());
}

#[tokio::test]
async fn a_reconnect_keeps_the_connection_and_shuts_out_a_refresh_under_way() {
    let world = World::new();
    let tenant = sample::tenant();
    let key = world.connect(&tenant, "123456").await;
    let lease = sample::lease(sample::NOW);
    let domain::refresh::LeaseOutcome::Taken { lease: held, .. } =
        world.store.take_lease(&key, &lease, LeasePurpose::Refresh).await.unwrap()
    else {
        panic!("the lease is free")
    };

    assert_eq!(world.connect(&tenant, "123456").await, key);

    let settlement = domain::refresh::Settlement {
        ending: domain::refresh::Ending::Unchanged,
        due: None,
        used_at: sample::NOW,
        attempt: None,
        write_id: "late".to_owned(),
    };
    let late = world.store.settle(&held, &settlement).await;
    assert!(matches!(late, Err(domain::refresh::SettleError::LeaseLost)));
    assert_eq!(
        world.find(&key).await.tokens.unwrap().generation,
        2,
        "the former ciphertext cannot be put back"
    );
    assert_eq!(world.refresh(&key, Trigger::Manual).await.outcome, RefreshOutcome::Refreshed);
}

#[tokio::test]
async fn a_company_of_another_tenant_is_never_moved() {
    let world = World::new();
    let owner = world.connect(&sample::tenant(), "99").await;
    world.begun(&sample::tenant(), "state", "browser").await;

    let refused = world.call_back("state", Some("browser"), "99").await;

    assert!(matches!(failure(refused), ConnectFailure::OwnedElsewhere));
    assert_eq!(world.find(&owner).await.tokens.unwrap().generation, 1);
}

//! Ending connections: revoked once, then destroyed; never half alive, whatever fails.

use std::time::Duration;

use domain::{
    access::AccessError,
    audit::{AuditAction, SETTLED},
    clock::Clock as _,
    connection::{ConnectionKey, ConnectionState, ConnectionStore as _, Due},
    event::EventKind,
    provider::Provider,
    refresh::{DisconnectResult, LeasePurpose, RefreshOutcome, RefreshStore as _, Trigger, policy::later},
    token::{Refusal, RevocationError},
};
use tests::{Revoked, sample};

use crate::{
    grants::company,
    world::{FUNCTION_LIFE, World, due_at, invalid_grant},
};

fn company_of_xero(id: &str) -> domain::connection::Company {
    company(Provider::Xero, id)
}

fn outage() -> RevocationError {
    let refusal = Refusal { status: Some(503), ..Refusal::default() };
    RevocationError::Unavailable { refusal, retry_after: None, source: None }
}

/// Lets the sweep and its worker run until nothing is due.
async fn sweep(world: &World, key: &ConnectionKey) {
    let deadline = later(domain::clock::Clock::now(&*world.clock), FUNCTION_LIFE);
    let report = world.refresh(key, Trigger::Scheduled).await;
    let disconnecting = RefreshOutcome::NotRefreshable { state: ConnectionState::Disconnecting };
    assert_eq!(report.outcome, disconnecting, "nothing is refreshed any more");
    world.refresher.end(key, deadline).await.unwrap();
}

#[tokio::test]
async fn a_disconnected_connection_is_revoked_and_nothing_of_its_grant_is_left() {
    let world = World::new();
    let tenant = sample::tenant();
    let key = world.connect(&tenant, "815").await;
    let before = world.find(&key).await.tokens.unwrap();
    world.kinds();
    world.audit.take();

    let answer = world.disconnect(&key, None).await;

    assert_eq!(answer.result, DisconnectResult::Disconnected);
    assert_eq!(world.ended(), [before.refresh_fingerprint]);
    let after = world.find(&key).await;
    assert_eq!(after.state, ConnectionState::Disconnected);
    assert_eq!((after.tokens, after.lease, after.due), (None, None, None));
    assert_eq!(world.kinds(), [EventKind::ConnectionDisconnected]);
    let actions: Vec<_> = world.audit.take().into_iter().map(|entry| (entry.action, entry.actor)).collect();
    let asker = Some("key1".parse().unwrap());
    assert_eq!(
        actions,
        [(AuditAction::DisconnectRequested, asker), (AuditAction::ConnectionDisconnected, None)]
    );
    let token = world.access().access_token(&key).await;
    assert!(matches!(token, Err(AccessError::NotUsable(ConnectionState::Disconnected))));
}

#[tokio::test]
async fn disconnecting_twice_revokes_once() {
    let world = World::new();
    let key = world.connected().await;

    for _ in 0..2 {
        assert_eq!(world.disconnect(&key, None).await.result, DisconnectResult::Disconnected);
    }

    assert_eq!(world.ended().len(), 1);
}

#[tokio::test]
async fn an_outage_leaves_the_connection_disconnecting_unusable_and_due_until_the_provider_answers() {
    let world = World::new();
    let key = world.connected().await;
    world.revocation.answer(Err(outage()));
    world.revocation.answer(Err(outage()));

    let answer = world.disconnect(&key, None).await;

    assert_eq!(answer.result, DisconnectResult::Disconnecting);
    assert_eq!(answer.error_class.as_deref(), Some("transient"));
    let waiting = world.find(&key).await;
    assert_eq!(waiting.state, ConnectionState::Disconnecting);
    assert_eq!((due_at(&waiting), waiting.reason.as_deref()), (answer.retry_at.unwrap(), Some("http_503")));
    assert!(world.access().access_token(&key).await.is_err(), "never half alive");

    world.clock.advance(Duration::from_mins(1));
    sweep(&world, &key).await;
    let still = world.find(&key).await;
    assert_eq!(still.state, ConnectionState::Disconnecting);
    assert!(due_at(&still) > due_at(&waiting), "it is tried again, later each time");

    world.clock.advance(Duration::from_mins(5));
    sweep(&world, &key).await;
    assert_eq!(world.find(&key).await.state, ConnectionState::Disconnected);
}

#[tokio::test]
async fn a_refresh_under_way_is_waited_for_and_its_token_is_the_one_that_is_revoked() {
    let world = World::new();
    let key = world.connected().await;
    let lease = sample::lease(domain::clock::Clock::now(&*world.clock));
    let domain::refresh::LeaseOutcome::Taken { lease: held, before } =
        world.store.take_lease(&key, &lease, LeasePurpose::Refresh).await.unwrap()
    else {
        panic!("the lease is free")
    };
    let mut rotated = before.tokens.clone().unwrap();
    rotated.generation += 1;
    let settlement = domain::refresh::Settlement {
        ending: domain::refresh::Ending::Rotated(Box::new(rotated)),
        due: Some(Due::At(later(sample::NOW, Duration::from_hours(1)))),
        used_at: sample::NOW,
        attempt: None,
        write_id: "rotated".to_owned(),
    };
    let settle = async {
        // The disconnect is marked by now and waits.
        while world.find(&key).await.state != ConnectionState::Disconnecting {
            tokio::task::yield_now().await;
        }
        world.store.settle(&held, &settlement).await.unwrap();
        let settled = world.find(&key).await;
        assert_eq!(settled.tokens.as_ref().unwrap().generation, 2, "what was refreshed is not lost");
        assert_eq!(settled.state, ConnectionState::Disconnecting, "and resurrects nothing");
        assert!(due_at(&settled) <= later(sample::NOW, FUNCTION_LIFE), "nor puts the end off");
    };

    // The envelope was moved to another generation, so that it does not open: what counts here is the state.
    let (answer, ()) = tokio::join!(world.disconnect(&key, None), settle);

    assert_eq!(answer.result, DisconnectResult::Disconnecting);
    assert_eq!(answer.error_class.as_deref(), Some("sealing"));
    assert_eq!(world.find(&key).await.state, ConnectionState::Disconnecting);
}

#[tokio::test]
async fn a_real_refresh_and_a_disconnect_at_once_end_in_one_revoked_grant() {
    let world = World::new();
    let key = world.connected().await;

    let (refreshed, answer) =
        tokio::join!(world.refresh(&key, Trigger::Manual), world.disconnect(&key, None));

    assert_eq!(answer.result, DisconnectResult::Disconnected, "{refreshed:?}");
    assert_eq!(
        world.ended(),
        [world.provider.newest()],
        "the newest token of the grant is the one that is revoked"
    );
}

#[tokio::test]
async fn a_worker_that_died_in_the_middle_is_taken_over_when_its_lease_has_ended() {
    let world = World::new();
    let key = world.connected().await;
    world.connections.mark_disconnecting(&world.find(&key).await, sample::NOW, "w").await.unwrap();
    let lease = sample::lease(sample::NOW);
    world.store.take_lease(&key, &lease, LeasePurpose::Disconnect).await.unwrap();

    let waiting = world.disconnect(&key, None).await;

    assert_eq!((waiting.result, waiting.retry_at), (DisconnectResult::Disconnecting, Some(lease.expires_at)));
    assert!(due_at(&world.find(&key).await) <= lease.expires_at);
    world.clock.advance(Duration::from_mins(2));
    sweep(&world, &key).await;
    assert_eq!(world.find(&key).await.state, ConnectionState::Disconnected);
}

#[tokio::test]
async fn a_provider_that_wants_an_access_token_gets_a_new_one_where_the_stored_one_has_ended() {
    let world = World::new();
    world.revocation.need_access(true);
    let key = world.connected().await;
    world.clock.advance(Duration::from_hours(2));

    assert_eq!(world.disconnect(&key, None).await.result, DisconnectResult::Disconnected);

    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.ended(), [world.provider.newest()]);
}

#[tokio::test]
async fn a_grant_that_is_dead_at_the_provider_ends_without_being_revoked() {
    let world = World::new();
    world.revocation.need_access(true);
    let key = world.connected().await;
    world.clock.advance(Duration::from_hours(2));
    world.kinds();
    world.provider.answer(Err(invalid_grant()));

    assert_eq!(world.disconnect(&key, None).await.result, DisconnectResult::Disconnected);

    assert_eq!(world.ended().len(), 0);
    let kinds = world.kinds();
    assert!(!kinds.contains(&EventKind::ConnectionReconnectRequired), "nobody is to reconnect: {kinds:?}");
}

#[tokio::test]
async fn a_token_that_the_provider_does_not_take_is_not_taken_for_the_end_of_its_grant() {
    for (refresh, asked) in [(Err(invalid_grant()), 1), (Ok(()), 2)] {
        let world = World::new();
        let key = world.connected().await;
        world.revocation.answer(Err(RevocationError::TokenRefused(Refusal::default())));
        if let Err(error) = refresh {
            world.provider.answer(Err(error));
        }

        assert_eq!(world.disconnect(&key, None).await.result, DisconnectResult::Disconnected);

        assert_eq!(world.refreshes(), 1, "the grant itself is asked");
        assert_eq!(world.ended().len(), asked, "and is revoked with its new token where it lives");
    }
}

#[tokio::test]
async fn a_connection_that_needs_a_reconnect_can_be_ended() {
    let world = World::new();
    let key = world.connected().await;
    world.provider.answer(Err(invalid_grant()));
    world.refresh(&key, Trigger::Manual).await;
    assert_eq!(world.find(&key).await.state, ConnectionState::ReconnectRequired);

    assert_eq!(world.disconnect(&key, None).await.result, DisconnectResult::Disconnected);
}

#[tokio::test]
async fn one_company_of_several_goes_and_the_others_stay() {
    let world = World::new();
    let tenant = sample::tenant();
    world.revocation.need_access(true);
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    assert_eq!(world.disconnect(&key, Some("a")).await.result, DisconnectResult::CompanyRemoved);

    assert_eq!(world.taken_off(), ["a"]);
    assert_eq!(world.connections.list_companies(&key).await.unwrap(), [company_of_xero("b")]);
    let route = company_of_xero("a").provider_id;
    assert!(world.connections.find_routes(Provider::Xero, &route).await.unwrap()[0].released);
    assert!(world.access().access_token(&key).await.is_ok(), "the others work on");

    assert_eq!(world.disconnect(&key, Some("b")).await.result, DisconnectResult::Disconnected);
    assert_eq!(
        world.find(&key).await.state,
        ConnectionState::Disconnected,
        "the last takes the connection along"
    );
}

#[tokio::test]
async fn whoever_exports_the_audit_log_finds_a_company_that_took_its_time_to_go() {
    let world = World::new();
    world.revocation.need_access(true);
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&sample::tenant())).await.unwrap().key;
    let the_provider_takes_its_time = async {
        while world.revocation.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        world.clock.advance(SETTLED + SETTLED);
    };

    tokio::join!(world.disconnect(&key, Some("a")), the_provider_takes_its_time);

    let told = world.audit.take().into_iter().find(|entry| entry.action == AuditAction::CompanyRemoved);
    assert_eq!(told.unwrap().id.made_at(), Some(world.clock.now()), "else it comes behind what was exported");
}

#[tokio::test]
async fn companies_that_go_at_once_take_their_connection_along() {
    let world = World::new();
    let tenant = sample::tenant();
    world.revocation.need_access(true);
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    tokio::join!(world.disconnect(&key, Some("a")), world.disconnect(&key, Some("b")));

    assert_eq!(world.connections.list_companies(&key).await.unwrap(), []);
    assert_eq!(world.find(&key).await.state, ConnectionState::Disconnected);
}

#[tokio::test]
async fn a_company_of_a_connection_that_is_ending_ends_with_it() {
    let world = World::new();
    let tenant = sample::tenant();
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    world.revocation.answer(Err(outage()));
    world.disconnect(&key, None).await;

    assert_eq!(world.disconnect(&key, Some("a")).await.result, DisconnectResult::Disconnected);

    let asked = world.revocation.asked();
    let Some(Revoked::Grant { companies, .. }) = asked.last() else { panic!("{asked:?}") };
    assert_eq!(companies.len(), 2, "both end at the provider");
}

#[tokio::test]
async fn a_provider_that_refuses_every_token_is_asked_later_and_later() {
    let world = World::new();
    let key = world.connected().await;
    for _ in 0..4 {
        world.revocation.answer(Err(RevocationError::TokenRefused(Refusal::default())));
    }

    let first = world.disconnect(&key, None).await;

    assert_eq!(first.error_class.as_deref(), Some("transient"));
    assert_eq!(world.refreshes(), 1, "one new token set tells enough");
    assert!(first.retry_at.is_some_and(|at| at <= sample::at(62)), "{first:?}");
}

#[tokio::test]
async fn one_company_of_several_stays_when_the_provider_does_not_let_it_go() {
    let world = World::new();
    let tenant = sample::tenant();
    world.revocation.need_access(true);
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    world.revocation.answer(Err(outage()));

    assert_eq!(world.disconnect(&key, Some("a")).await.result, DisconnectResult::CompanyKept);

    assert_eq!(world.connections.list_companies(&key).await.unwrap().len(), 2);
    assert_eq!(world.disconnect(&key, Some("c")).await.result, DisconnectResult::Missing);
}

#[tokio::test]
async fn a_company_that_was_given_up_comes_back_to_its_connection_or_goes_to_another_tenant() {
    let world = World::new();
    let (tenant, other) = (sample::tenant(), sample::tenant());
    let key = world.connect(&tenant, "815").await;
    world.disconnect(&key, None).await;

    assert_eq!(world.connect(&tenant, "815").await, key, "id, history, cursors and records are found again");
    assert!(world.access().access_token(&key).await.is_ok());

    world.disconnect(&key, None).await;
    let taken = world.connect(&other, "815").await;
    assert_eq!(taken.tenant, other);
}

#[tokio::test]
async fn a_reconnect_while_disconnecting_wins_and_its_company_stays() {
    let world = World::new();
    let tenant = sample::tenant();
    let key = world.connect(&tenant, "815").await;
    world.revocation.answer(Err(outage()));
    world.disconnect(&key, None).await;

    assert_eq!(world.connect(&tenant, "815").await, key);

    world.clock.advance(Duration::from_mins(10));
    assert!(world.access().access_token(&key).await.is_ok());
    let company = company(Provider::QuickBooks, "815").provider_id;
    let routes = world.connections.find_routes(Provider::QuickBooks, &company).await.unwrap();
    assert!(!routes[0].released);
}

#[tokio::test]
async fn a_connection_that_is_not_there_is_missing() {
    let world = World::new();

    assert_eq!(world.disconnect(&sample::key(), None).await.result, DisconnectResult::Missing);
}

//! Which connection the companies of a grant go to.

use std::sync::Arc;

use domain::{
    audit::AuditAction,
    authorization::{AuthorizationStore as _, CompleteError, ConnectFailure, ConnectSession},
    connection::{ConfirmOutcome, ConnectionKey, ConnectionState, ConnectionStore as _},
    event::EventKind,
    id::TenantId,
    provider::Provider,
    refresh::{RefreshOutcome, Trigger},
    secret::OneTimeValue,
};
use tests::sample;

use crate::{
    connect::failure,
    grants::company,
    world::{REDIRECT_URI, World, invalid_grant},
};

async fn companies(world: &World, key: &ConnectionKey) -> Vec<String> {
    let companies = world.connections.list_companies(key).await.unwrap();
    let mut ids: Vec<_> = companies.into_iter().map(|company| company.provider_id.to_string()).collect();
    ids.sort();
    ids
}

async fn owners(world: &World, id: &str) -> Vec<(TenantId, bool)> {
    let company = company(Provider::Xero, id);
    let routes = world.connections.find_routes(Provider::Xero, &company.provider_id).await.unwrap();
    routes.into_iter().map(|route| (route.key.tenant, route.released)).collect()
}

#[tokio::test]
async fn all_companies_of_a_grant_share_one_connection_and_each_is_synced_and_told_of() {
    let world = World::new();
    let tenant = sample::tenant();
    world.companies.grant(Provider::Xero, &["a", "b"], &["older"]);

    let completed = world.connect_xero(world.session(&tenant)).await.unwrap();

    assert_eq!(completed.companies, ["Company a", "Company b"]);
    assert_eq!(companies(&world, &completed.key).await, ["a", "b"], "what was not chosen is not connected");
    assert_eq!(world.sync_queue.take().len(), 2);
    assert_eq!(world.kinds(), [EventKind::ConnectionCreated, EventKind::ConnectionCreated]);
    assert_eq!(world.provider.spent().len(), 1, "one code, one token set");
}

#[tokio::test]
async fn a_reconnect_keeps_the_companies_that_the_new_tokens_reach() {
    let world = World::new();
    let tenant = sample::tenant();
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    world.companies.grant(Provider::Xero, &["a"], &["b"]);
    let again = world.connect_xero(world.session(&tenant)).await.unwrap();

    assert_eq!(again.key, key);
    assert_eq!(companies(&world, &key).await, ["a", "b"]);
}

#[tokio::test]
async fn a_grant_of_somebody_else_takes_no_company_off_a_connection_that_works() {
    let world = World::new();
    let tenant = sample::tenant();
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let first = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    world.companies.grant(Provider::Xero, &["a"], &[]);
    let second = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    assert_ne!(first, second);
    assert_eq!(companies(&world, &first).await, ["b"], "its own tokens still reach it");
    assert_eq!(companies(&world, &second).await, ["a"], "the newer grant has it");
    assert_eq!(world.find(&first).await.state, ConnectionState::Active);
}

#[tokio::test]
async fn nor_does_a_company_that_comes_back_after_it_was_taken_off() {
    let world = World::new();
    let tenant = sample::tenant();
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let first = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    world.disconnect(&first, Some("a")).await;

    world.companies.grant(Provider::Xero, &["a"], &[]);
    let second = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    assert_ne!(first, second);
    assert_eq!(
        (companies(&world, &first).await, companies(&world, &second).await),
        (vec!["b".to_owned()], vec!["a".to_owned()])
    );
}

#[tokio::test]
async fn a_dead_connection_comes_back_with_what_the_new_tokens_reach_and_gives_up_the_rest() {
    let world = World::new();
    let tenant = sample::tenant();
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    world.provider.answer(Err(invalid_grant()));
    world.refresh(&key, Trigger::Manual).await;

    world.companies.grant(Provider::Xero, &["a"], &[]);
    let again = world.connect_xero(world.session(&tenant)).await.unwrap();

    assert_eq!(again.key, key);
    assert_eq!(companies(&world, &key).await, ["a"]);
    assert_eq!(owners(&world, "b").await, [(tenant, true)], "another tenant may have it now");
}

#[tokio::test]
async fn a_company_moves_to_the_newer_grant_and_a_connection_left_without_any_is_ended() {
    let world = World::new();
    let tenant = sample::tenant();
    world.companies.grant(Provider::Xero, &["a"], &[]);
    let first = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    // Ids are in the order of their time.
    world.clock.advance(std::time::Duration::from_secs(1));
    world.companies.grant(Provider::Xero, &["b"], &[]);
    let second = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    assert_ne!(first, second, "two grants");

    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let both = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    assert_eq!(both, first, "the oldest stays");
    assert_eq!(companies(&world, &first).await, ["a", "b"]);
    assert_eq!(companies(&world, &second).await, Vec::<String>::new());
    assert_eq!(world.find(&second).await.state, ConnectionState::Disconnecting);
}

#[tokio::test]
async fn a_company_that_was_given_up_does_not_come_back_with_a_reconnect_once_others_have_it() {
    let world = World::new();
    let (tenant, other) = (sample::tenant(), sample::tenant());
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    world.disconnect(&key, None).await;
    world.companies.grant(Provider::Xero, &["a"], &[]);
    world.connect_xero(world.session(&other)).await.unwrap();

    // The same bookkeeper: the tokens of the reconnect reach the company of the other tenant, too.
    world.companies.grant(Provider::Xero, &["b"], &["a"]);
    let again = world.connect_xero(world.session(&tenant)).await.unwrap().key;

    assert_eq!(again, key);
    assert_eq!(companies(&world, &key).await, ["b"]);
    assert_eq!(owners(&world, "a").await, [(other, false)]);
}

#[tokio::test]
async fn companies_of_other_tenants_are_left_out_and_both_sides_are_told_in_the_audit_log() {
    let world = World::new();
    let (owner, other) = (sample::tenant(), sample::tenant());
    world.companies.grant(Provider::Xero, &["a"], &[]);
    world.connect_xero(world.session(&owner)).await.unwrap();
    world.audit.take();

    world.companies.grant(Provider::Xero, &["a", "b"], &[]);
    let completed = world.connect_xero(world.session(&other)).await.unwrap();

    assert_eq!(completed.companies, ["Company b"]);
    assert_eq!(owners(&world, "a").await, [(owner.clone(), false)]);
    let entries = world.audit.take();
    let told: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == AuditAction::CompanyOwnedElsewhere)
        .map(|entry| entry.tenant.as_ref())
        .collect();
    assert_eq!(told, [Some(&other), Some(&owner)]);

    world.companies.grant(Provider::Xero, &["a"], &[]);
    let refused = world.connect_xero(world.session(&other)).await;
    assert!(matches!(failure(refused), ConnectFailure::OwnedElsewhere));
}

#[tokio::test]
async fn whoever_was_to_reconnect_one_company_and_chooses_another_is_told_so() {
    let world = World::new();
    let tenant = sample::tenant();
    let key = world.connect(&tenant, "1111").await;
    let session = ConnectSession { reconnects: Some(key.connection.clone()), ..world.session(&tenant) };
    world.begun_with(session.clone(), "other", "browser").await;
    world.begun_with(session, "same", "browser").await;

    let refused = world.call_back("other", Some("browser"), "2222").await;

    assert!(matches!(failure(refused), ConnectFailure::DifferentCompany));
    assert_eq!(world.find(&key).await.tokens.unwrap().generation, 1, "the connection is as it was");
    assert_eq!(world.call_back("same", Some("browser"), "1111").await.unwrap().key, key);
}

#[tokio::test]
async fn two_tabs_finished_in_either_order_leave_one_working_connection() {
    for order in [["first", "second"], ["second", "first"]] {
        let world = World::new();
        let tenant = sample::tenant();
        world.begun(&tenant, "first", "cookie of the first tab").await;
        world.begun(&tenant, "second", "cookie of the second tab").await;

        let mut keys = vec![];
        for tab in order {
            let cookie = format!("cookie of the {tab} tab");
            keys.push(world.call_back(tab, Some(&cookie), "815").await.unwrap().key);
        }

        assert_eq!(keys[0], keys[1], "{order:?}");
        let listed = world.connections.list(Some(&tenant), 10, None).await.unwrap();
        assert_eq!(listed.connections.len(), 1);
        assert_eq!(world.refresh(&keys[0], Trigger::Manual).await.outcome, RefreshOutcome::Refreshed);
        assert!(world.access().access_token(&keys[0]).await.is_ok());
    }
}

#[tokio::test]
async fn two_callbacks_at_once_for_one_company_leave_one_connection() {
    let world = Arc::new(World::new());
    let tenant = sample::tenant();
    for tab in ["first", "second"] {
        world.begun(&tenant, tab, "browser").await;
    }

    let (first, second) = tokio::join!(
        world.call_back("first", Some("browser"), "815"),
        world.call_back("second", Some("browser"), "815")
    );

    assert_eq!(first.unwrap().key, second.unwrap().key);
}

#[tokio::test]
async fn a_connection_to_be_confirmed_is_kept_alive_and_used_by_nobody_before() {
    let world = World::new();
    let tenant = sample::tenant();
    let session = ConnectSession { confirm: true, ..world.session(&tenant) };
    world.begun_with(session, "state", "browser").await;

    let completed = world.call_back("state", Some("browser"), "815").await.unwrap();

    let key = completed.key;
    assert_eq!(completed.state, ConnectionState::Pending);
    assert_eq!(world.sync_queue.take().len(), 0, "nothing is read before it is confirmed");
    assert!(world.access().access_token(&key).await.is_err());
    assert_eq!(world.refresh(&key, Trigger::Manual).await.outcome, RefreshOutcome::Refreshed);

    assert_eq!(world.connections.confirm(&key, "w1").await.unwrap(), ConfirmOutcome::Active);
    assert!(world.access().access_token(&key).await.is_ok());
    assert_eq!(world.connections.confirm(&key, "w2").await.unwrap(), ConfirmOutcome::Active);
}

#[tokio::test]
async fn a_reconnect_to_be_confirmed_brings_no_working_connection_to_a_halt() {
    let world = World::new();
    let tenant = sample::tenant();
    let key = world.connect(&tenant, "815").await;
    let session = ConnectSession { confirm: true, ..world.session(&tenant) };
    world.begun_with(session, "again", "browser").await;

    assert_eq!(world.call_back("again", Some("browser"), "815").await.unwrap().key, key);

    assert!(world.access().access_token(&key).await.is_ok());
}

#[tokio::test]
async fn a_grant_that_is_smaller_than_what_was_asked_for_is_marked() {
    let world = World::new();
    let mut tokens = world.provider.fresh();
    tokens.scopes = Some(vec!["openid".to_owned()]);
    world.provider.answer(Ok(tokens));

    let key = world.connected().await;

    let connection = world.find(&key).await;
    assert_eq!(
        (connection.scopes, connection.reason.as_deref()),
        (vec!["openid".to_owned()], Some("insufficient_scope"))
    );
}

#[tokio::test]
async fn a_verifier_is_sent_exactly_where_a_challenge_was() {
    let world = World::new();
    let tenant = sample::tenant();
    world.begun(&tenant, "plain", "browser").await;
    world.call_back("plain", Some("browser"), "815").await.unwrap();
    let session = world.session(&tenant);
    world.begun_with(session.clone(), "unused", "browser").await;
    let domain::authorization::ConsumeOutcome::Consumed(request) = world
        .authorizations
        .consume_request(
            &domain::authorization::hash(&OneTimeValue::new("unused")),
            (Provider::QuickBooks, &domain::authorization::hash(&OneTimeValue::new("browser"))),
            sample::NOW,
        )
        .await
        .unwrap()
    else {
        panic!("it is there")
    };
    let proven = domain::authorization::AuthorizationRequest {
        state_hash: domain::authorization::hash(&OneTimeValue::new("proven")),
        pkce: true,
        ..request
    };
    world.authorizations.insert_request(&proven).await.unwrap();
    world.call_back("proven", Some("browser"), "815").await.unwrap();

    let exchanged = world.provider.exchanged();
    let proven: Vec<_> = exchanged.iter().map(|exchanged| exchanged.verifier.is_some()).collect();
    assert_eq!(proven, [false, true]);
}

#[tokio::test]
async fn a_refusal_at_the_provider_is_audited_with_the_providers_own_word() {
    let world = World::new();
    let tenant = sample::tenant();
    world.begun(&tenant, "state", "browser").await;
    let mut callback = World::callback(Provider::QuickBooks, "state", Some("browser"), None);
    callback.answer = domain::authorization::CallbackAnswer::Refused { error: "access_denied".to_owned() };

    let refused = world.connector().complete(callback, REDIRECT_URI).await;

    assert!(matches!(failure(refused), ConnectFailure::Refused { error: Some(_) }));
    let entries = world.audit.take();
    assert_eq!(entries[0].action, AuditAction::ConnectionRefused);
    assert_eq!(
        (entries[0].tenant.as_ref(), entries[0].reason.as_deref()),
        (Some(&tenant), Some("access_denied"))
    );
    let again = World::callback(Provider::QuickBooks, "state", Some("browser"), Some("1"));
    let again = world.connector().complete(again, REDIRECT_URI).await;
    assert!(matches!(again, Err(CompleteError::StateUsed)), "the state is used up");
}

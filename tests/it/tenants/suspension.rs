//! A suspended tenant: its tokens live on, and nothing else is done for it; afterwards nothing is missing.

use std::time::Duration;

use domain::{
    api_key::Role,
    audit::AuditAction,
    authorization::{CompleteError, ConnectFailure, ConnectSession},
    clock::Clock as _,
    connection::ConnectionState,
    refresh::{RefreshOutcome, policy::later},
    sync::{JobLog as _, JobState, Lane, LaneMessage, Next, SyncMode},
    tenant::{Halted, TenantState},
};
use serde_json::json;
use tests::sample;

use super::{actions, administered, code, patch};
use crate::{api_world::ApiWorld, connect::failure, sync::Books};

const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn nothing_is_begun_for_a_suspended_tenant_and_its_tokens_are_kept_alive() {
    let (world, tenant, api) = administered().await;
    let key = world.connect(&tenant, "1").await;
    drop((world.sync_queue.take(), actions(&world)));

    let (_, suspended) = patch(&api, &tenant, json!({"state": "suspended"})).await;

    assert_eq!(suspended["state"], "suspended");
    assert_eq!(actions(&world), [AuditAction::TenantSuspended]);
    let connection = &key.connection;
    for (method, path, body) in [
        ("POST", "/api/connect-sessions".to_owned(), Some(json!({"tenantId": tenant}))),
        (
            "POST",
            "/api/jobs".to_owned(),
            Some(json!({"tenantId": tenant, "provider": "quickbooks", "operation": "sync_all"})),
        ),
        ("GET", format!("/api/proxy/{connection}/query"), None),
    ] {
        assert_eq!(code(&api.call(method, &path, body).await), "403 TENANT_SUSPENDED", "{path}");
    }
    let (status, _) = api.call("GET", &format!("/api/connections/{connection}"), None).await;
    assert_eq!(status, 200, "it can still be looked at");
    world.clock.advance(LONG);
    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);
}

#[tokio::test]
async fn a_connection_that_waits_is_not_confirmed_while_its_tenant_is_halted() {
    let (world, tenant, api) = administered().await;
    let session = ConnectSession { confirm: true, ..world.session(&tenant) };
    world.begun_with(session, "state", "browser").await;
    let key = world.call_back("state", Some("browser"), "1").await.unwrap().key;
    let path = format!("/api/connections/{}/confirm", key.connection);

    for (state, refusal) in
        [(TenantState::Suspended, "403 TENANT_SUSPENDED"), (TenantState::Deleting, "409 TENANT_DELETING")]
    {
        world.tenant(&tenant, |tenant| tenant.state = state);
        world.clock.advance(Duration::from_secs(30));
        let confirmed = api.call("POST", &path, Some(json!({"tenantId": tenant}))).await;
        assert_eq!(code(&confirmed), refusal);
        assert_eq!(world.find(&key).await.state, ConnectionState::Pending);
    }
    assert_eq!(world.sync_queue.take().len(), 0, "and no sync was ordered");
}

#[tokio::test]
async fn whoever_comes_back_meanwhile_renews_a_connection_and_makes_none() {
    let (world, tenant, _api) = administered().await;
    let key = world.connect(&tenant, "1").await;
    for state in ["new", "again"] {
        world.begun(&tenant, state, "browser").await;
    }
    world.tenant(&tenant, |tenant| tenant.state = TenantState::Suspended);

    let refused = failure(world.call_back("new", Some("browser"), "2").await);
    let renewed = world.call_back("again", Some("browser"), "1").await.unwrap();

    assert!(matches!(refused, ConnectFailure::Halted(Halted::Suspended)), "{refused:?}");
    assert_eq!(renewed.key, key);
}

#[tokio::test]
async fn whoever_comes_back_to_a_tenant_that_ends_or_is_gone_makes_nothing() {
    let (world, tenant, _api) = administered().await;
    let key = world.connect(&tenant, "1").await;
    for (state, halted) in [("deleting", Halted::Deleting), ("gone", Halted::Gone)] {
        world.begun(&tenant, state, "browser").await;
        world.tenant(&tenant, |tenant| tenant.state = TenantState::Deleting);
        if halted == Halted::Gone {
            domain::tenant::TenantStore::remove(&*world.tenants, &tenant).await.unwrap();
        }
        let spent = world.provider.spent().len();

        let refused = world.call_back(state, Some("browser"), "1").await;

        let Err(CompleteError::Failed { failure: ConnectFailure::Halted(found), .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(found, halted);
        assert_eq!(world.provider.spent().len(), spent, "not even the code is spent");
    }
    assert_eq!(world.find(&key).await.tokens.unwrap().generation, 1);
}

#[tokio::test]
async fn a_job_on_its_way_fails_with_its_reason_and_is_not_buried() {
    let books = Books::new().await;
    books.fill(1, i64::from);
    let job = books.job(SyncMode::Full);
    books.world.tenant(&books.key.tenant, |tenant| tenant.state = TenantState::Suspended);

    let (next, written) = books.runner().work(&job, Lane::Low, later(books.world.clock.now(), LONG)).await;

    assert_eq!((next, written), (Next::Done, 0));
    let record = books.jobs.find(&job.job_id).await.unwrap().unwrap();
    assert_eq!(record.state, JobState::Failed);
    assert_eq!(record.error.unwrap().code, "TENANT_SUSPENDED");
    assert_eq!(books.stored().await, []);
}

#[tokio::test]
async fn when_it_works_again_every_company_is_asked_for_what_changed_meanwhile() {
    let books = Books::new().await;
    let (world, tenant) = (&books.world, books.key.tenant.clone());
    let api = ApiWorld::new(world, Role::Admin, None).await;
    patch(&api, &tenant, json!({"state": "suspended", "settings": {"syncSchedule": "off"}})).await;
    books.ledger.put(sample::invoice("7", world.clock.now(), 1));
    drop((world.sync_queue.take(), actions(world)));

    let (_, resumed) = patch(&api, &tenant, json!({"state": "active"})).await;

    assert_eq!((&resumed["state"], actions(world)), (&json!("active"), vec![AuditAction::TenantResumed]));
    let sent = world.sync_queue.take();
    let [(Lane::Low, LaneMessage::CatchUp(mark))] = sent.as_slice() else { panic!("{sent:?}") };
    world.catch_up().run(mark.clone(), later(world.clock.now(), LONG)).await.unwrap();
    let sent = world.sync_queue.take();
    let [(Lane::Low, LaneMessage::Job(job))] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!((&job.key, job.mode), (&books.key, SyncMode::Incremental));
    books.run(job, LONG).await.unwrap();
    assert_eq!(books.stored().await, [("7".to_owned(), 1)]);
    assert_eq!(code(&patch(&api, &tenant, json!({"name": "Acme"})).await), "200");
    assert_eq!(world.sync_queue.take().len(), 0, "other changes order nothing");
}

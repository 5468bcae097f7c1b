//! The end of a tenant: first nobody can open a token of it any more, and at last nothing of it is left.

use std::{sync::Arc, time::Duration};

use domain::{
    access::AccessError,
    api_key::{ApiKeyStore as _, NewApiKey, Role},
    audit::AuditAction,
    authorization::{CompleteError, ConnectFailure},
    clock::Clock as _,
    connection::{ConnectionKey, ConnectionState, ConnectionStore as _},
    entropy::SystemEntropy,
    erasure::{Erased, Eraser, ErasureMark, QUIET},
    id::TenantId,
    limits::{Usage, UsageStore as _},
    provider::Provider,
    refresh::{Trigger, policy::later},
    sync::{
        Entity, JobLog as _, JobRecord, Lane, LaneMessage, RecordPlace, RecordStore as _, SyncCursor,
        SyncJob, WalkStore as _,
    },
    tenant::{Halted, TenantState, TenantStore as _},
    token::{Refusal, RevocationError},
    user::{User, UserStore as _},
};
use jiff::civil::date;
use lambda_http::http::StatusCode;
use serde_json::json;
use tests::{
    memory::{InMemoryRecords, InProcessRefresh},
    sample,
};

use super::{actions, code, patch};
use crate::{
    api_world::ApiWorld,
    grants::company,
    world::{FUNCTION_LIFE, World},
};

/// What the `sync` function may take.
const LONG: Duration = Duration::from_secs(295);
const DAYS: (jiff::civil::Date, jiff::civil::Date) = (date(2026, 1, 1), date(2026, 12, 31));

/// A world with two tenants who have everything that a tenant can have.
pub(super) struct Town {
    pub(super) world: World,
    pub(super) records: Arc<InMemoryRecords>,
    pub(super) leaving: TenantId,
    pub(super) neighbor: TenantId,
    jobs: Vec<JobRecord>,
}

impl Town {
    pub(super) async fn new() -> Self {
        let (leaving, neighbor) = (sample::tenant(), sample::tenant());
        let mut town = Self { world: World::new(), records: Arc::default(), leaving, neighbor, jobs: vec![] };
        for (tenant, suffix) in [(town.leaving.clone(), "1"), (town.neighbor.clone(), "2")] {
            town.settle(&tenant, suffix).await;
        }
        drop(town.world.sync_queue.take());
        town.world.audit.take();
        town
    }

    /// Three connections of a tenant, one of which has ended and one of which has lost a company, with all that comes of them.
    async fn settle(&mut self, tenant: &TenantId, suffix: &str) {
        let world = &self.world;
        let quickbooks =
            [world.connect(tenant, suffix).await, world.connect(tenant, &format!("9{suffix}")).await];
        world.disconnect(&quickbooks[1], None).await;
        let (kept, left) = (format!("a{suffix}"), format!("b{suffix}"));
        world.companies.grant(Provider::Xero, &[&kept, &left], &[]);
        let xero = world.connect_xero(world.session(tenant)).await.unwrap().key;
        world.disconnect(&xero, Some(&left)).await;
        world.companies.forget();
        let places = [
            (&quickbooks[0], company(Provider::QuickBooks, suffix)),
            (&quickbooks[1], company(Provider::QuickBooks, &format!("9{suffix}"))),
            (&xero, company(Provider::Xero, &kept)),
            (&xero, company(Provider::Xero, &left)),
        ];
        for (key, company) in places {
            let place = RecordPlace { tenant: tenant.clone(), company: company.id.clone() };
            let records: Vec<_> =
                (0..3).map(|n| sample::invoice(&n.to_string(), sample::at(-n), 1)).collect();
            self.records.put_if_newer(&place, &records, "w").await.unwrap();
            let cursor = SyncCursor { job: Some(sample::ids().job()), ..SyncCursor::default() };
            self.records.save_cursor(&place, Entity::Invoices, &cursor).await.unwrap();
            let job = SyncJob::full(sample::ids().job(), key.clone(), company.id);
            let job = JobRecord::new(job, Lane::Low, sample::NOW);
            world.job_log.create(std::slice::from_ref(&job)).await.unwrap();
            self.jobs.push(job);
        }
        let used = (Provider::Xero, date(2026, 3, 1));
        world.usage.add(tenant, used, &Usage { calls: 1, bytes: 1 }).await.unwrap();
        let id = "u1".parse().unwrap();
        let person = User { id, tenant: tenant.clone(), role: Role::Viewer, created_at: sample::NOW };
        world.users.put(&person, 10).await.unwrap();
        let key = NewApiKey {
            name: "bound".to_owned(),
            scopes: Role::Viewer.scopes(),
            tenant: Some(tenant.clone()),
            user: None,
            expires_at: None,
        };
        let (key, _) = key.issue("test", sample::NOW, &SystemEntropy);
        world.api_keys.insert(&key).await.unwrap();
    }

    pub(super) fn eraser(&self) -> Eraser {
        let world = &self.world;
        Eraser {
            tenants: world.tenants.clone(),
            connections: world.connections.clone(),
            refresh: Arc::new(InProcessRefresh(world.refresher.clone())),
            books: self.records.clone(),
            jobs: world.job_log.clone(),
            keys: world.api_keys.clone(),
            users: world.users.clone(),
            usage: world.usage.clone(),
            queue: world.sync_queue.clone(),
            audit: world.audit.clone(),
            clock: world.clock.clone(),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// The mark of a tenant that somebody asked to be deleted.
    pub(super) fn condemned(&self) -> ErasureMark {
        self.world.tenant(&self.leaving, |tenant| tenant.state = TenantState::Deleting);
        ErasureMark { tenant: self.leaving.clone(), ended_at: None }
    }

    pub(super) async fn run(&self, eraser: &Eraser, mark: &ErasureMark) -> Erased {
        eraser.run(mark, later(self.world.clock.now(), LONG)).await.unwrap()
    }

    /// The marks on the low lane.
    pub(super) fn marks(&self) -> Vec<ErasureMark> {
        let mark = |(lane, message)| match message {
            LaneMessage::Erase(mark) => {
                assert_eq!(lane, Lane::Low);
                Some(mark)
            }
            LaneMessage::Job(_) | LaneMessage::CatchUp(_) => None,
        };
        self.world.sync_queue.take().into_iter().filter_map(mark).collect()
    }

    /// Works on marks, and on what comes of them, until nothing is to come any more.
    pub(super) async fn work_off(&self, mut waiting: Vec<ErasureMark>) {
        let eraser = self.eraser();
        for _ in 0..100 {
            waiting.extend(self.marks());
            let Some(mark) = waiting.pop() else { return };
            if let Erased::Waits { after } = self.run(&eraser, &mark).await {
                self.world.clock.advance(after);
                self.sweep().await;
                waiting.insert(0, mark);
            }
        }
        panic!("it comes to an end");
    }

    /// Drives on what is being ended.
    async fn sweep(&self) {
        let deadline = later(self.world.clock.now(), FUNCTION_LIFE);
        for key in self.keys(&self.leaving).await {
            if self.world.find(&key).await.state == ConnectionState::Disconnecting {
                self.world.refresher.end(&key, deadline).await.unwrap();
            }
        }
    }

    async fn keys(&self, tenant: &TenantId) -> Vec<ConnectionKey> {
        let page = self.world.connections.list(Some(tenant), 100, None).await.unwrap();
        page.connections.into_iter().map(|connection| connection.key).collect()
    }

    /// Whether anything is kept of a tenant: connections, books, jobs, usage, users, keys, itself.
    pub(super) async fn kept(&self, tenant: &TenantId) -> [bool; 7] {
        let world = &self.world;
        let mut jobs = false;
        for job in self.jobs.iter().filter(|job| job.job.key.tenant == *tenant) {
            jobs |= world.job_log.find(&job.job.job_id).await.unwrap().is_some();
        }
        [
            !self.keys(tenant).await.is_empty(),
            self.records.has_any_of(tenant),
            jobs,
            !world.usage.list(tenant, DAYS).await.unwrap().is_empty(),
            !world.users.list(tenant).await.unwrap().is_empty(),
            !world.api_keys.list(Some(tenant), 10, None).await.unwrap().keys.is_empty(),
            world.tenants.find(tenant).await.unwrap().is_some(),
        ]
    }

    /// Fails unless one tenant is gone without a trace, and the other has all that it had.
    pub(super) async fn assert_one_is_gone(&self) {
        assert_eq!(self.kept(&self.leaving).await, [false; 7]);
        assert_eq!(self.kept(&self.neighbor).await, [true; 7]);
        let keys = self.keys(&self.neighbor).await;
        assert_eq!(keys.len(), 3);
        assert!(self.world.access().access_token(&keys[0]).await.is_ok());
        assert_eq!(self.world.connections.list_companies(&keys[0]).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_deleted_tenant_is_unusable_at_once_revoked_and_then_gone_without_a_trace() {
    let town = Town::new().await;
    let (world, tenant) = (&town.world, &town.leaving);
    let api = ApiWorld::new(world, Role::Admin, None).await;
    let path = format!("/api/tenants/{tenant}");
    let keys = town.keys(tenant).await;
    let revoked = world.ended().len();

    let (status, body) = api.call("DELETE", &path, None).await;

    assert_eq!((status, &body["state"]), (StatusCode::ACCEPTED, &json!("deleting")));
    assert_eq!(code(&patch(&api, tenant, json!({"state": "active"})).await), "409 TENANT_DELETING");
    let marks = town.marks();
    assert_eq!(marks, [ErasureMark { tenant: tenant.clone(), ended_at: None }]);
    let eraser = town.eraser();
    assert_eq!(town.run(&eraser, &marks[0]).await, Erased::Continued);
    for key in &keys {
        let token = world.access().access_token(key).await;
        assert!(matches!(token, Err(AccessError::NotUsable(ConnectionState::Disconnected))));
        assert_eq!(world.find(key).await.tokens, None, "its keys are destroyed with it");
    }
    assert_eq!(world.ended().len(), revoked + 2);
    assert_eq!(town.kept(tenant).await, [true; 7], "all else stays until nobody can be at it any more");

    let marks = town.marks();
    assert_eq!(marks, [ErasureMark { tenant: tenant.clone(), ended_at: Some(world.clock.now()) }]);
    assert_eq!(town.run(&eraser, &marks[0]).await, Erased::Waits { after: QUIET });
    assert_eq!(api.call("GET", &path, None).await.0, StatusCode::OK);
    world.clock.advance(QUIET);
    assert_eq!(town.run(&eraser, &marks[0]).await, Erased::Done);

    town.assert_one_is_gone().await;
    for method in ["GET", "DELETE"] {
        assert_eq!(code(&api.call(method, &path, None).await), "404 TENANT_NOT_FOUND");
    }
    let told = actions(world);
    assert_eq!(told.first(), Some(&AuditAction::TenantDeletionRequested));
    assert_eq!(told.last(), Some(&AuditAction::TenantDeleted));
    assert_eq!(
        town.run(&eraser, &marks[0]).await,
        Erased::Done,
        "a message that comes once more finds nobody"
    );
}

#[tokio::test]
async fn to_ask_twice_deletes_once_and_the_id_is_free_again_for_another_tenant() {
    let town = Town::new().await;
    let api = ApiWorld::new(&town.world, Role::Admin, None).await;
    let path = format!("/api/tenants/{}", town.leaving);
    let former = town.keys(&town.leaving).await;
    for _ in 0..2 {
        assert_eq!(api.call("DELETE", &path, None).await.0, StatusCode::ACCEPTED);
    }
    let marks = town.marks();
    assert_eq!(marks.len(), 2, "a message that was lost is sent again");

    town.work_off(marks).await;

    town.assert_one_is_gone().await;
    let new = json!({"tenantId": town.leaving, "name": "Another"});
    assert_eq!(code(&api.call("POST", "/api/tenants", Some(new)).await), "201");
    let stale = ErasureMark { tenant: town.leaving.clone(), ended_at: Some(sample::NOW) };
    town.work_off(vec![stale]).await;
    assert!(
        town.kept(&town.leaving).await[6],
        "what is left of the old one's messages harms the new one nothing"
    );
    let connected = town.world.connect(&town.leaving, "1").await;
    assert!(town.world.access().access_token(&connected).await.is_ok(), "its old route leads to nobody");
    assert!(!former.contains(&connected), "nor does the history of the old one become the new one's");
}

#[tokio::test]
async fn a_provider_that_is_out_makes_it_wait_and_keeps_nobody_from_being_ended_elsewhere() {
    let town = Town::new().await;
    let (world, mark) = (&town.world, town.condemned());
    let outage = || {
        let refusal = Refusal { status: Some(503), ..Refusal::default() };
        RevocationError::Unavailable { refusal, retry_after: None, source: None }
    };
    world.revocation.answer(Err(outage()));

    let first = town.run(&town.eraser(), &mark).await;

    assert!(matches!(first, Erased::Waits { .. }), "{first:?}");
    let mut states = vec![];
    for key in town.keys(&town.leaving).await {
        states.push(world.find(&key).await.state);
        assert!(world.access().access_token(&key).await.is_err(), "none is usable");
    }
    states.sort_by_key(|state| state.as_str());
    let (ended, waits) = (ConnectionState::Disconnected, ConnectionState::Disconnecting);
    assert_eq!(states, [ended, ended, waits]);
    assert_eq!(town.kept(&town.leaving).await, [true; 7]);
    town.work_off(vec![mark]).await;
    town.assert_one_is_gone().await;
}

#[tokio::test]
async fn work_without_time_goes_on_with_another_message_and_each_does_some_of_it() {
    let town = Town::new().await;
    let mark = town.condemned();
    let (eraser, now) = (town.eraser(), town.world.clock.now());

    let none = eraser.run(&mark, later(now, Duration::from_secs(10))).await.unwrap();

    assert_eq!((none, town.marks()), (Erased::Continued, vec![mark.clone()]));
    town.work_off(vec![mark]).await;
    town.assert_one_is_gone().await;
}

#[tokio::test]
async fn only_a_tenant_that_is_to_be_deleted_is() {
    let town = Town::new().await;
    for state in [TenantState::Active, TenantState::Suspended] {
        town.world.tenant(&town.leaving, |tenant| tenant.state = state);
        let mark = ErasureMark { tenant: town.leaving.clone(), ended_at: Some(sample::NOW) };
        town.work_off(vec![mark]).await;
        assert_eq!(town.kept(&town.leaving).await, [true; 7]);
    }
}

#[tokio::test]
async fn a_connection_that_needs_a_reconnect_or_was_never_confirmed_ends_with_its_tenant() {
    let town = Town::new().await;
    let world = &town.world;
    let mut session = world.session(&town.leaving);
    session.confirm = true;
    world.begun_with(session, "pending", "browser").await;
    let pending = world.call_back("pending", Some("browser"), "77").await.unwrap();
    assert_eq!(pending.state, ConnectionState::Pending);
    let dead = world.connect(&town.leaving, "78").await;
    world.provider.answer(Err(crate::world::invalid_grant()));
    world.refresh(&dead, Trigger::Manual).await;
    assert_eq!(world.find(&dead).await.state, ConnectionState::ReconnectRequired);

    let mark = town.condemned();
    town.work_off(vec![mark]).await;

    town.assert_one_is_gone().await;
}

#[tokio::test]
async fn a_link_of_a_tenant_that_is_gone_connects_nothing_to_the_next_one_with_its_id() {
    let town = Town::new().await;
    let world = &town.world;
    let api = ApiWorld::new(world, Role::Admin, None).await;
    let mark = town.condemned();
    world.begun_with(world.session(&town.leaving), "old", "browser").await;
    town.work_off(vec![mark]).await;
    let new = json!({"tenantId": town.leaving, "name": "Another"});
    assert_eq!(code(&api.call("POST", "/api/tenants", Some(new)).await), "201");

    let answer = world.call_back("old", Some("browser"), "79").await;

    let gone = ConnectFailure::Halted(Halted::Gone).to_string();
    assert!(
        matches!(answer, Err(CompleteError::Failed { ref failure, .. }) if failure.to_string() == gone),
        "{answer:?}"
    );
    assert!(town.keys(&town.leaving).await.is_empty());
    world.begun_with(world.session(&town.leaving), "new", "browser").await;
    assert!(world.call_back("new", Some("browser"), "79").await.is_ok());
}

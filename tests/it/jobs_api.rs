//! Jobs as a product's backend asks for them and sees what becomes of them, and records as it polls them.

use std::sync::Arc;

use api::TenancyStores;
use domain::{
    api_key::Role,
    connection::{ConnectionKey, ConnectionStore as _},
    id::{CompanyId, ProviderCompanyId, TenantId},
    provider::Provider,
    sync::{
        Entity, EntityProgress, JobError, JobLog as _, JobRecord, JobState, Lane, LaneMessage, RecordPlace,
        RecordStore as _, SyncJob, SyncMode,
    },
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::{
    memory::InMemoryRecords,
    sample::{self, at},
};

use crate::{api_world::ApiWorld, events, world::World};

const REALM: &str = "4620816365";
const OTHER_REALM: &str = "4620816366";

/// The jobs on the lanes, with their lanes.
fn queued(world: &World) -> Vec<(Lane, SyncJob)> {
    let job = |(lane, message)| match message {
        LaneMessage::Job(job) => (lane, job),
        other => panic!("{other:?} is no job"),
    };
    world.sync_queue.take().into_iter().map(job).collect()
}

/// A tenant with one company at QuickBooks, and the API for a key that is bound to it.
async fn connected() -> (World, TenantId, ConnectionKey, ApiWorld) {
    let (world, tenant) = (World::new(), sample::tenant());
    let key = world.connect(&tenant, REALM).await;
    drop(queued(&world));
    let api = ApiWorld::new(&world, Role::Operator, Some(&tenant)).await;
    (world, tenant, key, api)
}

async fn post(api: &ApiWorld, body: Value) -> (StatusCode, Value) {
    api.call("POST", "/api/jobs", Some(body)).await
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_job_is_remembered_queued_and_shown() {
    let (world, tenant, key, api) = connected().await;

    let (status, body) = post(&api, json!({"provider": "quickbooks", "operation": "sync_invoices"})).await;

    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let id = body["jobId"].as_str().unwrap().to_owned();
    assert_eq!(body["statusUrl"], format!("https://bundle.example/api/jobs/{id}"));
    let [(lane, job)] = queued(&world).try_into().unwrap();
    assert_eq!((lane, job.job_id.as_str(), &job.key), (Lane::Normal, id.as_str(), &key));
    assert_eq!((job.entities, job.mode), (vec![Entity::Invoices], SyncMode::Incremental));
    assert!(job.correlation_id.is_some());
    let (status, shown) = api.call("GET", &format!("/api/jobs/{id}"), None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        shown,
        json!({
            "jobId": id, "tenantId": tenant, "provider": "quickbooks", "connectionId": key.connection,
            "companyId": format!("quickbooks_{REALM}"), "operation": "sync_invoices", "mode": "incremental",
            "priority": "normal", "state": "waiting", "createdAt": "2100-01-01T00:00:00Z", "attempts": 0,
            "progress": {"pages": 0, "records": 0, "percent": 0, "entities": {}},
        })
    );
}

#[tokio::test]
async fn everything_that_a_job_may_say_is_taken_and_anything_else_is_refused() {
    let (world, tenant, _, api) = connected().await;
    for company in [REALM.to_owned(), format!("quickbooks_{REALM}")] {
        let wanted = json!({
            "tenantId": tenant, "provider": "quickbooks", "companyId": company, "operation": "sync_all",
            "mode": "full", "priority": "high",
        });
        let (status, body) = post(&api, wanted).await;

        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        let [(lane, job)] = queued(&world).try_into().unwrap();
        assert_eq!((lane, job.mode, job.entities), (Lane::High, SyncMode::Full, Entity::ALL.to_vec()));
    }
    let good = json!({"provider": "quickbooks", "operation": "sync_all"});
    for (change, status, expected) in [
        (json!({"operation": "sync_cats"}), StatusCode::BAD_REQUEST, "VALIDATION_FAILED"),
        (json!({"operation": "invoices"}), StatusCode::BAD_REQUEST, "VALIDATION_FAILED"),
        (json!({"mode": "some"}), StatusCode::BAD_REQUEST, "VALIDATION_FAILED"),
        (json!({"priority": "highest"}), StatusCode::BAD_REQUEST, "VALIDATION_FAILED"),
        (json!({"extra": 1}), StatusCode::BAD_REQUEST, "VALIDATION_FAILED"),
        (json!({"companyId": "a#b"}), StatusCode::BAD_REQUEST, "VALIDATION_FAILED"),
        (json!({"provider": "sage"}), StatusCode::NOT_FOUND, "PROVIDER_UNKNOWN"),
        (json!({"provider": "xero"}), StatusCode::NOT_FOUND, "CONNECTION_NOT_FOUND"),
        (json!({"companyId": "1"}), StatusCode::NOT_FOUND, "CONNECTION_NOT_FOUND"),
        (json!({"companyId": "xero_1"}), StatusCode::NOT_FOUND, "CONNECTION_NOT_FOUND"),
        (json!({"tenantId": "somebody-else"}), StatusCode::NOT_FOUND, "TENANT_NOT_FOUND"),
    ] {
        let mut wanted = good.clone();
        wanted.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (answered, body) = post(&api, wanted).await;
        assert_eq!((answered, code(&body)), (status, expected), "{change}: {body}");
    }
    assert_eq!(queued(&world).len(), 0);
}

#[tokio::test]
async fn a_tenant_with_several_companies_names_one() {
    let (world, tenant, _, api) = connected().await;
    world.connect(&tenant, OTHER_REALM).await;
    drop(queued(&world));
    let job = json!({"provider": "quickbooks", "operation": "sync_all"});

    let (status, body) = post(&api, job.clone()).await;

    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "CONNECTION_AMBIGUOUS"), "{body}");
    let mut companies: Vec<_> = body["error"]["details"]["companyIds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    companies.sort_unstable();
    assert_eq!(companies, [format!("quickbooks_{REALM}"), format!("quickbooks_{OTHER_REALM}")]);
    let mut job = job;
    job["companyId"] = json!(OTHER_REALM);
    assert_eq!(post(&api, job).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_key_for_all_tenants_names_the_tenant_or_the_company() {
    let (world, tenant, ..) = connected().await;
    let api = ApiWorld::new(&world, Role::Admin, None).await;
    let job = |more: Value| {
        let mut job = json!({"provider": "quickbooks", "operation": "sync_all"});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job
    };

    let (status, body) = post(&api, job(json!({}))).await;
    assert_eq!((status, &body["error"]["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("tenantId")));

    assert_eq!(post(&api, job(json!({"tenantId": tenant}))).await.0, StatusCode::ACCEPTED);
    assert_eq!(post(&api, job(json!({"companyId": REALM}))).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_connection_that_cannot_be_used_gets_no_job() {
    let (world, _, key, api) = connected().await;
    world.provider.answer(Err(crate::world::invalid_grant()));
    world.manual(&key).await;

    let (status, body) = post(&api, json!({"provider": "quickbooks", "operation": "sync_all"})).await;

    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "AUTH_REFRESH_TOKEN_EXPIRED"), "{body}");
    assert_eq!(queued(&world).len(), 0);
}

#[tokio::test]
async fn a_job_that_cannot_be_queued_is_seen_as_failed() {
    let (world, _, key, api) = connected().await;
    world.sync_queue.set_down(true);

    let (status, body) = post(&api, json!({"provider": "quickbooks", "operation": "sync_all"})).await;

    assert_eq!((status, code(&body)), (StatusCode::SERVICE_UNAVAILABLE, "STORAGE_UNAVAILABLE"), "{body}");
    let counts = world.job_log.counts(Provider::QuickBooks, at(-1)).await.unwrap();
    assert_eq!((counts.waiting, counts.failed), (1, 1), "the first sync of the connection still waits");
    let companies = world.connections.list_companies(&key).await.unwrap();
    world.orders().start_first(sample::ids(), (&key, &companies), &"corr_1".parse().unwrap()).await;
    assert_eq!(world.job_log.counts(Provider::QuickBooks, at(-1)).await.unwrap().failed, 2);
}

/// A job that is half done.
fn under_way(key: &ConnectionKey) -> JobRecord {
    let company = CompanyId::of(Provider::QuickBooks, &REALM.parse::<ProviderCompanyId>().unwrap());
    let mut job = SyncJob::full("job_1".parse().unwrap(), key.clone(), company);
    job.entities = vec![Entity::Customers, Entity::Invoices];
    let mut record = JobRecord::new(job, Lane::Low, at(0));
    (record.state, record.started_at, record.failures) = (JobState::Delayed, Some(at(1)), 1);
    record.resumes_at = Some(at(60));
    let progress = |pages, total, done| EntityProgress { pages, read: 50, written: 40, total, done };
    record.progress.0.insert(Entity::Customers, progress(2, None, true));
    record.progress.0.insert(Entity::Invoices, progress(1, Some(200), false));
    let (code, message) = ("PROVIDER_API_ERROR".to_owned(), "the provider could not be read".to_owned());
    record.error = Some(JobError { code, number: 5001, message });
    record
}

#[tokio::test]
async fn a_job_tells_how_far_it_came_and_why_it_waits() {
    let (world, _, key, api) = connected().await;
    world.job_log.create(&[under_way(&key)]).await.unwrap();

    let (status, _, body) = api.send(events::request("api-job.json")).await;

    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!((&body["state"], &body["attempts"]), (&json!("delayed"), &json!(1)));
    assert_eq!(
        (&body["startedAt"], &body["resumesAt"]),
        (&json!("2100-01-01T00:00:01Z"), &json!("2100-01-01T00:01:00Z"))
    );
    assert_eq!(
        body["progress"],
        json!({
            "pages": 3, "records": 80, "percent": 62, "entities": {
                "customers": {"pages": 2, "read": 50, "written": 40, "done": true},
                "invoices": {"pages": 1, "read": 50, "written": 40, "total": 200, "done": false},
            },
        })
    );
    assert_eq!(
        body["error"],
        json!({"code": "PROVIDER_API_ERROR", "number": 5001, "message": "the provider could not be read"})
    );
}

#[tokio::test]
async fn another_tenants_job_does_not_exist() {
    let (world, _, key, _) = connected().await;
    world.job_log.create(&[under_way(&key)]).await.unwrap();
    let stranger = ApiWorld::new(&world, Role::Operator, Some(&sample::tenant())).await;

    for path in ["/api/jobs/job_1", "/api/jobs/job_2", "/api/jobs/a%23b"] {
        let (status, body) = stranger.call("GET", path, None).await;
        assert_eq!((status, code(&body)), (StatusCode::NOT_FOUND, "VALIDATION_NOT_FOUND"), "{path}");
    }
    let viewer = ApiWorld::new(&world, Role::Viewer, None).await;
    assert_eq!(viewer.call("GET", "/api/jobs/job_1", None).await.0, StatusCode::OK);
    let (status, body) = post(&viewer, json!({"provider": "quickbooks", "operation": "sync_all"})).await;
    assert_eq!((status, code(&body)), (StatusCode::FORBIDDEN, "AUTH_SCOPE_MISSING"));
}

#[tokio::test]
async fn queues_are_counted_by_provider_and_ended_jobs_for_a_day() {
    let (world, _, key, bound) = connected().await;
    let ended = |id: &str, state, ended_at| {
        let mut record = under_way(&key);
        record.job.job_id = id.parse().unwrap();
        (record.state, record.ended_at) = (state, Some(ended_at));
        record
    };
    let jobs = [
        under_way(&key),
        ended("job_2", JobState::Completed, at(-60)),
        ended("job_3", JobState::Completed, at(-100_000)),
        ended("job_4", JobState::Failed, at(-60)),
    ];
    world.job_log.create(&jobs).await.unwrap();
    let api = ApiWorld::new(&world, Role::Operator, None).await;

    let (status, _, body) = api.send(events::request("api-queues.json")).await;

    assert_eq!(status, StatusCode::OK, "{body}");
    let none = json!({"waiting": 0, "active": 0, "completed": 0, "failed": 0, "delayed": 0});
    let expected = json!({
        "since": "2099-12-31T00:00:00Z",
        "queues": {
            "quickbooks": {"waiting": 1, "active": 0, "completed": 1, "failed": 1, "delayed": 1},
            "xero": none, "zoho": none,
        },
    });
    assert_eq!(body, expected);
    assert_eq!(bound.call("GET", "/api/queues", None).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn records_are_polled_by_their_time_of_change() {
    let (world, tenant, ..) = connected().await;
    let records = Arc::<InMemoryRecords>::default();
    let stores = TenancyStores { records: records.clone(), ..ApiWorld::stores(&world) };
    let (deps, api_key) = ApiWorld::deps_over(&world, (Role::Viewer, Some(&tenant)), stores).await;
    let api = ApiWorld::of(deps, api_key);
    let company = CompanyId::of(Provider::QuickBooks, &REALM.parse().unwrap());
    let place = RecordPlace { tenant, company };
    let all =
        [sample::invoice("1", at(3), 1), sample::invoice("2", at(1), 1), sample::invoice("3", at(2), 1)];
    records.put_if_newer(&place, &all, "w").await.unwrap();
    let list = async |query: &str| {
        let path = format!("/api/records/invoices?companyId={REALM}&{query}");
        let (status, body) = api.call("GET", &path.replace(' ', "%20"), None).await;
        let ids = body["records"].as_array().map(|records| {
            records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        });
        (status, ids.unwrap_or_default(), body["nextCursor"].as_str().map(str::to_owned))
    };

    let (_, first, cursor) = list("updatedSince=2100-01-01T00:00:02Z&limit=1").await;
    let changed = cursor.unwrap();
    let (_, second, _) = list(&format!("updatedSince=2100-01-01T00:00:02Z&cursor={changed}")).await;
    assert_eq!([first, second], [["3"], ["1"]]);

    let (_, by_id, cursor) = list("limit=1").await;
    assert_eq!(by_id, ["1"]);
    let by_id = cursor.unwrap();
    for foreign in [
        format!("cursor={changed}"),
        format!("updatedSince=2100-01-01T00:00:02Z&cursor={by_id}"),
        "updatedSince=yesterday".to_owned(),
        "updatedSince=".to_owned(),
    ] {
        assert_eq!(list(&foreign).await.0, StatusCode::BAD_REQUEST, "{foreign}");
    }
}

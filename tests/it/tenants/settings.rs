//! What a tenant's settings do.

use std::collections::BTreeMap;

use domain::{
    api_key::Role,
    authorization::{AuthorizationEndpoint, BeginError, begin, hash},
    clock::Clock as _,
    connection::{ConnectionStore as _, Due},
    entropy::SystemEntropy,
    provider::Provider,
    refresh::{RefreshOutcome, Trigger, Warmth, policy::later},
    secret::OneTimeValue,
    sync::{CatchUpMark, LaneMessage},
    tenant::{Halted, SyncSchedule, TenantState},
};
use serde_json::json;
use std::time::Duration;
use tests::sample;
use url::Url;

use super::{administered, code, patch};
use crate::{api_world::ApiWorld, world::World};

const DAY: Duration = Duration::from_hours(24);
const OWN_URL: &str = "https://acme.example/done";

#[tokio::test]
async fn a_tenant_that_wants_it_is_kept_warm_with_all_its_connections_old_and_new() {
    let (world, tenant, api) = administered().await;
    let (other, old) = (world.connected().await, world.connect(&tenant, "1").await);

    assert_eq!(code(&patch(&api, &tenant, json!({"settings": {"refreshPolicy": "always"}})).await), "200");

    let new = world.connect(&tenant, "2").await;
    for key in [&old, &new] {
        assert_eq!(world.find(key).await.warmth, Some(Warmth::Always));
    }
    assert_eq!(world.find(&other).await.warmth, None);
    // Nobody uses them for two days, and then their turn comes.
    world.clock.advance(2 * DAY);
    let visited = async |key| world.refresh(key, Trigger::Scheduled).await.outcome;
    assert_eq!(visited(&other).await, RefreshOutcome::Fresh);
    for key in [&old, &new] {
        assert_eq!(visited(key).await, RefreshOutcome::Refreshed);
        assert!(matches!(world.find(key).await.due, Some(Due::Slot(_))), "always in a slot of its wheel");
    }
    assert!(matches!(world.find(&other).await.due, Some(Due::At(_))), "idle, and only kept alive");

    patch(&api, &tenant, json!({"settings": {"refreshPolicy": null}})).await;
    assert_eq!(world.find(&old).await.warmth, None);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(visited(&old).await, RefreshOutcome::Fresh);
    assert!(matches!(world.find(&old).await.due, Some(Due::At(_))), "as the deployment has it");
}

#[tokio::test]
async fn a_tenants_wish_goes_before_an_always_warm_deployment_too() {
    let (world, tenant, _api) = administered().await;
    world.tenant(&tenant, |tenant| tenant.settings.refresh_policy = Some(Warmth::Adaptive));
    let key = world.connect(&tenant, "1").await;
    let policy = domain::refresh::RefreshPolicy { warmth: Warmth::Always, ..Default::default() };

    let of_it = policy.of(&world.find(&key).await);

    assert!(!of_it.is_warm(sample::NOW, later(sample::NOW, 2 * DAY)));
    assert!(policy.is_warm(sample::NOW, later(sample::NOW, 2 * DAY)));
}

#[tokio::test]
async fn a_wish_that_did_not_reach_every_connection_is_told_again_and_then_does() {
    let (world, tenant, api) = administered().await;
    let key = world.connect(&tenant, "1").await;
    patch(&api, &tenant, json!({"settings": {"refreshPolicy": "always"}})).await;
    // As after a failure in between: the tenant has it, the connection has not.
    world.connections.set_warmth(&key, None).await.unwrap();

    patch(&api, &tenant, json!({"settings": {"refreshPolicy": "always"}})).await;

    assert_eq!(world.find(&key).await.warmth, Some(Warmth::Always));
    world.refresh(&key, Trigger::Manual).await;
    assert_eq!(world.find(&key).await.warmth, Some(Warmth::Always), "a refresh leaves it alone");
}

/// What a browser that opens a link of this tenant is sent to the provider for.
async fn asked_for(world: &World, tenant: &domain::id::TenantId) -> Result<Vec<String>, BeginError> {
    let code = OneTimeValue::new(format!("code {}", world.clock.now()));
    let session = domain::authorization::ConnectSession { code_hash: hash(&code), ..world.session(tenant) };
    domain::authorization::AuthorizationStore::insert_session(&*world.authorizations, &session)
        .await
        .unwrap();
    let configured = ["a", "b", "c"].map(str::to_owned);
    let endpoint = AuthorizationEndpoint {
        provider: Provider::QuickBooks,
        scopes: &configured,
        pkce: false,
        request: Box::new(|scopes| {
            let url = format!("https://provider.example/?scope={}", scopes.join("%20"));
            url.parse::<Url>().unwrap()
        }),
    };
    let stores = (&*world.authorizations as _, &*world.tenants as _);
    let begun = begin(stores, &SystemEntropy, world.clock.now(), &code, &endpoint).await?;
    let scope = begun.location.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
    world.clock.advance(Duration::from_secs(1));
    Ok(scope.split(' ').map(str::to_owned).collect())
}

#[tokio::test]
async fn a_link_that_names_no_scopes_asks_for_the_tenants_and_never_for_more_than_is_configured() {
    let (world, tenant, _api) = administered().await;
    let wish = |scopes: &[&str]| {
        let scopes: Vec<_> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        world.tenant(&tenant, |tenant| {
            tenant.settings.scopes = BTreeMap::from([(Provider::QuickBooks, scopes)]);
        });
    };
    assert_eq!(asked_for(&world, &tenant).await.unwrap(), ["a", "b", "c"]);
    wish(&["c", "a"]);
    assert_eq!(asked_for(&world, &tenant).await.unwrap(), ["c", "a"]);
    wish(&["a", "z"]);
    assert_eq!(asked_for(&world, &tenant).await.unwrap(), ["a"], "z is configured no more");
    wish(&["z"]);
    assert_eq!(asked_for(&world, &tenant).await.unwrap(), ["a", "b", "c"]);

    world.tenant(&tenant, |tenant| tenant.state = TenantState::Suspended);
    assert!(matches!(asked_for(&world, &tenant).await, Err(BeginError::Halted(Halted::Suspended))));
    let gone = asked_for(&world, &sample::tenant()).await;
    assert!(matches!(gone, Err(BeginError::Halted(Halted::Gone))));
}

#[tokio::test]
async fn a_browser_may_return_to_the_tenants_own_addresses_exactly_and_only_while_they_are_its() {
    let (world, tenant, _) = administered().await;
    world.tenant(&tenant, |tenant| tenant.settings.return_urls = vec![OWN_URL.to_owned()]);
    let api = ApiWorld::new(&world, Role::Admin, Some(&tenant)).await;
    let opened = async |url: &str| {
        let body = json!({"tenantId": tenant, "provider": "quickbooks", "returnUrl": url});
        code(&api.call("POST", "/api/connect-sessions", Some(body)).await)
    };
    assert_eq!(opened(OWN_URL).await, "201");
    assert_eq!(opened(&format!("{OWN_URL}/more")).await, "400 VALIDATION_FAILED", "no prefix");

    let mut returned = vec![];
    for (state, stays) in [("one", true), ("two", false)] {
        let session = domain::authorization::ConnectSession {
            return_url: Some(OWN_URL.to_owned()),
            ..world.session(&tenant)
        };
        world.begun_with(session, state, "browser").await;
        if !stays {
            world.tenant(&tenant, |tenant| tenant.settings.return_urls.clear());
        }
        returned.push(world.call_back(state, Some("browser"), state_realm(state)).await.unwrap().return_url);
    }
    assert_eq!(returned, [Some(OWN_URL.to_owned()), None]);
}

fn state_realm(state: &str) -> &'static str {
    if state == "one" { "1" } else { "2" }
}

#[tokio::test]
async fn who_wants_no_daily_sync_gets_none_and_the_others_do() {
    let (world, tenant, _) = administered().await;
    world.connect(&tenant, "1").await;
    world.connect(&tenant, "2").await;
    let other = world.connected().await;
    drop(world.sync_queue.take());
    let walk = async |of: Option<&domain::id::TenantId>| {
        let mark = CatchUpMark { started_at: world.clock.now(), tenant: of.cloned(), from: None };
        world.catch_up().run(mark, later(world.clock.now(), DAY)).await.unwrap();
        let message = |(_, message)| match message {
            LaneMessage::Job(job) => job.key,
            message => panic!("{message:?} is no job"),
        };
        world.sync_queue.take().into_iter().map(message).collect::<Vec<_>>()
    };

    world.tenant(&tenant, |tenant| tenant.settings.sync_schedule = Some(SyncSchedule::Off));
    assert_eq!(walk(None).await, std::slice::from_ref(&other));
    assert_eq!(walk(Some(&tenant)).await.len(), 2, "a walk of its own is another matter");
    world.tenant(&tenant, |tenant| tenant.settings.sync_schedule = Some(SyncSchedule::Daily));
    assert_eq!(walk(None).await.len(), 3);
    world.tenant(&tenant, |tenant| tenant.state = TenantState::Suspended);
    assert_eq!(walk(None).await, [other]);
    assert_eq!(walk(Some(&tenant)).await, []);
}

#[tokio::test]
async fn a_tenant_can_be_suspended_although_one_of_its_scopes_is_configured_no_longer() {
    let (world, tenant, api) = administered().await;
    let gone = vec!["com.intuit.quickbooks.gone".to_owned()];
    world.tenant(&tenant, |tenant| {
        tenant.settings.scopes.insert(Provider::QuickBooks, gone);
    });

    assert_eq!(code(&patch(&api, &tenant, json!({"state": "suspended"})).await), "200");
    let change = json!({"settings": {"syncSchedule": "off"}});
    assert_eq!(
        code(&patch(&api, &tenant, change).await),
        "400 VALIDATION_FAILED",
        "new settings are checked whole"
    );
}

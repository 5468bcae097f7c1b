//! The `api` function at its door: several keys, several instances over the same stores, requests from several addresses.

use std::{sync::Arc, time::Duration};

use api::{Admission, TenancyStores};
use axum::Router;
use domain::{
    api_key::{ApiKeyStore as _, NewApiKey, Role},
    audit::AuditAction,
    clock::Clock as _,
    entropy::SystemEntropy,
    id::{ApiKeyId, TenantId},
    secret::ApiKeyText,
    tenant::{Tenant, TenantLimits, TenantState, TenantStore as _},
};
use lambda_http::{
    Body, Request, RequestExt as _,
    aws_lambda_events::apigw::ApiGatewayProxyRequestContext,
    http::{HeaderMap, StatusCode},
    request::RequestContext,
};
use serde_json::Value;
use tests::{
    memory::{InMemoryApiKeys, InMemoryCallCounts, InMemoryTenants, InMemoryUsers},
    sample,
};

use crate::{api_world::ApiWorld, world::World};

/// A route that any key with `tokens:read` may call, and that is about the key's own tenant.
pub(crate) const STATUS: &str = "/api/tokens/status";
/// Where requests come from unless they say otherwise.
const ADDRESS: &str = "192.0.2.1";

#[derive(Clone)]
struct Stores {
    keys: Arc<InMemoryApiKeys>,
    counts: Arc<InMemoryCallCounts>,
    tenants: Arc<InMemoryTenants>,
    users: Arc<InMemoryUsers>,
}

pub(crate) struct Door {
    pub(crate) world: World,
    pub(crate) keys: Arc<InMemoryApiKeys>,
    pub(crate) counts: Arc<InMemoryCallCounts>,
    tenants: Arc<InMemoryTenants>,
    users: Arc<InMemoryUsers>,
    calls_per_minute: u64,
    router: Router,
    /// The key of an administrator of all tenants.
    pub(crate) admin: ApiKeyText,
}

/// An answer, as the caller sees it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The status and the name of the error.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["error"]["code"].as_str().unwrap_or_default())
    }

    /// The body of an answer with this status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Door {
    pub(crate) async fn new() -> Self {
        Self::with_calls_per_minute(10_000).await
    }

    pub(crate) async fn with_calls_per_minute(calls_per_minute: u64) -> Self {
        let world = World::new();
        let stores = Stores {
            keys: Arc::default(),
            counts: Arc::default(),
            tenants: Arc::default(),
            users: Arc::default(),
        };
        let (router, admin) = instance(&world, &stores, calls_per_minute).await;
        let Stores { keys, counts, tenants, users } = stores;
        Self { world, keys, counts, tenants, users, calls_per_minute, router, admin }
    }

    /// Another instance of the function, which remembers nothing yet.
    pub(crate) async fn another_instance(&self) -> Router {
        let stores = Stores {
            keys: self.keys.clone(),
            counts: self.counts.clone(),
            tenants: self.tenants.clone(),
            users: self.users.clone(),
        };
        instance(&self.world, &stores, self.calls_per_minute).await.0
    }

    /// A tenant of its own with these limits.
    pub(crate) async fn tenant_with(&self, limits: TenantLimits) -> TenantId {
        self.tenant_in(TenantState::Active, limits).await
    }

    /// A tenant of its own in this state.
    pub(crate) async fn tenant_in(&self, state: TenantState, limits: TenantLimits) -> TenantId {
        let id = sample::tenant();
        self.tenant_of(id.clone(), state, limits).await;
        id
    }

    /// The tenant of this id.
    pub(crate) async fn tenant_of(&self, id: TenantId, state: TenantState, limits: TenantLimits) {
        let tenant = Tenant { state, limits, ..Tenant::new(id, "Acme", sample::NOW) };
        assert!(self.tenants.insert(&tenant).await.unwrap());
    }

    /// A tenant of its own without limits.
    pub(crate) async fn tenant(&self) -> TenantId {
        self.tenant_with(TenantLimits::default()).await
    }

    /// A key that somebody made before.
    pub(crate) async fn key(&self, role: Role, tenant: Option<&TenantId>) -> ApiKeyText {
        self.issue(NewApiKey { scopes: role.scopes(), tenant: tenant.cloned(), ..new_key() }).await
    }

    /// The same, of any kind.
    pub(crate) async fn issue(&self, new: NewApiKey) -> ApiKeyText {
        let (key, text) = new.issue("test", self.world.clock.now(), &SystemEntropy);
        assert!(self.keys.insert(&key).await.unwrap());
        text
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.world.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn get(&self, key: &ApiKeyText, path: &str) -> Answer {
        self.send(request("GET", path, None), key.expose()).await
    }

    pub(crate) async fn ask(&self, key: &ApiKeyText, method: &str, path: &str, body: Value) -> Answer {
        self.send(request(method, path, Some(body)), key.expose()).await
    }

    /// What the administrator of all tenants is answered.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask(&self.admin, method, path, body).await
    }

    pub(crate) async fn send(&self, request: Request, key: &str) -> Answer {
        send(&self.router, request, Some(key)).await
    }

    pub(crate) async fn send_without_key(&self, request: Request) -> Answer {
        send(&self.router, request, None).await
    }

    /// What is in the audit log since somebody last looked: what happened, to which key or user, why.
    pub(crate) fn audited(&self) -> Vec<(AuditAction, Option<String>, Option<String>)> {
        let entries = self.world.audit.take().into_iter();
        entries.map(|entry| (entry.action, entry.subject, entry.reason)).collect()
    }
}

/// A key for everything, of all tenants.
pub(crate) fn new_key() -> NewApiKey {
    NewApiKey {
        name: "test".to_owned(),
        scopes: Role::Admin.scopes(),
        tenant: None,
        user: None,
        expires_at: None,
    }
}

/// A key that has the form of one and was never stored.
pub(crate) fn never_stored() -> ApiKeyText {
    new_key().issue("test", sample::NOW, &SystemEntropy).1
}

/// The public part of a key.
pub(crate) fn id_of(key: &ApiKeyText) -> ApiKeyId {
    key.expose().split('_').nth(2).unwrap().parse().unwrap()
}

/// A request as the gateway hands it over, but for the key.
pub(crate) fn request(method: &str, path: &str, body: Option<Value>) -> Request {
    request_from(ADDRESS, (method, path), body)
}

/// The same, from another address.
pub(crate) fn request_from(address: &str, (method, path): (&str, &str), body: Option<Value>) -> Request {
    let mut request = Request::new(body.map_or(Body::Empty, |body| Body::Text(body.to_string())));
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let mut context = ApiGatewayProxyRequestContext::default();
    context.identity.source_ip = Some(address.to_owned());
    let path = path.split('?').next().unwrap().to_owned();
    request.with_raw_http_path(path).with_request_context(RequestContext::ApiGatewayV1(context))
}

/// Sends a request to an instance.
pub(crate) async fn send(router: &Router, mut request: Request, key: Option<&str>) -> Answer {
    if let Some(key) = key {
        request.headers_mut().insert("x-api-key", key.parse().unwrap());
    }
    let (parts, body) = api::handle(router, request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn instance(world: &World, stores: &Stores, calls_per_minute: u64) -> (Router, ApiKeyText) {
    let Stores { keys, counts, tenants, users } = stores.clone();
    let tenancy = TenancyStores {
        keys: keys.clone(),
        counts: counts.clone(),
        tenants,
        users,
        ..ApiWorld::stores(world)
    };
    let (mut deps, admin) = ApiWorld::deps_over(world, (Role::Admin, None), tenancy).await;
    deps.admission = Admission::new(keys, counts, calls_per_minute);
    (api::router(Arc::new(deps)), admin)
}

//! The `api` function over a [`World`] in memory, called as a product's backend does.

use std::sync::Arc;

use api::{Admission, Cursors, TenancyStores};
use axum::Router;
use domain::{
    api_key::{NewApiKey, Role},
    clock::Clock as _,
    entropy::SystemEntropy,
    id::TenantId,
    refresh::RefreshPolicy,
    secret::ApiKeyText,
    webhook::AddressKeys,
};
use edge::{config::Variables, live_secrets::LiveSecrets};
use lambda_http::{
    Body, Request,
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;
use tests::memory::{InMemoryDeliveries, InMemoryRecords, InProcessRefresh};

use crate::world::{SETTINGS, World};

/// The one address that a browser may be sent to after connecting.
pub(crate) const RETURN_URL: &str = "https://app.example/books";
/// How many connect links a tenant may have made in a minute.
pub(crate) const SESSIONS_PER_MINUTE: u64 = 5;
/// How often a key may call in a minute.
pub(crate) const CALLS_PER_MINUTE: u64 = 600;

pub(crate) struct ApiWorld {
    router: Router,
    key: ApiKeyText,
}

impl ApiWorld {
    /// The API for a caller in this role, whose key is bound to `tenant` where one is given.
    pub(crate) async fn new(world: &World, role: Role, tenant: Option<&TenantId>) -> Self {
        let (deps, key) = Self::deps(world, role, tenant).await;
        Self::of(deps, key)
    }

    /// The API over these parts, for the caller with this key.
    pub(crate) fn of(deps: api::Deps, key: ApiKeyText) -> Self {
        Self { router: api::router(Arc::new(deps)), key }
    }

    /// The same API, for the caller with another key.
    pub(crate) fn for_key(&self, key: ApiKeyText) -> Self {
        Self { router: self.router.clone(), key }
    }

    pub(crate) async fn deps(
        world: &World,
        role: Role,
        tenant: Option<&TenantId>,
    ) -> (api::Deps, ApiKeyText) {
        Self::deps_over(world, (role, tenant), Self::stores(world)).await
    }

    /// The stores of what belongs to the world's tenants.
    pub(crate) fn stores(world: &World) -> TenancyStores {
        TenancyStores {
            tenants: world.tenants.clone(),
            users: world.users.clone(),
            usage: world.usage.clone(),
            counts: world.counts.clone(),
            keys: world.api_keys.clone(),
            connections: world.connections.clone(),
            attempts: world.attempts.clone(),
            records: Arc::new(InMemoryRecords::default()),
            jobs: world.orders(),
            tallies: world.tallies(),
            access: Arc::new(world.access()),
            acts: world.audit.clone(),
        }
    }

    /// The parts of the API over these stores, for a caller in this role, whose key is bound to the tenant where one is
    /// given.
    pub(crate) async fn deps_over(
        world: &World,
        (role, tenant): (Role, Option<&TenantId>),
        stores: TenancyStores,
    ) -> (api::Deps, ApiKeyText) {
        let keys = stores.keys.clone();
        let new = NewApiKey {
            name: "test".to_owned(),
            scopes: role.scopes(),
            tenant: tenant.cloned(),
            user: None,
            expires_at: None,
        };
        let (record, key) = new.issue("test", world.clock.now(), &SystemEntropy);
        keys.insert(&record).await.unwrap();
        if let Some(known) = tenant {
            world.tenant(known, |_| {});
        }
        let deps = api::Deps {
            environment: "test".to_owned(),
            public_url: Some("https://bundle.example".to_owned()),
            return_urls: vec![RETURN_URL.to_owned()],
            scopes: Variables::new(&|_| None).scope_lists(),
            connect_sessions_per_minute: SESSIONS_PER_MINUTE,
            admission: Admission::new(keys, world.counts.clone(), CALLS_PER_MINUTE),
            bus: world.bus.clone(),
            tenancy: stores.into(),
            authorizations: world.authorizations.clone(),
            breakers: world.breakers.clone(),
            books_breakers: world.books_breakers.clone(),
            audit: world.audit.clone(),
            sweeps: world.sweep_log.clone(),
            deliveries: Arc::new(InMemoryDeliveries::default()),
            webhook_addresses: LiveSecrets::new(AddressKeys::new(vec![]), None, world.clock.clone()),
            refresh: Arc::new(InProcessRefresh(world.refresher.clone())),
            job_log: world.orders().log,
            proxy: world.proxy(),
            api_hosts: World::api_hosts(),
            cursors: Cursors::new(world.cursor_key.clone(), "test".to_owned(), Arc::new(SystemEntropy)),
            request_names: world.request_names.clone(),
            probes: world.probes(),
            policy: RefreshPolicy::default(),
            outage: SETTINGS.1,
            clock: world.clock.clone(),
            entropy: Arc::new(SystemEntropy),
        };
        (deps, key)
    }

    /// Sends a request and gives the answer's status and body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = Request::new(body.map_or(Body::Empty, |body| Body::Text(body.to_string())));
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = path.parse().unwrap();
        let path = path.split('?').next().unwrap();
        let (status, _, body) = self.send(lambda_http::RequestExt::with_raw_http_path(request, path)).await;
        (status, body)
    }

    /// Sends a request as the gateway hands it over, with the caller's key, and gives the whole answer.
    pub(crate) async fn send(&self, request: Request) -> (StatusCode, HeaderMap, Value) {
        let (status, headers, body) = self.send_raw(request).await;
        (status, headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The same, with the body as it is.
    pub(crate) async fn send_raw(&self, mut request: Request) -> (StatusCode, HeaderMap, Vec<u8>) {
        request.headers_mut().insert("x-api-key", self.key.expose().parse().unwrap());
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        self.send_without_key(request).await
    }

    /// The same, for a caller without a key.
    pub(crate) async fn send_without_key(&self, request: Request) -> (StatusCode, HeaderMap, Vec<u8>) {
        let (parts, body) = api::handle(&self.router, request).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, body.to_vec())
    }
}

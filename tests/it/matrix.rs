//! Who may call what: every route with and without its scope, by the tenant whose things it is about and by another.

use std::{fmt::Write as _, sync::Arc};

use axum::http::StatusCode;
use domain::{
    api_key::{ApiKeyStore, NewApiKey, Role, Scope},
    clock::Clock as _,
    connection::ConnectionKey,
    entropy::SystemEntropy,
    id::TenantId,
};
use serde_json::{Value, json};
use tests::sample;

use crate::{api_world::ApiWorld, world::World};

/// The company that the tenant has connected.
const REALM: &str = "4620816365";

/// The API, the keys it knows, and a tenant with something of every kind.
struct Town {
    world: World,
    api: ApiWorld,
    keys: Arc<dyn ApiKeyStore>,
    things: Things,
}

/// What belongs to the tenant that routes are asked about.
struct Things {
    key: ConnectionKey,
    job: String,
    own_key: String,
}

impl Town {
    async fn new() -> Self {
        let world = World::new();
        let key = world.connect(&sample::tenant(), REALM).await;
        let stores = ApiWorld::stores(&world);
        let keys = stores.keys.clone();
        let (deps, admin) = ApiWorld::deps_over(&world, (Role::Admin, Some(&key.tenant)), stores).await;
        let own_key = admin.expose().split('_').nth(2).unwrap().to_owned();
        let api = ApiWorld::of(deps, admin);
        let ordered = json!({ "provider": "quickbooks", "operation": "sync_all" });
        let (status, made) = api.call("POST", "/api/jobs", Some(ordered)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{made}");
        let user = format!("/api/tenants/{}/users/ann", key.tenant);
        let (status, _) = api.call("PUT", &user, Some(json!({ "role": "viewer" }))).await;
        assert_eq!(status, StatusCode::CREATED);
        let job = made["jobId"].as_str().unwrap().to_owned();
        Self { world, api, keys, things: Things { key, job, own_key } }
    }

    /// The API for a caller with these scopes, bound to a tenant or not.
    async fn caller(&self, scopes: &[Scope], tenant: Option<TenantId>) -> ApiWorld {
        let new = NewApiKey {
            name: "matrix".to_owned(),
            scopes: scopes.to_vec(),
            tenant,
            user: None,
            expires_at: None,
        };
        let (key, text) = new.issue("test", self.world.clock.now(), &SystemEntropy);
        self.keys.insert(&key).await.unwrap();
        self.api.for_key(text)
    }
}

impl Things {
    /// The address of a route and its body, about these things.
    fn asked(&self, method: &str, path: &str) -> (String, Option<Value>) {
        let tenant = self.key.tenant.as_str();
        let path = path
            .replace("{connection}", self.key.connection.as_str())
            .replace("{job}", &self.job)
            .replace("{key}", &self.own_key)
            .replace("{tenant}", tenant)
            .replace("{user}", "ann")
            .replace("{provider}", "quickbooks")
            .replace("{entity}", "invoices")
            .replace("{delivery}", "dlv_1")
            .replace("{*path}", "companyinfo/1");
        let names_company = path.starts_with("/api/records/");
        let company = if names_company { format!("&companyId={REALM}") } else { String::new() };
        let body = match (method, path.as_str()) {
            ("post", "/api/tenants") => json!({ "tenantId": tenant, "name": "Acme" }),
            ("post", "/api/import") => {
                let tokens = json!({ "format": "plain", "refreshToken": "refresh" });
                let row = json!({ "tenantId": tenant, "provider": "quickbooks", "providerCompanyId": REALM, "tokens": tokens });
                json!({ "dryRun": true, "rows": [row] })
            }
            ("post", "/api/keys") => json!({ "name": "new", "scopes": ["keys:write"], "tenantId": tenant }),
            ("post", path) if path.starts_with("/api/keys/") => json!({}),
            ("put", path) if path.starts_with("/api/tenants/") => json!({ "role": "viewer" }),
            ("patch", path) if path.starts_with("/api/tenants/") => json!({ "name": "Acme" }),
            ("post", "/api/jobs") => {
                json!({ "tenantId": tenant, "provider": "quickbooks", "operation": "sync_all" })
            }
            ("post", _) => json!({ "tenantId": tenant }),
            _ => return (format!("{path}?tenantId={tenant}{company}"), None),
        };
        (path, Some(body))
    }
}

/// The methods of a row of the table of routes.
fn methods(method: &'static str) -> &'static [&'static str] {
    match method {
        "any" => &["get", "post", "put", "patch", "delete"],
        "get" => &["get"],
        "post" => &["post"],
        "put" => &["put"],
        "patch" => &["patch"],
        _ => &["delete"],
    }
}

/// Every method of every route, with its scope.
fn routes() -> impl Iterator<Item = (&'static str, &'static str, Scope)> {
    let each = |&(method, path, scope)| methods(method).iter().map(move |method| (*method, path, scope));
    api::ROUTES.iter().flat_map(each)
}

fn missing_scope(body: &Value) -> Option<&str> {
    (body["error"]["code"] == "AUTH_SCOPE_MISSING")
        .then(|| body["error"]["details"]["scope"].as_str())
        .flatten()
}

#[tokio::test]
async fn a_route_is_closed_to_all_other_scopes_together_and_open_to_its_own_alone() {
    let town = Town::new().await;
    for (method, path, scope) in routes() {
        let others: Vec<_> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let (address, body) = town.things.asked(method, path);

        let without = town.caller(&others, None).await;
        let (status, refused) = without.call(&method.to_uppercase(), &address, body.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}: {refused}");
        assert_eq!(missing_scope(&refused), Some(scope.as_str()), "{method} {path}");
    }
    for (method, path, scope) in routes() {
        let (address, body) = town.things.asked(method, path);
        let only = town.caller(&[scope], None).await;
        let (_, answer) = only.call(&method.to_uppercase(), &address, body).await;
        assert_eq!(missing_scope(&answer), None, "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn another_tenants_things_do_not_exist_and_ones_own_do() {
    let mut table = String::new();
    for (method, path, _) in routes() {
        // Each route in a town of its own: some of them end what others are about.
        let town = Town::new().await;
        let (address, body) = town.things.asked(method, path);
        let stranger = town.caller(&Scope::ALL, Some("stranger".parse().unwrap())).await;
        let (of_other, told) = stranger.call(&method.to_uppercase(), &address, body.clone()).await;
        let text = told.to_string();
        assert!(!text.contains(town.things.key.connection.as_str()), "{method} {path}: {text}");
        let (of_own, _) = town.api.call(&method.to_uppercase(), &address, body).await;
        let (own, other) = (of_own.as_u16(), of_other.as_u16());
        writeln!(table, "{:6} {path}  own {own}  another's {other}", method.to_uppercase()).unwrap();
    }

    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_list_is_no_object_whose_fields_stand_in_their_order() {
    let world = World::new();
    let api = ApiWorld::new(&world, Role::Admin, None).await;
    let tenant = |limits: Value| json!({ "tenantId": "listed", "name": "Listed", "limits": limits });

    for body in [json!(["listed", "Listed", null]), tenant(json!([null, null, null])), json!([]), json!("x")]
    {
        let (status, told) = api.call("POST", "/api/tenants", Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
    }
    assert_eq!(api.call("POST", "/api/tenants", Some(tenant(json!({})))).await.0, StatusCode::CREATED);
}

//! An authorization server that keeps the standards and is nobody's simulator: RFC 6749, PKCE (RFC 7636), `iss` in the
//! callback (RFC 9207), opaque access tokens. The function of Xero, pointed at it by its settings alone, must work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_smithy_types::base64;
use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Redirect,
    routing::{get, post},
};
use domain::{
    authorization::{AuthorizationServer, AuthorizationStore as _, ConnectSession, Connector, hash},
    clock::Clock as _,
    connection::{Connection, ConnectionKey, ConnectionState, ConnectionStore as _},
    id::TenantId,
    provider::Provider,
    refresh::{Breakers, RefreshOutcome, RefreshPolicy, Refresher, Trigger, policy::later},
    sealing::TokenSealer,
    secret::OneTimeValue,
    token::TokenEndpoint,
};
use edge::config::{ProviderSettings, Variables};
use lambda_http::{Body, Request, RequestExt as _, Response, http};
use providers::xero::{XeroCompanies, XeroTokenEndpoint};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::{SeededEntropy, sample};
use tokio::net::TcpListener;
use url::Url;

use crate::world::{FUNCTION_LIFE, SETTINGS, World};

const CLIENT: (&str, &str) = ("the client", "the secret");
const PUBLIC_URL: &str = "https://bundle.example";

/// What the server remembers and how it behaves.
#[derive(Default)]
struct Server {
    base: String,
    issuer: Option<String>,
    /// What it grants, whatever it is asked for.
    scope: Option<String>,
    codes: HashMap<String, HashMap<String, String>>,
    /// The one refresh token that is good.
    refresh: String,
    issued: u32,
    exchanges: u32,
}

type Shared = State<Arc<Mutex<Server>>>;
type Parameters = HashMap<String, String>;

async fn authorize(State(server): Shared, Query(asked): Query<Parameters>) -> Redirect {
    let mut server = server.lock().unwrap();
    assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT.0));
    let code = format!("code-{}", server.codes.len());
    let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
    let issuer = server.issuer.clone().unwrap_or_else(|| server.base.clone());
    back.query_pairs_mut().extend_pairs([
        ("code", code.as_str()),
        ("state", &asked["state"]),
        ("iss", &issuer),
    ]);
    server.codes.insert(code, asked);
    Redirect::to(back.as_str())
}

async fn token(
    State(server): Shared,
    headers: HeaderMap,
    Form(asked): Form<Parameters>,
) -> (StatusCode, Json<Value>) {
    let mut server = server.lock().unwrap();
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
    let basic = base64::encode(format!("{}:{}", encoded(CLIENT.0), encoded(CLIENT.1)));
    let plain = base64::encode(format!("{}:{}", CLIENT.0, CLIENT.1));
    let sent = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    if sent != Some(format!("Basic {basic}")) && sent != Some(format!("Basic {plain}")) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let good = match asked["grant_type"].as_str() {
        "authorization_code" => {
            server.exchanges += 1;
            server.codes.remove(&asked["code"]).is_some_and(|begun| {
                begun["redirect_uri"] == asked["redirect_uri"]
                    && begun["code_challenge"] == s256(&asked["code_verifier"])
            })
        }
        "refresh_token" => server.refresh == asked["refresh_token"],
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    if !good {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    server.issued += 1;
    server.refresh = format!("refresh-{}", server.issued);
    let mut answer = json!({
        "access_token": format!("opaque-{}", server.issued), "token_type": "Bearer", "expires_in": 600,
        "refresh_token": server.refresh,
    });
    if let Some(scope) = &server.scope {
        answer["scope"] = scope.as_str().into();
    }
    (StatusCode::OK, Json(answer))
}

fn refused(status: StatusCode, error: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "error": error, "error_description": "no" })))
}

async fn connections(State(server): Shared, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    let current = format!("Bearer opaque-{}", server.lock().unwrap().issued);
    if headers.get("authorization").is_none_or(|sent| sent.to_str().unwrap() != current) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_token");
    }
    (StatusCode::OK, Json(json!([{ "id": "1", "tenantId": "books-1", "tenantName": "Books" }])))
}

fn s256(verifier: &str) -> String {
    let digest = base64::encode(Sha256::digest(verifier));
    digest.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

async fn started(server: Server) -> Arc<Mutex<Server>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = Arc::new(Mutex::new(Server { base, ..server }));
    let router = Router::new()
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .route("/connections", get(connections))
        .with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    server
}

/// The settings as a deployment would have them.
fn settings(base: &str) -> ProviderSettings {
    let lookup = |name: &str| match name {
        "XERO_CLIENT_ID" => Some(CLIENT.0.to_owned()),
        "XERO_CLIENT_SECRET" => Some(CLIENT.1.to_owned()),
        "XERO_AUTHORIZE_URL" => Some(format!("{base}/authorize")),
        "XERO_TOKEN_URL" => Some(format!("{base}/token")),
        "XERO_REVOKE_URL" => Some(format!("{base}/revoke")),
        "XERO_API_BASE_URL" => Some(base.to_owned()),
        "XERO_CONNECTIONS_URL" => Some(format!("{base}/connections")),
        _ => None,
    };
    Variables::new(&lookup).providers(Duration::from_secs(5)).unwrap()
}

/// The function and the worker that keeps its connections alive, both before one server.
struct Deployed {
    world: World,
    tenant: TenantId,
    deps: oauth::Deps,
    endpoint: Arc<dyn TokenEndpoint>,
}

impl Deployed {
    fn before(server: &Mutex<Server>) -> Self {
        let world = World::new();
        let providers = settings(&server.lock().unwrap().base);
        let (app, http) = (Arc::new(providers.xero.clone().unwrap()), providers::http::client().unwrap());
        let companies = XeroCompanies::new(http.clone(), app.connections_url.clone());
        let endpoint: Arc<dyn TokenEndpoint> =
            Arc::new(XeroTokenEndpoint::new(http, app, world.clock.clone()));
        let xero = AuthorizationServer { endpoint: endpoint.clone(), companies: Arc::new(companies) };
        let deps = oauth::Deps {
            connector: Connector { servers: [(Provider::Xero, xero)].into(), ..world.connector() },
            requests: world.authorizations.clone(),
            providers,
            public_url: Some(PUBLIC_URL.to_owned()),
            clock: world.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(7)),
        };
        let tenant = sample::tenant();
        world.tenant(&tenant, |_| {});
        Self { world, tenant, deps, endpoint }
    }

    async fn open(&self, url: &str, cookie: &str) -> Response<String> {
        let url = Url::parse(url).unwrap();
        let request = http::Request::get(url.as_str()).header("cookie", cookie).header("accept", "text/html");
        let request: Request = request.body(Body::Empty).unwrap().with_raw_http_path(url.path());
        oauth::handle(&self.deps, &request, &"corr_1".parse().unwrap()).await
    }

    /// Follows a new connect link to its end.
    async fn connect(&self) -> Response<String> {
        let session = ConnectSession {
            code_hash: hash(&OneTimeValue::new("link")),
            provider: Some(Provider::Xero),
            ..self.world.session(&self.tenant)
        };
        self.world.authorizations.insert_session(&session).await.unwrap();
        let sent = self.open(&format!("{PUBLIC_URL}/auth/xero/connect?session=link"), "").await;
        assert_eq!(sent.status(), 302, "{}", sent.body());
        let header =
            |response: &Response<String>, name| response.headers()[name].to_str().unwrap().to_owned();
        let consent = providers::http::client().unwrap().get(header(&sent, "location")).send().await.unwrap();
        let callback = consent.headers()["location"].to_str().unwrap().to_owned();
        let cookie = header(&sent, "set-cookie");
        self.open(&callback, cookie.split(';').next().unwrap()).await
    }

    async fn connection(&self) -> Option<Connection> {
        let page = self.world.connections.list(Some(&self.tenant), 10, None).await.unwrap();
        page.connections.into_iter().next()
    }

    async fn refresh(&self, key: &ConnectionKey) -> RefreshOutcome {
        let world = &self.world;
        let refresher = Refresher {
            store: world.store.clone(),
            connections: world.connections.clone(),
            endpoints: [(Provider::Xero, self.endpoint.clone())].into(),
            revocations: HashMap::new(),
            breakers: Breakers::new(world.breakers.clone(), world.clock.clone(), world.bus.clone(), SETTINGS),
            queue: world.refresh_queue.clone(),
            recovery: world.recovery_queue.clone(),
            sealer: TokenSealer::new("test".to_owned(), world.keys.clone(), Arc::new(SeededEntropy::new(8))),
            attempts: world.attempts.clone(),
            bus: world.bus.clone(),
            audit: world.audit.clone(),
            clock: world.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(9)),
            policy: RefreshPolicy::default(),
            owner: "worker".to_owned(),
        };
        let deadline = later(world.clock.now(), FUNCTION_LIFE);
        refresher.refresh(key, Trigger::Manual, deadline).await.unwrap().outcome
    }
}

#[tokio::test]
async fn a_server_that_keeps_the_standards_is_connected_and_kept_alive() {
    let server = started(Server::default()).await;
    let deployed = Deployed::before(&server);

    let page = deployed.connect().await;

    assert_eq!(page.status(), 200, "{}", page.body());
    let connection = deployed.connection().await.unwrap();
    assert_eq!((connection.state, connection.reason), (ConnectionState::Active, None));
    let companies = deployed.world.connections.list_companies(&connection.key).await.unwrap();
    assert_eq!(
        companies[0].provider_id.as_str(),
        "books-1",
        "an opaque token is believed with its whole list"
    );
    for generation in 2..=4 {
        deployed.world.clock.advance(Duration::from_mins(11));
        assert_eq!(deployed.refresh(&connection.key).await, RefreshOutcome::Refreshed);
        let tokens = deployed.connection().await.unwrap().tokens.unwrap();
        assert_eq!(tokens.generation, generation);
    }
    assert_eq!(server.lock().unwrap().exchanges, 1);
}

#[tokio::test]
async fn a_grant_smaller_than_asked_for_connects_and_says_so() {
    let scope = Some("offline_access accounting.contacts.read".to_owned());
    let server = started(Server { scope, ..Server::default() }).await;
    let deployed = Deployed::before(&server);

    assert_eq!(deployed.connect().await.status(), 200);

    let connection = deployed.connection().await.unwrap();
    assert_eq!(connection.reason.as_deref(), Some("insufficient_scope"));
    assert_eq!(connection.scopes, ["offline_access", "accounting.contacts.read"]);
}

#[tokio::test]
async fn a_code_of_another_issuer_is_not_brought_here() {
    let issuer = Some("https://login.evil.example".to_owned());
    let server = started(Server { issuer, ..Server::default() }).await;
    let deployed = Deployed::before(&server);

    assert_eq!(deployed.connect().await.status(), 400);

    assert!(deployed.connection().await.is_none());
    assert_eq!(server.lock().unwrap().exchanges, 0);
}

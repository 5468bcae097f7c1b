//! A simulator in this process, and the verbs with which tests speak to it.

use std::collections::HashMap;

use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use simulator::{ConsentMode, Options, Simulator};
use url::Url;

pub(crate) const CALLBACK: &str = "http://localhost:3000/callback";
pub(crate) const REALM: &str = Options::INTUIT_REALM_ID;

/// A started simulator with a client that follows no redirects.
pub(crate) struct Sim {
    simulator: Simulator,
    http: Client,
}

/// Tokens of a connected company.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Sim {
    /// Starts a simulator that approves every consent, with a clock that stands still.
    pub(crate) async fn start() -> Self {
        let mut options = Options::local();
        options.intuit.consent = ConsentMode::Approve;
        options.xero.consent = ConsentMode::Approve;
        options.zoho.consent = ConsentMode::Approve;
        let sim = Self::start_with(options).await;
        sim.control("PUT", "clock", json!({ "frozen": true })).await;
        sim
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { simulator, http }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.simulator.base_url())
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(method.parse().unwrap(), self.url(path))
    }

    /// Calls the control API, which must succeed.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.request(method, &format!("_control/{path}")).json(&body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn inspect(&self, path: &str) -> Value {
        self.control("GET", path, json!({})).await
    }

    /// Waits until a control answer fulfils a condition; gives up after so many looks that it never will.
    pub(crate) async fn until(&self, path: &str, fulfilled: impl Fn(&Value) -> bool) {
        for _ in 0..5_000 {
            if fulfilled(&self.inspect(path).await) {
                return;
            }
        }
        panic!("{path} never told what the test waits for");
    }

    pub(crate) async fn advance(&self, seconds: i64) {
        self.control("POST", "clock/advance", json!({ "seconds": seconds })).await;
    }

    pub(crate) async fn switch(&self, settings: Value) {
        self.control("PATCH", "intuit/settings", settings).await;
    }

    pub(crate) async fn fault(&self, endpoint: &str, mut fault: Value) {
        fault["provider"] = json!("intuit");
        fault["endpoint"] = json!(endpoint);
        self.control("POST", "faults", fault).await;
    }

    /// Sends a browser to the authorization endpoint.
    pub(crate) async fn authorize(&self, parameters: &[(&str, &str)]) -> Response {
        self.request("GET", "intuit/connect/oauth2").query(parameters).send().await.unwrap()
    }

    /// Gets a code for the first company.
    pub(crate) async fn code(&self) -> String {
        callback_of(&self.authorize(&valid_authorization()).await)["code"].clone()
    }

    /// Posts a form to the token endpoint with the app's credentials.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Response {
        self.token_request(form).send().await.unwrap()
    }

    pub(crate) fn token_request(&self, form: &[(&str, &str)]) -> RequestBuilder {
        self.request("POST", "intuit/oauth2/v1/tokens/bearer")
            .basic_auth(Options::INTUIT_CLIENT_ID, Some(Options::INTUIT_CLIENT_SECRET))
            .form(form)
    }

    pub(crate) async fn exchange(&self, code: &str) -> Response {
        self.token(&[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)]).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Response {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Goes through the whole flow for the first company.
    pub(crate) async fn connect(&self) -> Tokens {
        tokens_of(self.exchange(&self.code().await).await).await
    }

    pub(crate) async fn company(&self, token: &str, path: &str) -> Response {
        self.request("GET", &format!("intuit/v3/company/{REALM}/{path}"))
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    /// Runs a query, which must succeed, and returns its `QueryResponse`.
    pub(crate) async fn query(&self, token: &str, statement: &str) -> Value {
        let answer = self.query_raw(token, statement).await;
        assert_eq!(answer.status(), StatusCode::OK, "{statement}");
        answer.json::<Value>().await.unwrap()["QueryResponse"].take()
    }

    pub(crate) async fn query_raw(&self, token: &str, statement: &str) -> Response {
        self.request("GET", &format!("intuit/v3/company/{REALM}/query"))
            .query(&[("query", statement), ("minorversion", "75")])
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    /// Posts an object, or anything else, below the first company.
    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Response {
        self.request("POST", &format!("intuit/v3/company/{REALM}/{path}"))
            .bearer_auth(token)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn shutdown(self) {
        self.simulator.shutdown().await;
    }
}

pub(crate) fn valid_authorization() -> [(&'static str, &'static str); 5] {
    [
        ("client_id", Options::INTUIT_CLIENT_ID),
        ("response_type", "code"),
        ("scope", "com.intuit.quickbooks.accounting"),
        ("redirect_uri", CALLBACK),
        ("state", "state-1"),
    ]
}

/// Returns the query parameters of a redirect to the callback.
pub(crate) fn callback_of(answer: &Response) -> HashMap<String, String> {
    assert_eq!(answer.status(), StatusCode::FOUND);
    let location = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert!(location.as_str().starts_with(CALLBACK), "{location}");
    location.query_pairs().into_owned().collect()
}

pub(crate) async fn tokens_of(answer: Response) -> Tokens {
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Tokens { access: text("access_token"), refresh: text("refresh_token") }
}

/// Returns status and body of a refusal.
pub(crate) async fn refusal_of(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// Returns the code of the first error in a capitalized fault.
pub(crate) async fn fault_code_of(answer: Response) -> String {
    let (status, body) = refusal_of(answer).await;
    assert_eq!(status, 400, "{body}");
    body["Fault"]["Error"][0]["code"].as_str().unwrap().to_owned()
}

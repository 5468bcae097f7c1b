//! The provider, driven through its control API; tests name their own company or token, so that they do not meet.

use std::{fs::File, path::PathBuf};

use domain::provider::Provider;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;

use super::{Answer, PATIENCE, books::prefix, eventually};

/// The provider simulator of the stack.
pub(crate) struct Simulator {
    pub(super) http: Client,
    pub(crate) url: String,
}

impl Simulator {
    pub(crate) fn new(http: Client, url: &str) -> Self {
        Self { http, url: url.to_owned() }
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}/_control{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Answer::of(request.send().await.expect("the simulator answers")).await;
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) async fn patch_settings(&self, settings: Value) {
        self.control(Method::PATCH, "/intuit/settings", Some(settings)).await;
    }

    /// The apps that a provider knows; ours is the first.
    pub(crate) async fn apps(&self, provider: Provider) -> Vec<Value> {
        let path = format!("/{}/apps", prefix(provider));
        self.control(Method::GET, &path, None).await["apps"].as_array().unwrap().clone()
    }

    /// Makes a company with that many objects; gives its realm id.
    pub(crate) async fn company(&self, customers: usize, invoices: usize) -> String {
        let company = json!({ "name": "End & Sons <e2e>", "customers": customers, "invoices": invoices });
        let made = self.control(Method::POST, "/intuit/companies", Some(company)).await;
        made["realmId"].as_str().unwrap().to_owned()
    }

    /// Requests that the provider received, by a filter of its call log.
    pub(crate) async fn calls(&self, filter: &[(&str, &str)]) -> Vec<Value> {
        let path = Url::parse_with_params("http://c/calls", filter).unwrap();
        let log = self.control(Method::GET, &format!("/calls?{}", path.query().unwrap()), None).await;
        log["calls"].as_array().unwrap().clone()
    }

    /// Requests to the token endpoint that carried a certain code or refresh token.
    pub(crate) async fn token_calls(&self, fingerprint: &str) -> Vec<Value> {
        self.calls(&[("endpoint", "token"), ("tokenFingerprint", fingerprint)]).await
    }

    /// Every refresh that was asked of a provider.
    pub(crate) async fn refresh_calls(&self, provider: Provider) -> Vec<Value> {
        self.calls(&[("provider", prefix(provider)), ("grantType", "refresh_token")]).await
    }

    /// How often one object was fetched by its id.
    pub(crate) async fn fetches(&self, realm: &str, object: &str) -> usize {
        let calls = self.calls(&[("endpoint", "api"), ("company", realm)]).await;
        let path = format!("/{object}");
        calls.iter().filter(|call| call["path"].as_str().unwrap().ends_with(&path)).count()
    }

    /// Every secret that the provider ever handed out.
    pub(crate) async fn issued(&self) -> Vec<Value> {
        self.control(Method::GET, "/issued", None).await["issued"].as_array().unwrap().clone()
    }

    /// The fingerprint of a secret that the provider handed out.
    pub(crate) async fn fingerprint_of(&self, secret: &str) -> String {
        let issued = self.issued().await;
        let found = issued.iter().find(|issued| issued["value"] == secret).expect("the provider issued it");
        found["fingerprint"].as_str().unwrap().to_owned()
    }

    /// Spoils what is next sent with a certain code or token, to whichever provider has made it; gives the switch's id.
    pub(crate) async fn fault(&self, fingerprint: &str, mut fault: Value) -> u64 {
        let issued = self.issued().await;
        let made = issued.iter().find(|issued| issued["fingerprint"] == fingerprint);
        fault["provider"] = made.expect("the provider issued it")["provider"].clone();
        fault["tokenFingerprint"] = fingerprint.into();
        self.switch(fault).await
    }

    /// Sets a switch; gives its id.
    pub(crate) async fn switch(&self, fault: Value) -> u64 {
        self.control(Method::POST, "/faults", Some(fault)).await["id"].as_u64().unwrap()
    }

    /// Takes all switches back.
    pub(crate) async fn mend_all(&self) {
        self.control(Method::DELETE, "/faults", None).await;
    }

    /// Takes a switch back.
    pub(crate) async fn mend(&self, switch: u64) {
        self.control(Method::DELETE, &format!("/faults/{switch}"), None).await;
    }

    /// Lets the next refresh with a token wait at the provider until [`Held::release`].
    pub(crate) async fn hold(&self, fingerprint: &str) -> Held<'_> {
        let lock = tokio::task::spawn_blocking(exclusive_release).await.unwrap();
        self.fault(fingerprint, json!({ "endpoint": "token", "kind": "hold" })).await;
        Held { simulator: self, fingerprint: fingerprint.to_owned(), _lock: lock }
    }

    /// The customer ends the grants of a company under "My Apps"; nobody is told.
    pub(crate) async fn disconnect(&self, realm: &str) {
        let ended = self.control(Method::POST, &format!("/intuit/companies/{realm}/disconnect"), None).await;
        assert_ne!(ended["grantsEnded"], 0);
    }

    /// A person changes an object at the provider.
    pub(crate) async fn change(&self, realm: &str, object: &str, members: Value) {
        self.control(Method::PUT, &format!("/intuit/companies/{realm}/entities/{object}"), Some(members))
            .await;
    }

    /// A person deletes an object at the provider.
    pub(crate) async fn delete(&self, realm: &str, object: &str) {
        self.control(Method::DELETE, &format!("/intuit/companies/{realm}/entities/{object}"), None).await;
    }

    /// Sends a webhook; gives what was sent and how it was answered.
    pub(crate) async fn webhook(&self, webhook: Value) -> Value {
        let sent = self.control(Method::POST, "/intuit/webhooks", Some(webhook)).await;
        sent["sent"][0].clone()
    }

    /// All objects of one kind, asked of the provider's own API under the token with which the company was connected.
    pub(crate) async fn objects(&self, realm: &str, kind: &str) -> Vec<Value> {
        let calls = self.calls(&[("company", realm), ("pathContains", "companyinfo")]).await;
        let fingerprint = calls.last().expect("the company was asked for")["tokenFingerprint"].clone();
        let issued = self.issued().await;
        let token = issued.iter().find(|issued| issued["fingerprint"] == fingerprint).unwrap();
        let query = format!("SELECT * FROM {kind} MAXRESULTS 1000");
        let url = format!("{}/intuit/v3/company/{realm}/query", self.url);
        let request = self.http.get(url).query(&[("query", query)]).header("accept", "application/json");
        let request = request.bearer_auth(token["value"].as_str().unwrap());
        let answer = Answer::of(request.send().await.unwrap()).await.expect(200);
        answer["QueryResponse"][kind].as_array().unwrap().clone()
    }
}

/// A refresh that the provider does not answer yet.
pub(crate) struct Held<'a> {
    simulator: &'a Simulator,
    fingerprint: String,
    _lock: File,
}

impl Held<'_> {
    /// Waits until the refresh has arrived at the provider.
    pub(crate) async fn arrived(&self) {
        eventually("the refresh arrives at the provider", PATIENCE, async || {
            let calls = self.simulator.token_calls(&self.fingerprint).await;
            calls.iter().any(|call| call["finished"] == false).then_some(())
        })
        .await;
    }

    /// Lets the provider answer.
    pub(crate) async fn release(self) {
        self.simulator.control(Method::POST, "/faults/release", None).await;
    }
}

/// A release frees every held request of the simulator, so tests that hold one take turns, across their processes.
fn exclusive_release() -> File {
    let path: PathBuf = edge::config::environment("STACK_ENV").unwrap().into();
    let lock = File::create(path.with_file_name("held-requests.lock")).unwrap();
    lock.lock().unwrap();
    lock
}

//! Tests of the Xero side, and the verbs with which they speak to it.

mod connections;
mod consent;
mod limits;
mod reads;
mod tokens;
mod webhooks;
mod writes;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use simulator::Options;

use crate::harness::{CALLBACK, Sim, Tokens, callback_of, refusal_of, tokens_of};

pub(crate) const TENANT: &str = Options::XERO_TENANT_ID;
pub(crate) const SECOND_TENANT: &str = Options::XERO_SECOND_TENANT_ID;
pub(crate) const SCOPE: &str = "openid profile email offline_access accounting.invoices accounting.payments \
    accounting.contacts accounting.settings";

/// A valid authorization request.
pub(crate) fn authorization() -> Vec<(&'static str, &'static str)> {
    vec![
        ("client_id", Options::XERO_CLIENT_ID),
        ("response_type", "code"),
        ("scope", SCOPE),
        ("redirect_uri", CALLBACK),
        ("state", "state-1"),
    ]
}

/// Returns the valid request with one parameter replaced, or added.
pub(crate) fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut parameters: Vec<_> = authorization().into_iter().filter(|(known, _)| *known != name).collect();
    parameters.push((name, value));
    parameters
}

/// Returns the claims of a token.
pub(crate) fn claims_of(token: &str) -> Value {
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
}

impl Sim {
    pub(crate) async fn xero_switch(&self, settings: Value) {
        self.control("PATCH", "xero/settings", settings).await;
    }

    pub(crate) async fn xero_authorize(&self, parameters: &[(&str, &str)]) -> Response {
        self.request("GET", "xero/identity/connect/authorize").query(parameters).send().await.unwrap()
    }

    pub(crate) async fn xero_code(&self) -> String {
        callback_of(&self.xero_authorize(&authorization()).await)["code"].clone()
    }

    pub(crate) fn xero_post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.request("POST", &format!("xero/connect/{path}"))
            .basic_auth(Options::XERO_CLIENT_ID, Some(Options::XERO_CLIENT_SECRET))
            .form(form)
    }

    pub(crate) async fn xero_exchange(&self, code: &str) -> Response {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
        self.xero_post("token", &form).send().await.unwrap()
    }

    pub(crate) async fn xero_refresh(&self, token: &str) -> Response {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.xero_post("token", &form).send().await.unwrap()
    }

    /// Goes through the whole flow.
    pub(crate) async fn xero_connect(&self) -> Tokens {
        tokens_of(self.xero_exchange(&self.xero_code().await).await).await
    }

    /// Lists the connections that a token shows.
    pub(crate) async fn xero_connections(&self, token: &str, query: &str) -> Vec<Value> {
        let path = format!("xero/connections{query}");
        let answer = self.request("GET", &path).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// Makes a request of the first organization's data, in JSON.
    pub(crate) fn xero_api(&self, method: &str, token: &str, path: &str) -> RequestBuilder {
        self.request(method, &format!("xero/api.xro/2.0/{path}"))
            .bearer_auth(token)
            .header("accept", "application/json")
            .header("xero-tenant-id", TENANT)
    }

    /// Reads data, which must succeed.
    pub(crate) async fn xero_read(&self, token: &str, path: &str) -> Value {
        let answer = self.xero_api("GET", token, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// Writes data and returns the status with the answer.
    pub(crate) async fn xero_write(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        refusal_of(self.xero_api("POST", token, path).json(body).send().await.unwrap()).await
    }

    pub(crate) async fn xero_disconnect(&self, token: &str, id: &str) -> StatusCode {
        let path = format!("xero/connections/{id}");
        self.request("DELETE", &path).bearer_auth(token).send().await.unwrap().status()
    }
}

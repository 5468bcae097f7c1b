//! Tests of the Zoho side, and the verbs with which they speak to it.

mod consent;
mod discovery;
mod limits;
mod limits_of_tokens;
mod lists;
mod tokens;
mod webhooks;
mod writes;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use simulator::Options;

use crate::harness::{CALLBACK, Sim, callback_of};

pub(crate) const SCOPE: &str = "ZohoBooks.fullaccess.all";

/// Tokens of a connected user.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// A valid authorization request that wants a refresh token in any case.
pub(crate) fn authorization() -> Vec<(&'static str, &'static str)> {
    vec![
        ("client_id", Options::ZOHO_CLIENT_ID),
        ("response_type", "code"),
        ("scope", SCOPE),
        ("redirect_uri", CALLBACK),
        ("state", "state-1"),
        ("access_type", "offline"),
        ("prompt", "consent"),
    ]
}

/// Returns the parameters with some of them replaced; an empty value removes one.
pub(crate) fn with<'a>(
    mut parameters: Vec<(&'a str, &'a str)>,
    changed: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    for (name, value) in changed {
        parameters.retain(|(known, _)| known != name);
        parameters.push((name, value));
    }
    parameters.retain(|(_, value)| !value.is_empty());
    parameters
}

impl Sim {
    pub(crate) async fn zoho_switch(&self, settings: Value) {
        self.control("PATCH", "zoho/settings", settings).await;
    }

    /// Sends a browser to the accounts server of a data center.
    pub(crate) async fn zoho_authorize(&self, location: &str, parameters: &[(&str, &str)]) -> Response {
        let path = format!("zoho/accounts/{location}/oauth/v2/auth");
        self.request("GET", &path).query(parameters).send().await.unwrap()
    }

    /// Gets a code of the user in a data center.
    pub(crate) async fn zoho_code(&self, location: &str) -> String {
        callback_of(&self.zoho_authorize(location, &authorization()).await)["code"].clone()
    }

    /// Posts a form to a token endpoint, with the app's credentials unless the form has its own.
    pub(crate) fn zoho_token_request(&self, location: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let credentials =
            vec![("client_id", Options::ZOHO_CLIENT_ID), ("client_secret", Options::ZOHO_CLIENT_SECRET)];
        let path = format!("zoho/accounts/{location}/oauth/v2/token");
        self.request("POST", &path).form(&with(credentials, form))
    }

    /// Calls a token endpoint, which answers with 200 whatever it says.
    pub(crate) async fn zoho_token(&self, location: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.zoho_token_request(location, form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub(crate) async fn zoho_exchange(&self, location: &str, code: &str) -> Value {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
        self.zoho_token(location, &form).await
    }

    pub(crate) async fn zoho_refresh(&self, location: &str, token: &str) -> Value {
        self.zoho_token(location, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Goes through the whole flow for the user in a data center.
    pub(crate) async fn zoho_connect(&self, location: &str) -> Tokens {
        zoho_tokens_of(&self.zoho_exchange(location, &self.zoho_code(location).await).await)
    }

    /// Reads from the API of a data center.
    pub(crate) async fn zoho_get(&self, location: &str, token: &str, path: &str) -> (u16, Value) {
        zoho_answer_of(self.zoho_request("GET", location, (token, path)).send().await.unwrap()).await
    }

    pub(crate) fn zoho_request(
        &self,
        method: &str,
        location: &str,
        (token, path): (&str, &str),
    ) -> RequestBuilder {
        self.request(method, &format!("zoho/api/{location}/books/v3/{path}"))
            .header("authorization", format!("Zoho-oauthtoken {token}"))
    }
}

pub(crate) fn zoho_tokens_of(answer: &Value) -> Tokens {
    let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    Tokens { access: text("access_token"), refresh: text("refresh_token") }
}

/// Returns status and body of an answer of the API.
pub(crate) async fn zoho_answer_of(answer: Response) -> (u16, Value) {
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Returns the answer by which a token endpoint refuses.
pub(crate) fn refused(error: &str) -> Value {
    json!({ "error": error })
}

/// Returns the answer of a token endpoint that was asked too often.
pub(crate) fn too_many() -> Value {
    json!({
        "error_description": "You have made too many requests continuously. Please try again after some time.",
        "error": "Access Denied",
    })
}

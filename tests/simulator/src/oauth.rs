//! What the OAuth servers of all providers have in common: forms, client credentials, and ways back to the app.

use std::collections::HashMap;

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

/// Reads a query string or a form body.
pub(crate) fn form(bytes: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

/// Tells whether a request says that its body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| {
        value
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    })
}

/// Returns the client id and secret that a request presents, by Basic authentication or by form fields.
pub(crate) fn client_credentials(headers: &HeaderMap, form: &[(String, String)]) -> Option<(String, String)> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    basic(headers).or_else(|| Some((field("client_id")?, field("client_secret")?)))
}

/// Returns the bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Tells whether an app may send users back to an address; without registered ones, every http(s) address is right.
pub(crate) fn accepts_redirect(registered: &[String], redirect_uri: &str) -> bool {
    if registered.is_empty() {
        return Url::parse(redirect_uri).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    }
    registered.iter().any(|registered| registered == redirect_uri)
}

/// Sends the browser elsewhere.
pub(crate) fn redirect(to: &Url) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.as_str())]).into_response()
}

/// Writes text into a page.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, client_secret) = text.split_once(':')?;
    Some((client_id.to_owned(), client_secret.to_owned()))
}

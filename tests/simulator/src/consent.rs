//! What the authorization endpoints of all providers have in common: pages to decide on, and ways back to the app.

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use url::Url;

/// Why an authorization request gets no code.
pub(crate) enum Refusal {
    /// The user reads this, and is not sent anywhere.
    Page(&'static str),
    /// The app is told.
    Callback(Url),
}

impl Refusal {
    /// Answers with the provider's page, or at the callback address.
    pub(crate) fn into_answer(self, page: fn(&str) -> Response) -> Response {
        match self {
            Self::Page(text) => page(text),
            Self::Callback(callback) => redirect(&callback),
        }
    }
}

/// Returns where an app may send users back to; without registered addresses, every http(s) address is right.
pub(crate) fn callback(registered: &[String], redirect_uri: &str) -> Option<Url> {
    let is_registered = |url: &Url| {
        if registered.is_empty() {
            return matches!(url.scheme(), "http" | "https");
        }
        registered.iter().any(|registered| registered == redirect_uri)
    };
    Url::parse(redirect_uri).ok().filter(is_registered)
}

/// Returns where the browser goes when the app gets no code.
pub(crate) fn refused(callback: &Url, error: &str, state: Option<&str>) -> Url {
    let mut callback = callback.clone();
    callback.query_pairs_mut().append_pair("error", error).extend_pairs(state.map(|state| ("state", state)));
    callback
}

/// Sends the browser elsewhere.
pub(crate) fn redirect(to: &Url) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.as_str())]).into_response()
}

/// Shows the page on which a person decides with one of the forms.
pub(crate) fn page(product: &str, scope: &str, forms: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><title>Connect to {product} (simulated)</title>\
         <h1>Connect an app to {product}</h1><p>The app asks for: {scope}</p>{forms}</html>",
        scope = escaped(scope),
    );
    // The real pages cannot be shown in a frame either.
    ([(header::X_FRAME_OPTIONS, "DENY")], Html(page)).into_response()
}

/// Returns form fields that nobody sees: the parameters that come back with the decision.
pub(crate) fn hidden_fields<N: AsRef<str>, V: AsRef<str>>(
    parameters: impl IntoIterator<Item = (N, V)>,
) -> String {
    let field = |(name, value): (N, V)| {
        let (name, value) = (escaped(name.as_ref()), escaped(value.as_ref()));
        format!(r#"<input type="hidden" name="{name}" value="{value}">"#)
    };
    parameters.into_iter().map(field).collect()
}

/// Writes text into a page.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

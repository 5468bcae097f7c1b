//! The page on which a person chooses a company and decides.

use std::fmt::Write as _;

use axum::{
    http::header,
    response::{Html, IntoResponse, Response},
};

use super::{authorize::AuthorizationRequest, books::Books};
use crate::oauth::escaped;

/// What the user sees when the app's request is wrong, whatever is wrong with it.
pub(crate) const SORRY: &str = "<!doctype html><html lang=\"en\"><title>Sorry</title>\
    <h1>Sorry, but the app didn't connect</h1>\
    <p>Please try again later, or contact customer support for help.</p></html>";

/// Shows the page for a checked request.
pub(crate) fn show(request: &AuthorizationRequest, books: &Books) -> Response {
    let mut fields = String::new();
    for (name, value) in [
        ("client_id", request.client_id.as_str()),
        ("redirect_uri", &request.redirect_uri),
        ("state", &request.state),
        ("scope", &request.scope),
        ("response_type", "code"),
    ] {
        // Writing to a String cannot fail.
        write!(fields, r#"<input type="hidden" name="{name}" value="{}">"#, escaped(value)).ok();
    }
    let mut choices = String::new();
    for company in books.companies() {
        let (id, name) = (escaped(&company.realm_id), escaped(&company.name));
        write!(choices, r#"<option value="{id}">{name} ({id})</option>"#).ok();
    }
    let page = format!(
        "<!doctype html><html lang=\"en\"><title>Connect to QuickBooks (simulated)</title>\
         <h1>Connect an app to QuickBooks</h1><p>The app asks for: {scope}</p>\
         <form method=\"post\" action=\"oauth2/decision\">{fields}\
         <label>Company <select name=\"realmId\">{choices}</select></label>\
         <button name=\"decision\" value=\"approve\">Connect</button>\
         <button name=\"decision\" value=\"deny\">No thanks</button></form></html>",
        scope = escaped(&request.scope),
    );
    // The real page cannot be shown in a frame either.
    ([(header::X_FRAME_OPTIONS, "DENY")], Html(page)).into_response()
}

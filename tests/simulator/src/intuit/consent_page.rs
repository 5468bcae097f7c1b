//! The page on which a person chooses a company and decides.

use std::fmt::Write as _;

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use super::{authorize::AuthorizationRequest, books::Books};
use crate::consent::{escaped, hidden_fields, page};

/// What the user sees when the app's request is wrong, whatever is wrong with it.
pub(crate) const SORRY: &str = "<!doctype html><html lang=\"en\"><title>Sorry</title>\
    <h1>Sorry, but the app didn't connect</h1>\
    <p>Please try again later, or contact customer support for help.</p></html>";

/// Shows the page for a checked request.
pub(crate) fn show(request: &AuthorizationRequest, books: &Books) -> Response {
    let fields = hidden_fields([
        ("client_id", request.client_id.as_str()),
        ("redirect_uri", &request.redirect_uri),
        ("state", &request.state),
        ("scope", &request.scope),
        ("response_type", "code"),
    ]);
    let mut choices = String::new();
    for company in books.companies() {
        let (id, name) = (escaped(&company.realm_id), escaped(&company.name));
        // Writing to a String cannot fail.
        write!(choices, r#"<option value="{id}">{name} ({id})</option>"#).ok();
    }
    let form = format!(
        "<form method=\"post\" action=\"oauth2/decision\">{fields}\
         <label>Company <select name=\"realmId\">{choices}</select></label>\
         <button name=\"decision\" value=\"approve\">Connect</button>\
         <button name=\"decision\" value=\"deny\">No thanks</button></form>",
    );
    page("QuickBooks", &request.scope, &form)
}

/// Shows what a request that must not be answered at its callback address leads to.
pub(crate) fn refuse(page: &str) -> Response {
    (StatusCode::BAD_REQUEST, Html(page.to_owned())).into_response()
}

//! The page on which a person chooses a user and decides, and the one that says what is wrong.

use std::{collections::HashMap, fmt::Write as _};

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::options::ZohoUserOptions;
use crate::oauth::escaped;

/// Shows the page for a checked request; its parameters come back with the decision.
pub(crate) fn show<'a>(
    parameters: &HashMap<String, String>,
    users: impl Iterator<Item = &'a ZohoUserOptions>,
) -> Response {
    let mut fields = String::new();
    for (name, value) in parameters {
        let (name, value) = (escaped(name), escaped(value));
        // Writing to a String cannot fail.
        write!(fields, r#"<input type="hidden" name="{name}" value="{value}">"#).ok();
    }
    let mut choices = String::new();
    for user in users {
        let id = escaped(&user.user_id);
        write!(choices, r#"<option value="{id}">{id} ({})</option>"#, user.location.name()).ok();
    }
    let scope = parameters.get("scope").map(|scope| escaped(scope)).unwrap_or_default();
    let page = format!(
        "<!doctype html><html lang=\"en\"><title>Connect to Zoho Books (simulated)</title>\
         <h1>Connect an app to Zoho Books</h1><p>The app asks for: {scope}</p>\
         <form method=\"post\" action=\"auth/decision\">{fields}\
         <label>User <select name=\"userId\">{choices}</select></label>\
         <button name=\"decision\" value=\"approve\">Accept</button>\
         <button name=\"decision\" value=\"reject\">Reject</button></form></html>",
    );
    // The real page cannot be shown in a frame either.
    ([(header::X_FRAME_OPTIONS, "DENY")], Html(page)).into_response()
}

/// Shows what is wrong with a request that must not be answered at its callback address.
pub(crate) fn refuse(cause: &str) -> Response {
    let page =
        format!("<!doctype html><html lang=\"en\"><title>Zoho Accounts</title><h1>{cause}</h1></html>");
    (StatusCode::BAD_REQUEST, Html(page)).into_response()
}

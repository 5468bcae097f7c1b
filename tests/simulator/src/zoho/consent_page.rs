//! The page on which a person chooses a user and decides, and the one that says what is wrong.

use std::{collections::HashMap, fmt::Write as _};

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use super::options::ZohoUserOptions;
use crate::consent::{escaped, hidden_fields, page};

/// Shows the page for a checked request; its parameters come back with the decision.
pub(crate) fn show<'a>(
    parameters: &HashMap<String, String>,
    users: impl Iterator<Item = &'a ZohoUserOptions>,
) -> Response {
    let fields = hidden_fields(parameters);
    let mut choices = String::new();
    for user in users {
        let id = escaped(&user.user_id);
        // Writing to a String cannot fail.
        write!(choices, r#"<option value="{id}">{id} ({})</option>"#, user.location.name()).ok();
    }
    let scope = parameters.get("scope").map(String::as_str).unwrap_or_default();
    let form = format!(
        "<form method=\"post\" action=\"auth/decision\">{fields}\
         <label>User <select name=\"userId\">{choices}</select></label>\
         <button name=\"decision\" value=\"approve\">Accept</button>\
         <button name=\"decision\" value=\"reject\">Reject</button></form>",
    );
    page("Zoho Books", scope, &form)
}

/// Shows what is wrong with a request that must not be answered at its callback address.
pub(crate) fn refuse(cause: &str) -> Response {
    let page =
        format!("<!doctype html><html lang=\"en\"><title>Zoho Accounts</title><h1>{cause}</h1></html>");
    (StatusCode::BAD_REQUEST, Html(page)).into_response()
}

//! The page on which a person signs in, chooses organizations and decides, and the one that says what is wrong.

use std::{collections::HashMap, fmt::Write as _};

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use super::{books::Organizations, options::XeroUserOptions};
use crate::consent::{escaped, hidden_fields, page};

/// Shows the page for a checked request; its parameters come back with the decision.
pub(crate) fn show(
    parameters: &HashMap<String, String>,
    users: &[XeroUserOptions],
    organizations: &Organizations,
    bulk: bool,
) -> Response {
    let fields = hidden_fields(parameters);
    let scope = parameters.get("scope").map(String::as_str).unwrap_or_default();
    let forms: String =
        users.iter().map(|user| form(&fields, user, organizations, bulk)).collect::<Vec<_>>().join("<hr>");
    page("Xero", scope, &forms)
}

/// Shows what is wrong with a request that must not be answered at its callback address.
pub(crate) fn refuse(cause: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><title>Xero</title><h1>Sorry, something went wrong</h1>\
         <p>Error: {}</p></html>",
        escaped(cause),
    );
    (StatusCode::BAD_REQUEST, Html(page)).into_response()
}

fn form(fields: &str, user: &XeroUserOptions, organizations: &Organizations, bulk: bool) -> String {
    let mut choices = String::new();
    let kind = if bulk { "checkbox" } else { "radio" };
    for organization in user.tenant_ids.iter().filter_map(|id| organizations.find(id)) {
        let (id, name) = (escaped(&organization.tenant_id), escaped(&organization.name));
        // Writing to a String cannot fail.
        write!(choices, r#"<label><input type="{kind}" name="tenantId" value="{id}">{name}</label> "#).ok();
    }
    format!(
        "<form method=\"post\" action=\"authorize/decision\">{fields}\
         <input type=\"hidden\" name=\"userId\" value=\"{id}\"><h2>As {name}</h2>{choices}\
         <button name=\"decision\" value=\"approve\">Allow access</button>\
         <button name=\"decision\" value=\"deny\">Cancel</button></form>",
        id = escaped(&user.user_id),
        name = escaped(&user.name),
    )
}

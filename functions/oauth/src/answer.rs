//! Where the browser ends up: the product's page, or a small clear page of ours.

use domain::{
    authorization::Completed, connection::ConnectionState, error::ErrorCode, id::CorrelationId,
    provider::Provider,
};
use edge::http::{ApiError, escape, html, redirect};
use lambda_http::{
    Response,
    http::{HeaderMap, StatusCode, header},
};
use url::Url;

/// Whether a browser asks, which is shown a page; other clients get JSON.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// The end of a connection that stands.
pub(crate) fn connected(completed: &Completed, correlation: &CorrelationId) -> Response<String> {
    let connection = completed.key.connection.as_str();
    if let Some(mut url) = completed.return_url.as_deref().and_then(|url| Url::parse(url).ok()) {
        url.query_pairs_mut().append_pair("status", "connected").append_pair("connectionId", connection);
        return redirect(url.as_str(), correlation);
    }
    let companies = completed.companies.join(", ");
    let text = match completed.state {
        ConnectionState::Pending => {
            format!("{companies} will be connected as soon as you confirm it where you began.")
        }
        _ => format!("{companies}: connected. You can close this page."),
    };
    html(StatusCode::OK, page("Connected", &text, "", connection), correlation)
}

/// The end of a connection that does not stand, for a product that wants to tell it itself.
pub(crate) fn return_failed(
    return_url: &str,
    code: ErrorCode,
    correlation: &CorrelationId,
) -> Response<String> {
    match Url::parse(return_url) {
        Ok(mut url) => {
            url.query_pairs_mut().append_pair("status", "failed").append_pair("error", code.name());
            redirect(url.as_str(), correlation)
        }
        Err(error) => ApiError::failure(ErrorCode::InternalError, &error).response(correlation),
    }
}

/// The end of a connection that does not stand, told by us.
pub(crate) fn failure_page(error: &ApiError, correlation: &CorrelationId) -> Response<String> {
    let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reference = format!("{} {correlation}", error.code.name());
    html(status, page("Not connected", &error.message, "", &reference), correlation)
}

/// Lets the person choose a provider for the books of `tenant`; each link is the address to go on to.
pub(crate) fn choice(
    tenant: &str,
    links: &[(Provider, String)],
    correlation: &CorrelationId,
) -> Response<String> {
    let text = format!("Which books do you want to connect to {tenant}?");
    let item = |(provider, link): &(Provider, String)| {
        format!("<li><a href=\"{}\">{}</a></li>", escape(link), provider.display_name())
    };
    let list = format!("<ul>{}</ul>", links.iter().map(item).collect::<String>());
    html(StatusCode::OK, page("Connect your books", &text, &list, correlation.as_str()), correlation)
}

/// A page of ours; `more` is markup.
fn page(title: &str, text: &str, more: &str, reference: &str) -> String {
    let (title, text, reference) = (escape(title), escape(text), escape(reference));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}}\
         small{{color:#666}}</style></head>\
         <body><h1>{title}</h1><p>{text}</p>{more}<small>{reference}</small></body></html>"
    )
}

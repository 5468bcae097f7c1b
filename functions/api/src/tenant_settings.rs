//! What may be set of a tenant.

use domain::tenant::TenantSettings;
use edge::{config::ScopeLists, http::ApiError};
use url::{Host, Url};

/// A plan is a word, not a text.
const MAX_PLAN: usize = 64;
/// Pages that a product has for coming back to; each connect link names one of them.
const MAX_RETURN_URLS: usize = 20;
/// What browsers and gateways take without a doubt.
const MAX_URL: usize = 2000;
/// Far more than any provider has.
const MAX_SCOPES: usize = 50;

/// A text that a page can show on one line, and in the order in which it is written.
pub(crate) fn printable(field: &str, text: &str, max: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(is_unprintable) {
        return Err(ApiError::invalid(field, format!("{field} must be 1 to {max} printable characters")));
    }
    Ok(text.to_owned())
}

/// Controls, line breaks, and what turns the direction of writing (Unicode Standard Annex 9), by which a name could pass for
/// another.
fn is_unprintable(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// The name of a plan.
pub(crate) fn plan_of(text: &str) -> Result<String, ApiError> {
    printable("plan", text, MAX_PLAN)
}

/// Refuses settings that could not have their effect, or a bad one.
pub(crate) fn check(configured: &ScopeLists, settings: &TenantSettings) -> Result<(), ApiError> {
    for (provider, scopes) in &settings.scopes {
        let allowed = configured.of(*provider);
        if scopes.len() > MAX_SCOPES || !scopes.iter().all(|scope| allowed.contains(scope)) {
            let message = "settings.scopes may hold only what is configured for each provider";
            return Err(ApiError::invalid("settings.scopes", message).with("allowed", allowed.to_vec()));
        }
    }
    if settings.return_urls.len() > MAX_RETURN_URLS {
        let message = format!("settings.returnUrls may hold {MAX_RETURN_URLS} addresses");
        return Err(ApiError::invalid("settings.returnUrls", message).with("max", MAX_RETURN_URLS));
    }
    if settings.return_urls.iter().all(|url| is_return_url(url)) {
        return Ok(());
    }
    let message = "settings.returnUrls may hold only absolute https addresses as browsers write them, without user and \
                   without #; http only of this very machine";
    Err(ApiError::invalid("settings.returnUrls", message))
}

/// Whether a browser may be sent there: an address that all readers read alike, since it is its own normal form.
fn is_return_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_normal = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    is_normal && is_safe && is_plain && text.len() <= MAX_URL
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_only_to_addresses_that_nobody_can_misread() {
        for good in [
            "https://app.example/books?tab=1",
            "https://app.example",
            "https://app.example:8443/",
            "http://localhost:3000/done",
            "http://127.0.0.1/",
            "http://[::1]:8080/",
        ] {
            assert!(is_return_url(good), "{good}");
        }
        for bad in [
            "http://app.example/",
            "http://localhost.evil.example/",
            "//app.example/",
            "https:app.example",
            "https://app.example@evil.example/",
            "https://user:word@app.example/",
            "https://app.example/#part",
            "https://app.example/\r\nSet-Cookie: a=b",
            " https://app.example/",
            "https://APP.example/",
            "https://app.example/a/../b",
            "https:\\\\app.example/",
            "javascript:alert(1)",
            "/books",
            "",
        ] {
            assert!(!is_return_url(bad), "{bad}");
        }
        assert!(!is_return_url(&format!("https://app.example/{}", "a".repeat(MAX_URL))));
    }

    #[test]
    fn a_name_is_read_as_it_is_written() {
        assert_eq!(printable("name", " S\u{f6}hne & Co ", 200).unwrap(), "S\u{f6}hne & Co");
        for bad in ["", " ", "a\nb", "a\u{0}", "a\u{202e}b", "a\u{2028}b", &"a".repeat(201)] {
            assert!(printable("name", bad, 200).is_err(), "{bad:?}");
        }
    }
}

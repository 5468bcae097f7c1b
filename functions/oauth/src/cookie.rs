//! The cookies that bind a callback to the browser that began, one for each request under way: several tabs do not disturb
//! each other.

use domain::{authorization::STATE_LIFE, secret::OneTimeValue};
use lambda_http::http::{HeaderMap, HeaderValue, header, header::InvalidHeaderValue};

/// What the names begin with; `__Host-` keeps other hosts and plain http from setting them (RFC 6265bis section 4.1.3.2).
pub const PREFIX: &str = "__Host-ledgerbridge-";
/// So much of the hash of `state` tells the requests of one browser apart.
const NAME_LENGTH: usize = 16;

/// The cookie of the request with this hash of its `state`.
pub(crate) fn set(state_hash: &str, browser: &OneTimeValue) -> Result<HeaderValue, InvalidHeaderValue> {
    let value =
        format!("{}={}; {ATTRIBUTES}; Max-Age={}", name(state_hash), browser.expose(), STATE_LIFE.as_secs());
    let mut value = HeaderValue::from_str(&value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Takes the cookie of a request back.
pub(crate) fn clear(state_hash: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_str(&format!("{}=; {ATTRIBUTES}; Max-Age=0", name(state_hash)))
}

/// The value of the cookie of a request, where the browser sent exactly one.
pub(crate) fn read(headers: &HeaderMap, state_hash: &str) -> Option<OneTimeValue> {
    let name = name(state_hash);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(&name)?.strip_prefix('='));
    let value = values.next()?;
    values.next().is_none().then(|| OneTimeValue::new(value))
}

/// Sent on the way back from the provider, which is a cross-site navigation, and to nothing that runs in a page.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

fn name(state_hash: &str) -> String {
    format!("{PREFIX}{}", state_hash.get(..NAME_LENGTH).unwrap_or(state_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef";

    fn headers(cookies: &[&'static str]) -> HeaderMap {
        cookies.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_is_read_among_those_of_other_tabs_and_sites() {
        let sent =
            headers(&["a=b; __Host-ledgerbridge-0123456789abcdef=mine; __Host-ledgerbridge-ffff=other"]);

        assert_eq!(read(&sent, HASH).unwrap().expose(), "mine");
    }

    #[test]
    fn a_cookie_that_is_missing_or_comes_twice_is_none() {
        assert!(read(&headers(&["__Host-ledgerbridge-ffff=other"]), HASH).is_none());
        let twice =
            headers(&["__Host-ledgerbridge-0123456789abcdef=a", "__Host-ledgerbridge-0123456789abcdef=b"]);
        assert!(read(&twice, HASH).is_none());
    }

    #[test]
    fn a_cookie_is_bound_to_this_host_and_gone_once_used() {
        let set = set(HASH, &OneTimeValue::new("value")).unwrap();

        assert_eq!(
            set.to_str().unwrap(),
            "__Host-ledgerbridge-0123456789abcdef=value; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"
        );
        assert!(clear(HASH).unwrap().to_str().unwrap().ends_with("Max-Age=0"));
    }
}

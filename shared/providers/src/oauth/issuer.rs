//! The issuer that a callback names (RFC 9207).

use url::Url;

/// Whether `iss` may be the issuer of the tokens of `token_url`: it must be of the same origin, letter by letter.
///
/// The paths of an issuer and of its token endpoint differ, and none of the three providers documents its issuer in full.
#[must_use]
pub fn issuer_agrees(iss: &str, token_url: &Url) -> bool {
    let origin = token_url.origin();
    let Some(path) = iss.strip_prefix(&origin.ascii_serialization()).filter(|_| origin.is_tuple()) else {
        return false;
    };
    // RFC 8414 section 2: no query and no fragment.
    path.is_empty() || (path.starts_with('/') && !path.contains(['?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_has_the_origin_of_its_token_endpoint() {
        for (iss, token_url) in [
            (
                "https://oauth.platform.intuit.com/op/v1",
                "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
            ),
            ("https://identity.xero.com", "https://identity.xero.com/connect/token"),
            ("https://identity.xero.com/", "https://identity.xero.com:443/connect/token"),
            ("https://accounts.zoho.eu", "https://accounts.zoho.eu"),
            ("http://127.0.0.1:4001/xero", "http://127.0.0.1:4001/xero/connect/token"),
        ] {
            assert!(issuer_agrees(iss, &token_url.parse().unwrap()), "{iss}");
        }
    }

    #[test]
    fn whoever_only_looks_like_the_issuer_is_none() {
        let token_url = "https://identity.xero.com/connect/token".parse().unwrap();
        for iss in [
            "",
            "identity.xero.com",
            "http://identity.xero.com",
            "https://identity.xero.com.evil.example",
            "https://identity.xero.com@evil.example",
            "https://identity.xero.com:444",
            "https://identity.xero.com.",
            "https://IDENTITY.xero.com",
            " https://identity.xero.com",
            "https://identity\u{ff0e}xero.com",
            "https://identity.xero.com/?a",
            "https://identity.xero.com/#a",
            "https://login.xero.com",
        ] {
            assert!(!issuer_agrees(iss, &token_url), "{iss}");
        }
        assert!(!issuer_agrees("null", &"data:,".parse().unwrap()), "an origin that equals no other");
    }
}

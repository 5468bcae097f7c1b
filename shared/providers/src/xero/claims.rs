//! What an access token of Xero says of the authorization that it came from.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::secret::AccessToken;
use serde_json::{Map, Value};

/// The claim with the authorization's id.
const EVENT_CLAIM: &str = "authentication_event_id";

/// Which connections an authorization made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// Those with this id.
    Id(String),
    /// Those without any id, since what the token claims is none.
    Unreadable,
    /// All, since the token does not say: not every authorization server issues tokens that can be read.
    Unsaid,
}

/// Reads the claim without verifying the signature: the token came from the token endpoint over TLS.
pub(super) fn event(token: &AccessToken) -> Event {
    match claims(token.expose()).as_ref().and_then(|claims| claims.get(EVENT_CLAIM)) {
        None | Some(Value::Null) => Event::Unsaid,
        Some(Value::String(id)) if !id.is_empty() => Event::Id(id.clone()),
        Some(_) => Event::Unreadable,
    }
}

/// The claims of a JWT in compact form (RFC 7519 section 3.1).
fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_of(payload: &str) -> Event {
        event(&AccessToken::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))))
    }

    #[test]
    fn the_claim_is_read_from_the_second_part() {
        let claims =
            r#"{"sub":"x","authentication_event_id":"29398389-1728-4766-8f2a-dc6b6e966f9f","scope":["a"]}"#;

        assert_eq!(event_of(claims), Event::Id("29398389-1728-4766-8f2a-dc6b6e966f9f".to_owned()));
    }

    #[test]
    fn a_token_that_does_not_say_chose_all() {
        for payload in ["{}", r#"{"authentication_event_id":null}"#, "", "[]", "null", "{"] {
            assert_eq!(event_of(payload), Event::Unsaid, "{payload}");
        }
        for token in ["opaque", "", "a.b", "a.!.c", "e30.e30.a.b.c", "..", "1000.2deaf8d0.703adef2"] {
            assert_eq!(event(&AccessToken::new(token)), Event::Unsaid, "{token}");
        }
    }

    #[test]
    fn a_claim_that_is_no_id_chose_nothing() {
        for claim in ["1", "\"\"", "[]", "{}", "true"] {
            let payload = format!(r#"{{"authentication_event_id":{claim}}}"#);

            assert_eq!(event_of(&payload), Event::Unreadable, "{claim}");
        }
    }
}

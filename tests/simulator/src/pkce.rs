//! Proof keys for code exchange (RFC 7636): not required, but enforced once a challenge was sent.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The challenge of an authorization request.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    value: String,
    hashed: bool,
}

impl Challenge {
    /// Reads the challenge of a request; `Err` for a method that nobody knows.
    pub(crate) fn of(value: Option<&str>, method: Option<&str>) -> Result<Option<Self>, ()> {
        let Some(value) = value else {
            return Ok(None);
        };
        let hashed = match method {
            Some("S256") => true,
            None | Some("plain") => false,
            Some(_) => return Err(()),
        };
        Ok(Some(Self { value: value.to_owned(), hashed }))
    }

    /// Tells whether a verifier is what a challenge asks for, if there is one.
    pub(crate) fn is_met(challenge: Option<&Self>, verifier: Option<&str>) -> bool {
        challenge.is_none_or(|challenge| {
            verifier.is_some_and(|verifier| {
                if challenge.hashed {
                    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge.value
                } else {
                    verifier == challenge.value
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_met() {
        let challenge =
            Challenge::of(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("S256")).unwrap();

        assert!(Challenge::is_met(challenge.as_ref(), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")));
        assert!(!Challenge::is_met(challenge.as_ref(), Some("another")));
        assert!(!Challenge::is_met(challenge.as_ref(), None));
        assert!(Challenge::is_met(None, Some("needless")));
    }
}

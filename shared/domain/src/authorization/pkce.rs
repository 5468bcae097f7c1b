//! Proof Key for Code Exchange (RFC 7636) without storing the verifier.
//!
//! It is derived from the two values that only the browser which began brings back: `state`, and the binding cookie, which
//! never leaves it for the provider. Whoever reads the redirect has the state but not the cookie, and whoever reads our
//! tables has only hashes of both.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::secret::{CodeVerifier, OneTimeValue};

/// The one `code_challenge_method` that is sent: `plain` would show the verifier to whoever sees the request.
pub(super) const METHOD: &str = "S256";
/// Separates this use of the two values from any other.
const LABEL: &[u8] = b"ledgerbridge code_verifier\0";

/// The verifier of the request with this state, in this browser: 43 characters.
pub(super) fn verifier(state: &OneTimeValue, browser: &OneTimeValue) -> CodeVerifier {
    // Any length of key will do for HMAC (RFC 2104), so this cannot fail; an empty verifier would be refused at the provider.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(browser.expose().as_bytes()) else {
        return CodeVerifier::new("");
    };
    mac.update(LABEL);
    mac.update(state.expose().as_bytes());
    CodeVerifier::new(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The challenge for a verifier.
pub(super) fn challenge(verifier: &CodeVerifier) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> OneTimeValue {
        OneTimeValue::new(text)
    }

    #[test]
    fn the_challenge_of_rfc_7636_appendix_b_holds() {
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_verifier_is_the_same_for_the_same_request_and_browser_only() {
        let first = verifier(&value("state"), &value("browser"));

        assert_eq!(first.expose(), verifier(&value("state"), &value("browser")).expose());
        assert_ne!(first.expose(), verifier(&value("state"), &value("other")).expose());
        assert_ne!(first.expose(), verifier(&value("other"), &value("browser")).expose());
        assert_eq!(first.expose().len(), 43, "RFC 7636 wants 43 to 128 characters");
    }
}

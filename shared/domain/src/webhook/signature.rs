//! Signatures of webhooks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use crate::secret::WebhookSecret;

/// A signature was refused; which part was wrong helps only somebody who forges.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the signature does not match the body")]
pub struct SignatureMismatch;

/// Verifies the base64 HMAC-SHA-256 over the raw body that Intuit and Xero send, against each live secret.
///
/// The presented value is decoded first and compared in constant time on bytes; the secret's UTF-8 bytes are the key,
/// although Xero's looks like base64.
pub fn verify_base64(
    body: &[u8],
    presented: &str,
    secrets: &[WebhookSecret],
) -> Result<(), SignatureMismatch> {
    let presented = STANDARD.decode(presented).map_err(|_| SignatureMismatch)?;
    let matches = secrets.iter().filter(|secret| !secret.expose().is_empty()).any(|secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&presented).is_ok())
    });
    matches.then_some(()).ok_or(SignatureMismatch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Published with Intuit's SDK tests (I-1 Java, I-2 .NET), by Xero in real traffic (X-1), and computed for the
    /// CloudEvents example of Intuit's announcement.
    const VECTORS: [(&str, &str, &str); 4] = [
        (
            "b5771f19b12ddb4bcdb9f08bdc50bc63878a",
            r#"{"eventNotifications":[{"realmId":"1185883450","dataChangeEvent":{"entities":[{"name":"Customer","id":"1","operation":"Create","lastUpdated":"2015-10-05T14:42:19-0700"}]}}]}"#,
            "JC2GUwciPmRBwEO7WvrRmKqu9tGOKL8FFallocTFi8Q=",
        ),
        (
            "00faeec4-08d0-4996-bb37-698ae19f0149",
            r#"{"eventNotifications":[{"realmId":"1269959970","dataChangeEvent":{"entities":[{"name":"Vendor","id":"40","operation":"Update","lastUpdated":"2016-10-05T03:09:04.000Z"},{"name":"Customer","id":"43","operation":"Create","lastUpdated":"2016-10-05T03:07:04.000Z"}]}}]}"#,
            "6q+xGyMirJupwKTh2/WBl2NcdxzxqdIbk3sneKTxLWM=",
        ),
        (
            "LR+QgKlbRciIPYpi65tTKLaZ3FzLLofCNEQWrRXqWXJeDFrfexzfVI9SmnVuCWDJ4jnjHB9ECtOyxZSofRxwWw==",
            r#"{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "LUWDSUDGSWNZVALZXBEV"}"#,
            "BjzNbYUfrzg4g8wxm+dKHaZVrKxr2m75E296fUbD1E4=",
        ),
        (
            "00faeec4-08d0-4996-bb37-698ae19f0149",
            r#"[{"specversion":"1.0","id":"88cd52aa-33b6-4351-9aa4-47572edbd068","source":"intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=","type":"qbo.account.created.v1","datacontenttype":"application/json","time":"2025-09-10T21:31:25.179851517Z","intuitentityid":"1234","intuitaccountid":"310687","data":{}}]"#,
            "uY2fPgCCdvdwPY2dNzWdXlhQCr5DqNwKJlUcQOJ0jFA=",
        ),
    ];

    #[test]
    fn every_published_vector_is_accepted() {
        for (secret, body, signature) in VECTORS {
            assert_eq!(
                verify_base64(body.as_bytes(), signature, &[WebhookSecret::new(secret)]),
                Ok(()),
                "{body}"
            );
        }
    }

    #[test]
    fn xeros_wrong_handshake_is_refused_although_one_character_differs() {
        let (secret, body, _) = VECTORS[2];
        let wrong = "/jzNbYUfrzg4g8wxm+dKHaZVrKxr2m75E296fUbD1E4=";

        assert_eq!(
            verify_base64(body.as_bytes(), wrong, &[WebhookSecret::new(secret)]),
            Err(SignatureMismatch)
        );
    }

    #[test]
    fn either_of_two_live_secrets_is_enough() {
        let (secret, body, signature) = VECTORS[0];
        let secrets = [WebhookSecret::new("new"), WebhookSecret::new(secret)];

        assert_eq!(verify_base64(body.as_bytes(), signature, &secrets), Ok(()));
    }

    #[test]
    fn without_a_secret_nothing_is_accepted() {
        let (_, body, signature) = VECTORS[0];

        assert_eq!(verify_base64(body.as_bytes(), signature, &[]), Err(SignatureMismatch));
        // HMAC of the empty body under the empty key: an unset secret must not fail open.
        let empty = "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=";
        assert_eq!(verify_base64(b"", empty, &[WebhookSecret::new("")]), Err(SignatureMismatch));
    }

    proptest! {
        #[test]
        fn one_flipped_bit_anywhere_is_refused(vector in 0..VECTORS.len(), part in 0..3_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let (secret, body, signature) = VECTORS[vector];
            let (mut secret, mut body) = (secret.as_bytes().to_vec(), body.as_bytes().to_vec());
            let mut digest = STANDARD.decode(signature).unwrap();
            let changed = [&mut secret, &mut body, &mut digest][part].as_mut_slice();
            let at = at.index(changed.len());
            changed[at] ^= 1_u8 << bit;
            // A key is text; a flip that leaves it no text cannot be configured.
            if let Ok(secret) = String::from_utf8(secret) {
                let presented = STANDARD.encode(&digest);
                prop_assert_eq!(verify_base64(&body, &presented, &[WebhookSecret::new(secret)]), Err(SignatureMismatch));
            }
        }

        #[test]
        fn any_text_as_a_signature_is_refused_without_panic(presented in ".{0,200}", body in any::<Vec<u8>>()) {
            prop_assert_eq!(verify_base64(&body, &presented, &[WebhookSecret::new("key")]), Err(SignatureMismatch));
        }
    }
}

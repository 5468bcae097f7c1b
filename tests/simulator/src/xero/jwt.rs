//! Access tokens and ID tokens: true claims under a signature that nobody can verify.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::grants::{Consent, Rules};

/// The issuer of every token.
pub(crate) const ISSUER: &str = "https://identity.xero.com";
/// Length of an RSA signature with a key of 2048 bits.
const SIGNATURE_BYTES: usize = 256;

/// Makes an access token.
pub(crate) fn access_token(consent: &Consent, rules: &Rules<'_>) -> String {
    let now = rules.now.as_second();
    let claims = json!({
        "nbf": now,
        "exp": now + i64::from(rules.settings.access_token_seconds),
        "iss": ISSUER,
        "aud": format!("{ISSUER}/resources"),
        "client_id": consent.client_id,
        "sub": subject(consent),
        "auth_time": consent.given_at.as_second(),
        "xero_userid": consent.user.user_id,
        "global_session_id": consent.session_id,
        "sid": consent.session_id,
        "jti": rules.chance.hex(32).to_uppercase(),
        "authentication_event_id": consent.auth_event_id,
        "scope": consent.scopes,
    });
    signed(&claims, rules)
}

/// Makes an ID token that goes with an access token.
pub(crate) fn id_token(consent: &Consent, access_token: &str, rules: &Rules<'_>) -> String {
    let now = rules.now.as_second();
    let mut claims = json!({
        "nbf": now,
        "exp": now + i64::from(rules.settings.id_token_seconds),
        "iss": ISSUER,
        "aud": consent.client_id,
        "iat": now,
        "at_hash": URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16]),
        "sid": consent.session_id,
        "sub": subject(consent),
        "auth_time": consent.given_at.as_second(),
        "xero_userid": consent.user.user_id,
        "global_session_id": consent.session_id,
    });
    let has = |scope: &str| consent.scopes.iter().any(|granted| granted == scope);
    if has("profile") {
        let (given, family) = consent.user.name.split_once(' ').unwrap_or((&consent.user.name, ""));
        claims["name"] = json!(consent.user.name);
        claims["given_name"] = json!(given);
        claims["family_name"] = json!(family);
    }
    if has("email") {
        claims["email"] = json!(consent.user.email);
        claims["preferred_username"] = json!(consent.user.email);
    }
    signed(&claims, rules)
}

fn signed(claims: &Value, rules: &Rules<'_>) -> String {
    let header = json!({ "alg": "RS256", "kid": "1CAF8E66772D6DC028D6726FD0261581570EFC19", "typ": "JWT" });
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.{}", encoded(&header), encoded(claims), rules.chance.base64_url(SIGNATURE_BYTES))
}

/// Returns the name of the user for all apps: 32 hexadecimal digits that are not the user's id.
fn subject(consent: &Consent) -> String {
    let mut text = hex::encode(Sha256::digest(&consent.user.user_id));
    text.truncate(32);
    text
}

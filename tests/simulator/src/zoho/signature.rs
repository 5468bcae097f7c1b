//! The signature of webhooks: what is signed, and how it is written.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    oauth::{fields, names_form},
    signing::{hex_signature, signature},
};

/// The header that carries it.
pub(crate) const HEADER: &str = "x-zoho-webhook-signature";

/// How the digest is written; Zoho's documentation does not say.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Encoding {
    Base64,
    /// Lower-case digits.
    #[default]
    Hex,
}

impl Encoding {
    /// Signs a text with HMAC-SHA256.
    pub(crate) fn sign(self, secret: &str, text: &str) -> String {
        match self {
            Self::Base64 => signature(secret, text.as_bytes()),
            Self::Hex => hex_signature(secret, text.as_bytes()),
        }
    }
}

/// Returns what is signed: decoded parameters in the order of their names, then a body that is no form.
///
/// The fields of a form are parameters, too: it is not signed as it stands.
pub(crate) fn string_to_sign(url: &str, content_type: &str, body: &str) -> String {
    let mut parameters: Vec<(String, String)> =
        Url::parse(url).map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default();
    let is_form = names_form(content_type);
    if is_form {
        parameters.extend(fields(body.as_bytes()));
    }
    parameters.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut text: String = parameters.into_iter().flat_map(|(name, value)| [name, value]).collect();
    if !is_form {
        text.push_str(body);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"created_date":"2019-03-06","event_id":"5675"}"#;

    #[test]
    fn the_official_example_is_reproduced() {
        let text = string_to_sign(
            "https://app.example/hook?subscription_id=90343&name=basic",
            "application/json",
            EVENT,
        );

        assert_eq!(text, format!("namebasicsubscription_id90343{EVENT}"));
        assert_eq!(
            Encoding::Hex.sign("zohotestsecret12", &text),
            "da4f031c03e86c56ebd4e1af22ce0c72da0c5e743ca01c493e97e402c5888918"
        );
    }

    #[test]
    fn fields_of_a_form_are_sorted_among_the_query_parameters_and_decoded() {
        let text = string_to_sign(
            "https://app.example/hook?b=2",
            "application/x-www-form-urlencoded",
            "c=3+3&a=1%26",
        );

        assert_eq!(text, "a1&b2c3 3");
    }

    #[test]
    fn base64_is_another_way_to_write_the_same_digest() {
        let hex = Encoding::Hex.sign("key", "text");
        let base64 = Encoding::Base64.sign("key", "text");

        assert_eq!((hex.len(), base64.len()), (64, 44));
    }
}

//! Addresses of companies that send their own webhooks: a Zoho organization has one for each connection, with a secret.
//!
//! Address and secret are derived from one key of ours (`ZOHO_WEBHOOK_SECRET`), so that the function that receives webhooks
//! finds both without a look-up, and nobody guesses an address: it ends in a MAC of what it names.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::signature::Encoding;
use crate::{
    id::{ConnectionId, ProviderCompanyId},
    secret::WebhookSecret,
};

/// 128 bits of a MAC cannot be guessed (OWASP ASVS 11.5.1).
const TAG_BYTES: usize = 16;
/// 160 bits as 40 letters and digits: Zoho takes secrets of 12 to 50 of them.
const SECRET_BYTES: usize = 20;
/// Ends an address whose organization signs in base64; every other signs in hexadecimal.
const BASE64_SUFFIX: &str = ".base64";

/// The keys that addresses are derived from: the first makes new ones, each of them is taken.
#[derive(Clone, Debug)]
pub struct AddressKeys(Vec<WebhookSecret>);

/// What is set up at the provider: where it sends to, and the secret that it signs with.
#[derive(Clone, Debug)]
pub struct WebhookAddress {
    /// The last segment of the address.
    pub company_key: String,
    /// The secret.
    pub secret: WebhookSecret,
}

/// What an address of ours stands for.
#[derive(Clone, Debug)]
pub struct FoundAddress {
    /// The connection.
    pub connection: ConnectionId,
    /// The company.
    pub company: ProviderCompanyId,
    /// What its webhooks are signed with.
    pub secret: WebhookSecret,
    /// How their signatures are written.
    pub encoding: Encoding,
}

impl AddressKeys {
    /// Derives from these keys; an empty one is left out.
    #[must_use]
    pub fn new(keys: Vec<WebhookSecret>) -> Self {
        Self(keys.into_iter().filter(|key| !key.expose().is_empty()).collect())
    }

    /// The address of a company of a connection; none where there is no key.
    #[must_use]
    pub fn issue(&self, connection: &ConnectionId, company: &ProviderCompanyId) -> Option<WebhookAddress> {
        let names = [connection.as_str(), company.as_str()];
        let key = self.0.first()?;
        let tag = URL_SAFE_NO_PAD.encode(&mac(key, "address", names).finalize().into_bytes()[..TAG_BYTES]);
        Some(WebhookAddress {
            company_key: format!("{connection}.{company}.{tag}"),
            secret: secret(key, names),
        })
    }

    /// What the last segment of an address stands for; none where it is not one of ours.
    #[must_use]
    pub fn find(&self, company_key: &str) -> Option<FoundAddress> {
        let (company_key, encoding) = match company_key.strip_suffix(BASE64_SUFFIX) {
            Some(company_key) => (company_key, Encoding::Base64),
            None => (company_key, Encoding::Hex),
        };
        let [connection, company, tag] = company_key.splitn(3, '.').collect::<Vec<_>>().try_into().ok()?;
        let tag: [u8; TAG_BYTES] = URL_SAFE_NO_PAD.decode(tag).ok()?.try_into().ok()?;
        let names = [connection, company];
        let key = self.0.iter().find(|key| mac(key, "address", names).verify_truncated_left(&tag).is_ok())?;
        Some(FoundAddress {
            connection: connection.parse().ok()?,
            company: company.parse().ok()?,
            secret: secret(key, names),
            encoding,
        })
    }
}

/// The MAC of names under a label; each with its length before it, so that no two sets of names are the same text.
fn mac(key: &WebhookSecret, label: &str, names: [&str; 2]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 section 2)")]
    let mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("a key of any length");
    [label]
        .into_iter()
        .chain(names)
        .fold(mac, |mac, name| mac.chain_update((name.len() as u64).to_be_bytes()).chain_update(name))
}

fn secret(key: &WebhookSecret, names: [&str; 2]) -> WebhookSecret {
    WebhookSecret::new(hex::encode(&mac(key, "secret", names).finalize().into_bytes()[..SECRET_BYTES]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> AddressKeys {
        AddressKeys::new(keys.iter().map(|&key| WebhookSecret::new(key)).collect())
    }

    fn issued(by: &AddressKeys) -> WebhookAddress {
        by.issue(&"conn_1".parse().unwrap(), &"60001".parse().unwrap()).unwrap()
    }

    #[test]
    fn an_address_is_found_again_with_its_secret() {
        let ours = keys(&["master"]);

        let WebhookAddress { company_key, secret } = issued(&ours);

        let found = ours.find(&company_key).unwrap();
        assert_eq!((found.connection.as_str(), found.company.as_str()), ("conn_1", "60001"));
        assert_eq!((found.secret.expose(), found.encoding), (secret.expose(), Encoding::Hex));
        assert!(
            secret.expose().len() <= 50 && secret.expose().bytes().all(|byte| byte.is_ascii_alphanumeric())
        );
    }

    #[test]
    fn the_same_address_with_a_suffix_is_signed_in_base64() {
        let ours = keys(&["master"]);
        let address = issued(&ours).company_key;

        assert_eq!(ours.find(&format!("{address}.base64")).unwrap().encoding, Encoding::Base64);
    }

    #[test]
    fn an_address_made_under_the_former_key_is_found_while_that_is_live() {
        let former = issued(&keys(&["former"]));

        assert!(keys(&["new", "former"]).find(&former.company_key).is_some());
        assert!(keys(&["new"]).find(&former.company_key).is_none());
    }

    #[test]
    fn whatever_is_changed_in_an_address_it_is_no_longer_ours() {
        let ours = keys(&["master"]);
        let address = issued(&ours).company_key;

        for (place, _) in address.char_indices() {
            let mut changed = address.clone();
            let other = if &address[place..=place] == "x" { "y" } else { "x" };
            changed.replace_range(place..=place, other);
            assert!(ours.find(&changed).is_none(), "{changed}");
            assert!(ours.find(&address[..place]).is_none());
        }
        for moved in ["conn_16.0001", "conn_.160001"] {
            assert!(ours.find(&address.replace("conn_1.60001", moved)).is_none());
        }
        assert!(keys(&[""]).issue(&"conn_1".parse().unwrap(), &"60001".parse().unwrap()).is_none());
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(
            !format!("{:?}", issued(&keys(&["master"]))).contains(issued(&keys(&["master"])).secret.expose())
        );
    }
}

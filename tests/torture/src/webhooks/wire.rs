//! Deliveries as each provider writes and signs them.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::{
    provider::Provider,
    secret::WebhookSecret,
    webhook::{AddressKeys, SentTo},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{company::Company, shop::Shop};
use crate::world::at;

/// What Intuit and Xero sign with, and what addresses at Zoho are derived from.
pub(super) const SECRET: &str = "b5771f19b12ddb4bcdb9f08bdc50bc63878a";
/// What an administrator's rule at Zoho adds to each address.
const QUERY: [(&str, &str); 1] = [("operation", "updated")];
/// The field of a form that holds the payload.
const JSON_FIELD: &str = "JSONString";

/// What an event says.
pub(super) struct Said {
    pub(super) company: Company,
    pub(super) number: u64,
    pub(super) word: &'static str,
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) time_ms: i64,
}

/// A delivery as it is on the wire.
#[derive(Clone, Debug)]
pub(super) struct OnTheWire {
    /// The last segment of the address, where each connection has its own.
    address: Option<String>,
    provider: Provider,
    pub(super) is_form: bool,
    pub(super) body: Vec<u8>,
    mac: Option<Vec<u8>>,
    is_hex: bool,
}

impl OnTheWire {
    pub(super) fn to(&self) -> SentTo<'_> {
        match (self.provider, &self.address) {
            (Provider::Xero, _) => SentTo::Xero,
            (_, Some(address)) => SentTo::Zoho(address),
            _ => SentTo::QuickBooks,
        }
    }

    pub(super) fn query(&self) -> Vec<(String, String)> {
        let query = QUERY.iter().filter(|_| self.address.is_some());
        query.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    pub(super) fn signature(&self) -> Option<String> {
        let hex = |mac: &Vec<u8>| mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        self.mac.as_ref().map(|mac| if self.is_hex { hex(mac) } else { STANDARD.encode(mac) })
    }

    /// The same with one bit of its body or its signature turned, a byte lost, or no signature at all.
    pub(super) fn spoilt(mut self, shop: &Shop) -> Self {
        let bit = 1 << shop.chance.below(8);
        match (shop.chance.below(4), &mut self.mac) {
            (0, mac) => *mac = None,
            (1, _) => drop(self.body.remove(shop.chance.below(self.body.len()))),
            (2, Some(mac)) => {
                let place = shop.chance.below(mac.len());
                mac[place] ^= bit;
            }
            _ => {
                let place = shop.chance.below(self.body.len());
                self.body[place] ^= bit;
            }
        }
        self
    }
}

/// A rightly signed delivery of a company's provider, and the key of each of its events; one that is none cannot be
/// understood.
pub(super) fn written(
    shop: &Shop,
    company: Company,
    (events, may_be_form): (&[Option<Said>], bool),
) -> (OnTheWire, Vec<Option<String>>) {
    match company.provider() {
        Provider::Zoho => zoho(shop, (company, may_be_form), events.first().and_then(Option::as_ref)),
        provider => {
            let (body, keys) = if provider == Provider::Xero { xero(events) } else { quickbooks(events) };
            let mac = Some(mac(SECRET, body.as_bytes()));
            let body = body.into_bytes();
            (OnTheWire { address: None, provider, is_form: false, body, mac, is_hex: false }, keys)
        }
    }
}

fn quickbooks(events: &[Option<Said>]) -> (String, Vec<Option<String>>) {
    let written = events.iter().map(|said| {
        let Some(Said { company, number, word, id, time_ms, .. }) = said else {
            return (r#"{"specversion":"1.0"}"#.to_owned(), None);
        };
        let (realm, number) = (company.id(), number.to_string());
        let (kind, time) = (format!("qbo.{word}.updated.v1"), at(*time_ms).to_string());
        let body = format!(
            r#"{{"specversion":"1.0","id":"{number}","source":"intuit.torture","type":"{kind}","time":"{time}","intuitentityid":"{id}","intuitaccountid":"{realm}","data":{{}}}}"#
        );
        let parts = ["intuit.torture", &number, &kind, realm.as_str(), id, &time];
        (body, Some(key(&parts.map(str::as_bytes))))
    });
    let (bodies, keys): (Vec<_>, _) = written.unzip();
    (format!("[{}]", bodies.join(",")), keys)
}

fn xero(events: &[Option<Said>]) -> (String, Vec<Option<String>>) {
    let written = events.iter().map(|said| {
        let Some(Said { company, word, id, time_ms, .. }) = said else {
            return (r#"{"eventCategory":"INVOICE"}"#.to_owned(), None);
        };
        // A time without an offset.
        let (tenant, time) = (company.id(), at(*time_ms).to_string().replace('Z', ""));
        let category = word.to_ascii_uppercase();
        let body = format!(
            r#"{{"resourceUrl":"https://api.xero.com/api.xro/2.0/{word}s/{id}","resourceId":"{id}","eventDateUtc":"{time}","eventType":"UPDATE","eventCategory":"{category}","tenantId":"{tenant}","tenantType":"ORGANISATION"}}"#
        );
        (body, Some(key(&[tenant.as_str(), word, id, "update", &time].map(str::as_bytes))))
    });
    let (bodies, keys): (Vec<_>, _) = written.unzip();
    let events = bodies.join(",");
    (
        format!(
            r#"{{"events":[{events}],"firstEventSequence":1,"lastEventSequence":1,"entropy":"S0m3r4Nd0mt3xt"}}"#
        ),
        keys,
    )
}

/// One record, sent to the address of one connection of its company.
fn zoho(
    shop: &Shop,
    (company, may_be_form): (Company, bool),
    said: Option<&Said>,
) -> (OnTheWire, Vec<Option<String>>) {
    let company = said.map_or(company, |said| said.company);
    let connection = company.key(shop.chance.below(company.tenants())).connection;
    let keys = AddressKeys::new(vec![WebhookSecret::new(SECRET)]);
    let issued = keys.issue(&connection, &company.id()).unwrap();
    let is_hex = shop.chance.below(2) == 0;
    let address = if is_hex { issued.company_key } else { format!("{}.base64", issued.company_key) };
    let time = said.map(|said| at(said.time_ms).to_string().replace('Z', "+0000")).unwrap_or_default();
    let json = match said {
        Some(Said { word, id, version, .. }) => format!(
            r#"{{"{word}":{{"{word}_id":"{id}","total":"{version}","last_modified_time":"{time}"}}}}"#
        ),
        None => r#"{"invoice":{}}"#.to_owned(),
    };
    let is_form = may_be_form && shop.chance.below(2) == 0;
    // Parameters sorted by their names, capital letters first; then the body, unless it is a form.
    let query = QUERY.map(|(name, value)| format!("{name}{value}")).concat();
    let (signed, body) = if is_form {
        (format!("{JSON_FIELD}{json}{query}"), format!("{JSON_FIELD}={}", escaped(&json)))
    } else {
        (format!("{query}{json}"), json)
    };
    let digest = key(&[signed.as_bytes()]);
    let of = company.id();
    let event_key = said.map(|Said { word, id, .. }| {
        // No part tells deliveries apart, for the time is always said.
        key(&[connection.as_str(), of.as_str(), word, id, &time, "", &digest].map(str::as_bytes))
    });
    let mac = Some(mac(issued.secret.expose(), signed.as_bytes()));
    let body = body.into_bytes();
    let wire = OnTheWire { address: Some(address), provider: Provider::Zoho, is_form, body, mac, is_hex };
    (wire, vec![event_key])
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}

fn mac(secret: &str, signed: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(signed);
    mac.finalize().into_bytes().to_vec()
}

/// What makes an event the same event: the hash of what it says, each part with its length before it.
fn key(parts: &[&[u8]]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

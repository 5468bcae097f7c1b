//! Webhooks as providers send them, signed here, so that a test can bring each as often and as spoiled as it likes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{clock::SystemClock, entropy::SystemEntropy, id::Ids, provider::Provider};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Bundle, Connected, PATIENCE, eventually};

/// What the consumer's line says of the events of a message.
const OUTCOMES: [&str; 8] =
    ["applied", "duplicate", "stale", "unknownCompany", "disconnected", "ignored", "failed", "retry"];

/// Where a provider sends the webhooks of a company to, and the secret that it signs with.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) provider: Provider,
    pub(crate) path: String,
    pub(crate) secret: String,
}

/// A signed request that the provider has not sent yet.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) path: String,
    pub(crate) header: &'static str,
    pub(crate) signature: String,
    pub(crate) body: String,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The provider's id of the company.
    pub(crate) company: String,
    pub(crate) id: String,
    pub(crate) at: Timestamp,
}

impl Connected<'_> {
    /// Where webhooks of the first company go.
    pub(crate) async fn address(&self) -> Address {
        let provider = self.books.provider;
        if provider != Provider::Zoho {
            let apps = self.bundle().simulator.apps(provider).await;
            let secret = apps[0]["webhookKey"].as_str().unwrap().to_owned();
            return Address { provider, path: format!("/webhooks/{provider}"), secret };
        }
        let company = self.found().await["companies"][0].clone();
        let url = company["webhookUrl"].as_str().expect("an administrator sees the address");
        let path = url.strip_prefix(self.bundle().stack.value("API_URL")).unwrap().to_owned();
        let secret = company["webhookSecret"].as_str().expect("and the secret").to_owned();
        Address { provider, path, secret }
    }
}

impl Address {
    /// A body under its signature.
    pub(crate) fn sign(&self, body: String) -> Signed {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        let mac = mac.chain_update(&body).finalize().into_bytes();
        let (header, signature) = match self.provider {
            Provider::QuickBooks => ("intuit-signature", STANDARD.encode(mac)),
            Provider::Xero => ("x-xero-signature", STANDARD.encode(mac)),
            Provider::Zoho => ("x-zoho-webhook-signature", hex::encode(mac)),
        };
        Signed { path: self.path.clone(), header, signature, body }
    }

    /// The body that tells of changes: of customers at Xero and Zoho, of invoices at QuickBooks; Zoho tells one at a time.
    pub(crate) fn body(&self, told: &[Told]) -> String {
        let body = match self.provider {
            Provider::QuickBooks => told.iter().map(cloud_event).collect(),
            Provider::Xero => json!({
                "events": told.iter().map(xero_event).collect::<Vec<_>>(),
                "firstEventSequence": 1, "lastEventSequence": told.len(), "entropy": "S0m3r4Nd0mt3xt",
            }),
            Provider::Zoho => {
                let [Told { id, at, .. }] = told else { panic!("Zoho tells one at a time") };
                json!({ "contact": { "contact_id": id, "last_modified_time": zoho_time(*at) } })
            }
        };
        body.to_string()
    }
}

fn cloud_event(Told { company, id, at }: &Told) -> Value {
    json!({
        "specversion": "1.0", "id": format!("{company}-{id}-{}", at.as_nanosecond()), "source": "intuit.end-to-end",
        "type": "qbo.invoice.updated.v1", "datacontenttype": "application/json", "time": at.to_string(),
        "intuitentityid": id, "intuitaccountid": company, "data": {},
    })
}

fn xero_event(Told { company, id, at }: &Told) -> Value {
    json!({
        "resourceUrl": format!("https://api.xero.com/api.xro/2.0/Contacts/{id}"), "resourceId": id,
        "eventDateUtc": at.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string(), "eventType": "UPDATE",
        "eventCategory": "CONTACT", "tenantId": company, "tenantType": "ORGANISATION",
    })
}

fn zoho_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

impl Bundle {
    /// The request that brings a webhook.
    pub(crate) fn bringing(&self, signed: &Signed) -> RequestBuilder {
        let request = self.request(Method::POST, &signed.path).header("content-type", "application/json");
        request.header(signed.header, &signed.signature).body(signed.body.clone())
    }

    /// Brings a webhook, which must be taken; gives the id that its lines carry.
    pub(crate) async fn bring(&self, signed: &Signed) -> String {
        let id = correlation();
        let answer = self.send(self.bringing(signed).header("x-correlation-id", &id)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{}: {}", signed.path, answer.text());
        id
    }

    /// What became of the events of certain deliveries, summed over the consumer's lines, once each has had one; one that travels in several
    /// parts is named as often.
    pub(crate) async fn consumed(&self, correlations: &[String]) -> Value {
        eventually("the deliveries are consumed", PATIENCE, async || {
            let lines = self.log("SYNC_FUNCTION").await;
            let lines: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let is_theirs = |line: &&Value| {
                line["message"] == "Webhook events consumed"
                    && correlations.iter().any(|id| line["correlationId"] == id.as_str())
            };
            let theirs: Vec<_> = lines.iter().filter(is_theirs).collect();
            (theirs.len() >= correlations.len()).then(|| sums(&theirs))
        })
        .await
    }
}

/// The sum of each outcome over the consumer's lines.
pub(crate) fn sums(lines: &[&Value]) -> Value {
    let sum = |name| lines.iter().map(|line| line[name].as_u64().unwrap_or_default()).sum::<u64>();
    OUTCOMES.iter().map(|&name| (name.to_owned(), json!(sum(name)))).collect::<serde_json::Map<_, _>>().into()
}

/// An id that no other delivery carries.
pub(crate) fn correlation() -> String {
    Ids::new(&SystemClock, &SystemEntropy).correlation().to_string()
}

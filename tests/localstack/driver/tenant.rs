//! One tenant of the product, and its connection.

use domain::{
    connection::{Connection, ConnectionKey},
    refresh::Trigger,
};
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Browser, Bundle, PATIENCE, eventually};

/// A tenant that no other test has.
pub(crate) struct Tenant<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) id: String,
}

/// A tenant's connection to a company of its own.
pub(crate) struct Connected<'a> {
    pub(crate) tenant: Tenant<'a>,
    pub(crate) id: String,
    pub(crate) realm: String,
}

impl<'a> Tenant<'a> {
    /// Asks for a connect link as the product's backend does.
    pub(crate) async fn link(&self, sync: bool) -> String {
        let session = json!({ "tenantId": self.id, "provider": "quickbooks", "sync": sync });
        let session = self.bundle.post("/api/connect-sessions", &session).await.expect(201);
        session["connectUrl"].as_str().unwrap().to_owned()
    }

    /// Opens a link and decides at the provider; gives the browser and the callback that it is about to open.
    pub(crate) async fn walk(&self, link: &str, decision: &str, realm: &str) -> (Browser<'a>, Url) {
        let mut browser = Browser::new(self.bundle);
        let sent = browser.open(link).await;
        assert_eq!(sent.status, 302, "{}", sent.text());
        let callback = self.bundle.simulator.consent(sent.header("location"), decision, realm).await;
        (browser, callback)
    }

    /// Says yes for a company and stops before the callback.
    pub(crate) async fn approve(&self, realm: &str) -> (Browser<'a>, Url) {
        let link = self.link(false).await;
        self.walk(&link, "approve", realm).await
    }

    /// Connects a new company, without the sync that usually follows.
    pub(crate) async fn connect(self) -> Connected<'a> {
        let realm = self.bundle.simulator.company(1, 2).await;
        self.connect_to(realm, false).await
    }

    /// Connects a company.
    pub(crate) async fn connect_to(self, realm: String, sync: bool) -> Connected<'a> {
        let link = self.link(sync).await;
        let (mut browser, callback) = self.walk(&link, "approve", &realm).await;
        let connected = browser.open(callback.as_str()).await;
        assert_eq!(connected.status, 200, "{}", connected.text());
        let status = self.status().await;
        assert_eq!(status["summary"]["total"], 1, "{status}");
        let id = status["tokens"][0]["connectionId"].as_str().unwrap().to_owned();
        Connected { tenant: self, id, realm }
    }

    /// `GET /api/tokens/status`
    pub(crate) async fn status(&self) -> Value {
        self.bundle.get(&format!("/api/tokens/status?tenantId={}", self.id)).await.expect(200)
    }

    /// `GET /api/tokens/history/quickbooks`, newest first.
    pub(crate) async fn history(&self) -> Vec<Value> {
        let path = format!("/api/tokens/history/quickbooks?tenantId={}", self.id);
        self.bundle.get(&path).await.expect(200)["history"].as_array().unwrap().clone()
    }

    /// `POST /api/tokens/refresh/quickbooks`
    pub(crate) async fn refresh(&self) -> Answer {
        self.bundle.post("/api/tokens/refresh/quickbooks", &json!({ "tenantId": self.id })).await
    }
}

impl Connected<'_> {
    pub(crate) fn bundle(&self) -> &Bundle {
        self.tenant.bundle
    }

    pub(crate) fn key(&self) -> ConnectionKey {
        ConnectionKey { tenant: self.tenant.id.parse().unwrap(), connection: self.id.parse().unwrap() }
    }

    /// `GET /api/connections/{id}`
    pub(crate) async fn shown(&self) -> Value {
        self.bundle().get(&format!("/api/connections/{}", self.id)).await.expect(200)
    }

    pub(crate) async fn refresh(&self) -> Answer {
        self.tenant.refresh().await
    }

    /// The fingerprint, at the provider, of the refresh token that is good now.
    pub(crate) async fn refresh_token(&self) -> String {
        self.bundle().simulator.refresh_token(&self.realm).await
    }

    /// How often a refresh token was sent to the provider.
    pub(crate) async fn spent(&self, fingerprint: &str) -> usize {
        self.bundle().simulator.token_calls(fingerprint).await.len()
    }

    /// The connection as it is stored.
    pub(crate) async fn stored(&self) -> Connection {
        self.bundle().stored(&self.key()).await
    }

    /// Invokes the refresh function for this connection alone; gives its answer.
    pub(crate) async fn invoke_refresh(&self, reason: Trigger) -> Value {
        self.bundle().invoke_refresh(&self.key(), reason).await
    }

    /// Every record of one entity, read in pages of `limit`.
    pub(crate) async fn records(&self, entity: &str, limit: usize) -> Vec<Value> {
        let path = format!("/api/records/{entity}?companyId={}&limit={limit}", self.realm);
        let mut records = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.bundle().get(&format!("{path}{cursor}")).await.expect(200);
            let page_records = page["records"].as_array().unwrap();
            assert!(page_records.len() <= limit, "a page is longer than its limit");
            records.extend(page_records.iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return records,
            }
        }
    }

    /// Waits until that many records of an entity are there; gives them.
    pub(crate) async fn synced(&self, entity: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} {entity} are synced"), PATIENCE, async || {
            let records = self.records(entity, 200).await;
            (records.len() >= count).then_some(records)
        })
        .await
    }
}

//! One tenant of the product, and its connection.

use domain::{
    connection::{Connection, ConnectionKey},
    provider::Provider,
    refresh::Trigger,
};
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Books, Browser, Bundle, Fate, PATIENCE, Request, Way, audited, eventually};

/// A tenant that no other test has.
pub(crate) struct Tenant<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) id: String,
}

/// A tenant's connection to books of its own.
pub(crate) struct Connected<'a> {
    pub(crate) tenant: Tenant<'a>,
    pub(crate) id: String,
    pub(crate) books: Books,
}

impl<'a> Tenant<'a> {
    /// Asks for a connect link as the product's backend does.
    pub(crate) async fn link(&self, provider: Provider) -> String {
        self.link_with(json!({ "provider": provider, "sync": false })).await
    }

    /// Asks for a connect link with more members than the tenant.
    pub(crate) async fn link_with(&self, mut session: Value) -> String {
        session["tenantId"] = self.id.as_str().into();
        let session = self.bundle.post("/api/connect-sessions", &session).await.expect(201);
        session["connectUrl"].as_str().unwrap().to_owned()
    }

    /// Opens a link in a browser and decides at the provider; gives the callback that the browser is about to open.
    pub(crate) async fn decide(
        &self,
        (browser, link): (&mut Browser<'_>, &str),
        (decision, books): (&str, &Books),
    ) -> Url {
        let sent = browser.open(link).await;
        assert_eq!(sent.status, 302, "{}", sent.text());
        self.bundle.simulator.consent(sent.header("location"), decision, books).await
    }

    /// Opens a link in a new browser and decides at the provider; gives both.
    pub(crate) async fn walk(&self, link: &str, decision: &str, books: &Books) -> (Browser<'a>, Url) {
        let mut browser = Browser::new(self.bundle);
        let callback = self.decide((&mut browser, link), (decision, books)).await;
        (browser, callback)
    }

    /// Says yes for some books and stops before the callback.
    pub(crate) async fn approve(&self, books: &Books) -> (Browser<'a>, Url) {
        let link = self.link(books.provider).await;
        self.walk(&link, "approve", books).await
    }

    /// Connects a new company at Intuit, without the sync that usually follows.
    pub(crate) async fn connect(self) -> Connected<'a> {
        let books = Books::realm(&self.bundle.simulator.company(1, 2).await);
        self.connect_to(&books, false).await
    }

    /// Connects books, with the sync that usually follows or without it.
    pub(crate) async fn connect_to(self, books: &Books, sync: bool) -> Connected<'a> {
        let link = self.link_with(json!({ "provider": books.provider, "sync": sync })).await;
        self.follow(&link, books).await
    }

    /// Follows a link to its end, saying yes.
    pub(crate) async fn follow(self, link: &str, books: &Books) -> Connected<'a> {
        let (mut browser, callback) = self.walk(link, "approve", books).await;
        let connected = browser.open(callback.as_str()).await;
        assert_eq!(connected.status, 200, "{}", connected.text());
        let id = connection_of(&connected);
        Connected { tenant: self, id, books: books.clone() }
    }

    /// `GET /api/connections`, of this tenant.
    pub(crate) async fn connections(&self) -> Vec<Value> {
        let path = format!("/api/connections?tenantId={}", self.id);
        self.bundle.get(&path).await.expect(200)["connections"].as_array().unwrap().clone()
    }

    /// What the audit log says about the tenant: each act, and why.
    pub(crate) async fn acts(&self) -> Vec<(String, Option<String>)> {
        let entries = audited(&self.id.parse().unwrap()).await;
        entries
            .into_iter()
            .map(|mut entry| (entry.remove("action").unwrap(), entry.remove("reason")))
            .collect()
    }

    /// `GET /api/tokens/status`
    pub(crate) async fn status(&self) -> Value {
        self.bundle.get(&format!("/api/tokens/status?tenantId={}", self.id)).await.expect(200)
    }

    /// `GET /api/tokens/history/quickbooks`, newest first.
    pub(crate) async fn history(&self) -> Vec<Value> {
        self.history_of(Provider::QuickBooks).await
    }

    /// `GET /api/tokens/history/{provider}`, newest first.
    pub(crate) async fn history_of(&self, provider: Provider) -> Vec<Value> {
        let path = format!("/api/tokens/history/{provider}?tenantId={}", self.id);
        self.bundle.get(&path).await.expect(200)["history"].as_array().unwrap().clone()
    }
}

/// The connection that the page at the end of connecting names.
pub(crate) fn connection_of(page: &Answer) -> String {
    let text = page.text();
    let from = text.find("conn_").unwrap_or_else(|| panic!("no connection is named: {text}"));
    let is_id = |char: &char| char.is_ascii_alphanumeric() || *char == '_';
    text[from..].chars().take_while(is_id).collect()
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

    /// `GET /api/connections/{id}?tenantId=`, which finds it the moment it is made.
    pub(crate) async fn found(&self) -> Value {
        let path = format!("/api/connections/{}?tenantId={}", self.id, self.tenant.id);
        self.bundle().get(&path).await.expect(200)
    }

    /// `POST /api/tokens/refresh/{provider}`, of this connection.
    pub(crate) async fn refresh(&self) -> Answer {
        let path = format!("/api/tokens/refresh/{}", self.books.provider);
        let body = json!({ "tenantId": self.tenant.id, "connectionId": self.id });
        self.bundle().post(&path, &body).await
    }

    /// `DELETE /api/connections/{id}`, with a company where only that one is to go.
    pub(crate) async fn disconnect(&self, company: Option<&str>) -> Answer {
        let company = company.map(|company| format!("&companyId={company}")).unwrap_or_default();
        let path = format!("/api/connections/{}?tenantId={}{company}", self.id, self.tenant.id);
        self.bundle().delete(&path).await
    }

    /// Connects the same books again, in a browser of its own.
    pub(crate) async fn reconnect(&self) {
        let (mut browser, callback) = self.tenant.approve(&self.books).await;
        let again = browser.open(callback.as_str()).await;
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(connection_of(&again), self.id, "it is the same connection");
    }

    /// The first company's id at the provider.
    pub(crate) fn realm(&self) -> &str {
        self.books.company()
    }

    /// The fingerprint, at the provider, of the refresh token that is good now.
    pub(crate) async fn refresh_token(&self) -> String {
        self.bundle().simulator.refresh_token_of(&self.books).await
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

    /// `GET /api/connections/{id}/explain`
    pub(crate) async fn explained(&self) -> Value {
        let path = format!("/api/connections/{}/explain?tenantId={}", self.id, self.tenant.id);
        self.bundle().get(&path).await.expect(200)
    }

    /// Refreshes by a worker whose every write of a new token set the table refuses, and kills it as soon as the token set
    /// is on the recovery queue, which is not the one that the deployed function consumes; gives the message.
    pub(crate) async fn spill(&self) -> String {
        let bundle = self.bundle();
        let refusing = |request: &Request| if request.stores_tokens() { Fate::Refuse } else { Fate::Pass };
        let way = Way::to(bundle.stack.value("AWS_ENDPOINT_URL"), refusing).await;
        let queue = bundle.make_queue(PATIENCE).await;
        let mut settings = bundle.settings_of("REFRESH_FUNCTION").await;
        settings.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), way.address.clone());
        settings.insert("RECOVERY_QUEUE_URL".to_owned(), queue.clone());
        let worker = bundle.copy_with("REFRESH_FUNCTION", settings).await;
        let spilling = async {
            let message = bundle.next_from(&queue).await;
            worker.kill();
            message
        };
        let refreshing = worker.refresh(vec![self.key()], Trigger::Manual);
        let (refreshed, message) = tokio::join!(refreshing, spilling);
        let error = refreshed.expect_err("the worker was killed");
        assert!(error.contains("Runtime.ExitError"), "{error}");
        worker.remove().await;
        message
    }

    /// Every record of one entity, read in pages of `limit`.
    pub(crate) async fn records(&self, entity: &str, limit: usize) -> Vec<Value> {
        let path = format!("/api/records/{entity}?companyId={}&limit={limit}", self.realm());
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

//! Whole behavior against the simulator: from consent to pages, and every fault that it can set.

use std::{sync::Arc, time::Duration};

use domain::{
    authorization::{Companies as _, CompanyError, GrantedCompanies, NewGrant},
    clock::SystemClock,
    id::ProviderCompanyId,
    secret::{AccessToken, AuthorizationCode, ClientSecret, RefreshToken},
    sync::{Entity, Ledger as _, LedgerCall, LedgerError, LedgerPage, PageQuery},
    token::{
        EndingGrant, Revocation as _, RevocationError, TokenEndpoint as _, TokenEndpointError, TokenSet,
    },
};
use providers::{
    quickbooks::{
        QuickBooksCompanies, QuickBooksLedger, QuickBooksRevocation, QuickBooksTokenEndpoint, authorize_url,
    },
    settings::QuickBooksSettings,
};
use serde_json::{Value, json};
use simulator::{ConsentMode, Options};

use crate::{
    simulator::{CALLBACK, Simulated},
    support::{class, code_grant, company, free_gate, settings},
};

/// A simulator, and our app talking to it.
pub(crate) struct Intuit {
    pub(crate) simulator: Simulated,
    settings: Arc<QuickBooksSettings>,
    endpoint: QuickBooksTokenEndpoint,
    companies: QuickBooksCompanies,
    pub(crate) ledger: QuickBooksLedger,
}

impl Intuit {
    pub(crate) async fn start() -> Self {
        Self::with_invoices(3).await
    }

    pub(crate) async fn with_invoices(invoices: usize) -> Self {
        Self::with_books(25, invoices).await
    }

    pub(crate) async fn with_books(customers: usize, invoices: usize) -> Self {
        let mut options = Options::local();
        options.intuit.consent = ConsentMode::Approve;
        (options.intuit.company.customers, options.intuit.company.invoices) = (customers, invoices);
        let simulator = Simulated::start("intuit", options).await;
        let http = simulator.http.clone();
        let settings = Arc::new(QuickBooksSettings {
            client_id: Options::INTUIT_CLIENT_ID.to_owned(),
            client_secret: ClientSecret::new(Options::INTUIT_CLIENT_SECRET),
            authorize_url: simulator.at("/connect/oauth2"),
            revoke_url: simulator.at("/v2/oauth2/tokens/revoke"),
            api_base_url: simulator.at(""),
            ..settings(simulator.at("/oauth2/v1/tokens/bearer"))
        });
        let base = simulator.at("");
        Self {
            endpoint: QuickBooksTokenEndpoint::new(http.clone(), settings.clone(), Arc::new(SystemClock)),
            companies: QuickBooksCompanies::new(http.clone(), base.clone()),
            ledger: QuickBooksLedger::new(http, base),
            simulator,
            settings,
        }
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        self.simulator.control(method, path, body).await
    }

    async fn fault(&self, endpoint: &str, fault: Value) {
        self.simulator.fault(endpoint, fault).await;
    }

    async fn calls(&self, endpoint: &str) -> u64 {
        self.simulator.calls(endpoint).await
    }

    /// Goes to the consent page as a browser would.
    async fn code(&self) -> AuthorizationCode {
        let url = authorize_url(&self.settings, CALLBACK, &self.settings.scopes);
        let callback = self.simulator.consent(url).await;
        AuthorizationCode::new(callback["code"].clone())
    }

    async fn exchange(&self, code: &AuthorizationCode) -> Result<TokenSet, TokenEndpointError> {
        self.endpoint.exchange(code_grant(code, CALLBACK)).await
    }

    async fn refresh(&self, token: &RefreshToken) -> Result<TokenSet, TokenEndpointError> {
        self.endpoint.refresh(token, None).await
    }

    pub(crate) async fn connect(&self) -> TokenSet {
        self.exchange(&self.code().await).await.unwrap()
    }

    async fn confirmed(
        &self,
        access: &AccessToken,
        company: &ProviderCompanyId,
    ) -> Result<GrantedCompanies, CompanyError> {
        self.companies.granted(NewGrant { access, named: Some(company), location: None }).await
    }

    async fn page(&self, token: &AccessToken, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        self.ledger
            .page(LedgerCall { token, company: &company(), location: None, gate: free_gate() }, query)
            .await
    }
}

fn invoices(skip: u64) -> PageQuery {
    PageQuery { entity: Entity::Invoices, after: None, skip }
}

#[tokio::test]
async fn a_consent_becomes_tokens_that_open_the_company() {
    let intuit = Intuit::start().await;

    let tokens = intuit.connect().await;
    let granted = intuit.confirmed(&tokens.access, &company()).await.unwrap();

    assert_eq!(granted.chosen[0].name, "Sandbox Company_US_1");
    let issued = tokens.access_expires_at;
    let days = |at: Option<jiff::Timestamp>| (at.unwrap().duration_since(issued).as_hours() + 1) / 24;
    assert_eq!((days(tokens.refresh_expires_at), days(tokens.hard_expires_at)), (100, 1825));
}

#[tokio::test]
async fn a_token_of_another_company_is_foreign() {
    let intuit = Intuit::start().await;
    let other = json!({ "realmId": "4620816365000000002", "name": "Other" });
    intuit.control("POST", "intuit/companies", other).await;

    let tokens = intuit.connect().await;
    let named = intuit.confirmed(&tokens.access, &"4620816365000000002".parse().unwrap()).await;

    assert!(matches!(named, Err(CompanyError::Foreign)), "{named:?}");
}

#[tokio::test]
async fn a_code_is_good_once() {
    let intuit = Intuit::start().await;
    let code = intuit.code().await;

    intuit.exchange(&code).await.unwrap();
    let again = intuit.exchange(&code).await;

    let Err(TokenEndpointError::GrantRefused(refusal)) = again else { panic!("{again:?}") };
    assert_eq!((refusal.error.as_deref(), refusal.status), (Some("invalid_grant"), Some(400)));
    assert!(refusal.trace_id.is_some());
}

#[tokio::test]
async fn a_rotated_refresh_token_replaces_the_former() {
    let intuit = Intuit::start().await;
    intuit.control("PATCH", "intuit/settings", json!({ "rotateEveryRefresh": true })).await;
    let first = intuit.connect().await;

    let second = intuit.refresh(&first.refresh).await.unwrap();
    let former = intuit.refresh(&first.refresh).await;

    assert_ne!(second.refresh.expose(), first.refresh.expose());
    assert_ne!(second.access.expose(), first.access.expose());
    assert!(matches!(former, Err(TokenEndpointError::GrantRefused(_))), "{former:?}");
    assert!(intuit.refresh(&second.refresh).await.is_ok());
}

#[tokio::test]
async fn a_wrong_secret_is_our_fault_and_not_the_grants() {
    let intuit = Intuit::start().await;
    let tokens = intuit.connect().await;
    let settings =
        QuickBooksSettings { client_secret: ClientSecret::new("wrong"), ..(*intuit.settings).clone() };
    let endpoint = QuickBooksTokenEndpoint::new(
        intuit.simulator.http.clone(),
        Arc::new(settings),
        Arc::new(SystemClock),
    );

    let refreshed = endpoint.refresh(&tokens.refresh, None).await;

    let Err(TokenEndpointError::AppRefused(refusal)) = refreshed else { panic!("{refreshed:?}") };
    assert_eq!((refusal.error.as_deref(), refusal.status), (Some("invalid_client"), Some(401)));
}

#[tokio::test]
async fn every_fault_of_the_token_endpoint_has_its_class_and_is_met_once() {
    let intuit = Intuit::start().await;
    let tokens = intuit.connect().await;
    let html = "<html><body>Service Unavailable</body></html>";
    for (fault, expected) in [
        (json!({ "kind": "lostResponse" }), "unknown"),
        (json!({ "kind": "reset" }), "unknown"),
        (json!({ "kind": "truncated" }), "unknown"),
        (json!({ "kind": "unparsable" }), "unknown"),
        (json!({ "kind": "withoutAccessToken" }), "unknown"),
        (json!({ "kind": "hugeBody", "bytes": 8 * 1024 * 1024 }), "unknown"),
        (json!({ "kind": "redirect", "location": "http://169.254.169.254/" }), "failed"),
        (json!({ "kind": "streamTimeout" }), "failed"),
        (json!({ "kind": "status", "status": 503, "body": html, "contentType": "text/html" }), "failed"),
        (json!({ "kind": "status", "status": 500, "body": "" }), "failed"),
        (
            json!({ "kind": "status", "status": 429, "body": "<x/>", "headers": { "retry-after": "9" } }),
            "throttled",
        ),
        (json!({ "kind": "status", "status": 200, "body": r#"{"error":"invalid_grant"}"# }), "failed"),
        (json!({ "kind": "status", "status": 400, "body": r#"{"error":"invalid_grant"}"# }), "grant"),
        (json!({ "kind": "status", "status": 401, "body": r#"{"error":"invalid_client"}"# }), "app"),
    ] {
        let before = intuit.calls("token").await;
        intuit.fault("token", fault.clone()).await;

        let refreshed = intuit.refresh(&tokens.refresh).await;

        assert_eq!(class(&refreshed), expected, "{fault}: {refreshed:?}");
        assert_eq!(intuit.calls("token").await, before + 1, "{fault}: sent again, or not at all");
        if let Err(TokenEndpointError::Throttled { retry_after, .. }) = refreshed {
            assert_eq!(retry_after, Some(Duration::from_secs(9)));
        }
    }
    assert_eq!(class(&intuit.refresh(&tokens.refresh).await), "issued", "the faults are over");
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let intuit = Intuit::with_invoices(2_100).await;
    let token = intuit.connect().await.access;
    let (mut records, mut more) = (Vec::new(), true);

    while more {
        let page = intuit.page(&token, invoices(records.len() as u64)).await.unwrap();
        assert_eq!(page.unreadable, 0);
        assert!(page.records.len() == 1_000 || !page.more);
        records.extend(page.records);
        more = page.more;
    }

    assert_eq!(records.len(), 2_100);
    assert!(records.is_sorted_by_key(|record| record.updated_at), "not in the order of change");
    let mut ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2_100);
    let last = records.last().unwrap();
    let since = PageQuery { after: Some(last.updated_at), ..invoices(0) };
    let since = intuit.page(&token, since).await.unwrap();
    assert_eq!(since.records.as_slice(), std::slice::from_ref(last), "from the moment itself on");
    assert_eq!(last.currency.as_deref(), Some("USD"));
    assert!(last.total.is_some() && last.counterparty.is_some() && last.document_number.is_some());
}

#[tokio::test]
async fn an_inactive_customer_is_not_lost() {
    let intuit = Intuit::start().await;
    let token = intuit.connect().await.access;
    let customers = PageQuery { entity: Entity::Customers, ..invoices(0) };
    let before = intuit.page(&token, customers).await.unwrap().records;
    let path = format!("intuit/companies/{}/entities/customer/{}", company(), before[0].id);
    intuit.control("PUT", &path, json!({ "Active": false })).await;

    let after = intuit.page(&token, customers).await.unwrap().records;

    assert_eq!((before.len(), after.len()), (25, 25));
    let changed = after.iter().find(|record| record.id == before[0].id).unwrap();
    assert!(changed.version > before[0].version);
    assert!(changed.raw.contains(r#""Active":false"#));
}

#[tokio::test]
async fn every_kind_can_be_asked_for() {
    let intuit = Intuit::start().await;
    let token = intuit.connect().await.access;

    for &entity in Entity::ALL {
        let page = intuit.page(&token, PageQuery { entity, ..invoices(0) }).await;

        assert!(page.is_ok(), "{entity}: {page:?}");
    }
}

#[tokio::test]
async fn an_object_is_fetched_as_the_page_showed_it_until_it_is_deleted() {
    let intuit = Intuit::start().await;
    let token = intuit.connect().await.access;
    let company = company();
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let shown = intuit.page(&token, invoices(0)).await.unwrap().records.remove(0);

    let fetched = intuit.ledger.fetch(call, "invoice", std::slice::from_ref(&shown.id)).await.unwrap();
    assert_eq!(fetched.records, vec![shown.clone()]);

    let path = format!("intuit/companies/{company}/entities/invoice/{}", shown.id);
    intuit.control("DELETE", &path, json!({})).await;
    let fetched = intuit.ledger.fetch(call, "invoice", std::slice::from_ref(&shown.id)).await.unwrap();
    assert_eq!((fetched.records, fetched.missing), (vec![], vec![shown.id.clone()]));
    let never = intuit.ledger.fetch(call, "invoice", &["999999".parse().unwrap()]).await.unwrap();
    assert_eq!(never.missing.len(), 1);
}

#[tokio::test]
async fn a_page_tells_a_dead_token_from_a_foreign_company_and_a_throttle() {
    let intuit = Intuit::start().await;
    let token = intuit.connect().await.access;
    let foreign = "4620816365000000002".parse().unwrap();

    let dead = intuit.page(&AccessToken::new("eyJ.this-token-was-never-issued"), invoices(0)).await;
    let foreign = intuit
        .ledger
        .page(LedgerCall { token: &token, company: &foreign, location: None, gate: free_gate() }, invoices(0))
        .await;
    intuit
        .control("PATCH", "intuit/settings", json!({ "enforceLimits": true, "requestsPerMinute": 0 }))
        .await;
    let throttled = intuit.page(&token, invoices(0)).await;

    assert!(matches!(dead, Err(LedgerError::Unauthorized)), "{dead:?}");
    assert!(matches!(foreign, Err(LedgerError::Forbidden)), "{foreign:?}");
    let Err(LedgerError::Throttled { retry_after }) = throttled else { panic!("{throttled:?}") };
    assert_eq!(retry_after, Some(Duration::from_mins(1)), "Intuit names none");
}

#[tokio::test]
async fn every_fault_of_the_api_leaves_the_page_unread_and_is_met_once() {
    let intuit = Intuit::start().await;
    let token = intuit.connect().await.access;
    for fault in [
        json!({ "kind": "lostResponse" }),
        json!({ "kind": "reset" }),
        json!({ "kind": "truncated" }),
        json!({ "kind": "unparsable" }),
        json!({ "kind": "streamTimeout" }),
        json!({ "kind": "redirect", "location": "http://169.254.169.254/" }),
        json!({ "kind": "status", "status": 503, "body": "<html/>", "contentType": "text/html" }),
    ] {
        let before = intuit.calls("api").await;
        intuit.fault("api", fault.clone()).await;

        let page = intuit.page(&token, invoices(0)).await;

        assert!(matches!(page, Err(LedgerError::Unavailable(_))), "{fault}: {page:?}");
        assert_eq!(intuit.calls("api").await, before + 1, "{fault}: sent again, or not at all");
    }
    assert_eq!(intuit.page(&token, invoices(0)).await.unwrap().records.len(), 3, "the faults are over");

    intuit.fault("api", json!({ "kind": "hugeBody", "bytes": 34 * 1024 * 1024 })).await;
    let page = intuit.page(&token, invoices(0)).await;
    assert_eq!(page.unwrap().records.len(), 3, "what is too long is asked for in a smaller page");
}

#[tokio::test]
async fn a_refresh_token_that_intuit_never_issued_is_refused() {
    let intuit = Intuit::start().await;

    let refreshed = intuit.refresh(&RefreshToken::new("RT1-1-H0-unknown")).await;

    assert_eq!(class(&refreshed), "grant", "{refreshed:?}");
}

#[tokio::test]
async fn a_revoked_grant_is_dead_and_its_tokens_are_refused() {
    let intuit = Intuit::start().await;
    let tokens = intuit.connect().await;
    let http = intuit.simulator.http.clone();
    let revocation = QuickBooksRevocation::new(http, intuit.settings.clone(), Arc::new(SystemClock));
    let grant =
        EndingGrant { refresh: &tokens.refresh, access: None, location: None, companies: &[company()] };

    revocation.revoke(grant).await.unwrap();
    let again = revocation.revoke(grant).await;

    assert!(
        matches!(again, Err(RevocationError::TokenRefused(_))),
        "what is true of it a refresh tells: {again:?}"
    );

    assert_eq!(class(&intuit.refresh(&tokens.refresh).await), "grant");
    let page = intuit.page(&tokens.access, invoices(0)).await;
    assert!(matches!(page, Err(LedgerError::Unauthorized)), "{page:?}");
}

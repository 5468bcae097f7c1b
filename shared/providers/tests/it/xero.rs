//! Xero against the simulator: from consent to the end of a grant.

use std::sync::Arc;

use domain::{
    authorization::{Companies as _, CompanyError, GrantedCompanies, NewGrant},
    clock::SystemClock,
    id::ProviderCompanyId,
    secret::{AccessToken, AuthorizationCode, ClientSecret, CodeVerifier},
    token::{
        CodeGrant, EndingGrant, Revocation as _, RevocationError, TokenEndpoint as _, TokenEndpointError,
        TokenSet,
    },
};
use providers::{
    settings::{XERO_SCOPES, XeroSettings},
    xero::{XeroCompanies, XeroRevocation, XeroTokenEndpoint, authorize_url},
};
use serde_json::{Value, json};
use simulator::{ConsentMode, Options};

use crate::{
    simulator::{CALLBACK, Simulated},
    support::{class, code_grant},
};

pub(crate) const FIRST: &str = Options::XERO_TENANT_ID;
const SECOND: &str = Options::XERO_SECOND_TENANT_ID;

/// A simulator, and our app talking to it.
pub(crate) struct Xero {
    pub(crate) simulator: Simulated,
    settings: Arc<XeroSettings>,
    endpoint: XeroTokenEndpoint,
    companies: XeroCompanies,
    revocation: XeroRevocation,
}

impl Xero {
    pub(crate) async fn start() -> Self {
        Self::with_invoices(120).await
    }

    pub(crate) async fn with_invoices(invoices: usize) -> Self {
        let mut options = Options::local();
        options.xero.consent = ConsentMode::Approve;
        options.xero.organizations[0].invoices = invoices;
        let simulator = Simulated::start("xero", options).await;
        let settings = Arc::new(XeroSettings {
            client_id: Options::XERO_CLIENT_ID.to_owned(),
            client_secret: ClientSecret::new(Options::XERO_CLIENT_SECRET),
            authorize_url: simulator.at("/identity/connect/authorize"),
            token_url: simulator.at("/connect/token"),
            revoke_url: simulator.at("/connect/revocation"),
            api_base_url: simulator.at(""),
            connections_url: simulator.at("/connections"),
            scopes: XERO_SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
            pkce: true,
            post_timeout: std::time::Duration::from_secs(5),
        });
        let (http, clock) = (simulator.http.clone(), Arc::new(SystemClock));
        Self {
            endpoint: XeroTokenEndpoint::new(http.clone(), settings.clone(), clock.clone()),
            companies: XeroCompanies::new(http.clone(), settings.connections_url.clone()),
            revocation: XeroRevocation::new(http, settings.clone(), clock),
            simulator,
            settings,
        }
    }

    async fn code(&self, tenants: &[&str]) -> AuthorizationCode {
        self.simulator.patch_settings(json!({ "consentTenantIds": tenants })).await;
        let callback =
            self.simulator.consent(authorize_url(&self.settings, CALLBACK, &self.settings.scopes)).await;
        AuthorizationCode::new(callback["code"].clone())
    }

    pub(crate) async fn connect(&self, tenants: &[&str]) -> TokenSet {
        self.endpoint.exchange(code_grant(&self.code(tenants).await, CALLBACK)).await.unwrap()
    }

    async fn granted(&self, access: &AccessToken) -> Result<GrantedCompanies, CompanyError> {
        self.companies.granted(NewGrant { access, named: None, location: None }).await
    }

    async fn revoke(&self, tokens: &TokenSet, companies: &[&str]) -> Result<(), RevocationError> {
        let companies: Vec<_> = companies.iter().map(|id| id.parse().unwrap()).collect();
        let (refresh, access) = (&tokens.refresh, Some(&tokens.access));
        self.revocation.revoke(EndingGrant { refresh, access, location: None, companies: &companies }).await
    }

    /// The organizations that are still connected.
    async fn connected(&self) -> Vec<String> {
        let connections = self.simulator.control("GET", "xero/connections", json!({})).await;
        let list: &Vec<Value> = connections["connections"].as_array().unwrap();
        list.iter().map(|connection| connection["tenantId"].as_str().unwrap().to_owned()).collect()
    }
}

fn ids(granted: &GrantedCompanies) -> (Vec<&str>, Vec<&str>) {
    let chosen = granted.chosen.iter().map(|company| company.provider_id.as_str());
    (chosen.collect(), granted.reachable.iter().map(ProviderCompanyId::as_str).collect())
}

#[tokio::test]
async fn a_consent_becomes_tokens_for_the_organizations_that_were_picked() {
    let xero = Xero::start().await;

    let tokens = xero.connect(&[FIRST, SECOND]).await;
    let granted = xero.granted(&tokens.access).await.unwrap();

    assert_eq!(ids(&granted), (vec![FIRST, SECOND], vec![FIRST, SECOND]));
    assert_eq!(granted.chosen[0].name, "Demo Company (Global)");
    let mut scopes = tokens.scopes.unwrap();
    scopes.sort();
    let mut asked = xero.settings.scopes.clone();
    asked.sort();
    assert_eq!(scopes, asked);
    assert_eq!((tokens.refresh_expires_at, tokens.hard_expires_at), (None, None), "Xero does not say");
}

#[tokio::test]
async fn organizations_of_earlier_authorizations_are_reached_and_not_chosen() {
    let xero = Xero::start().await;

    let earlier = xero.connect(&[FIRST]).await;
    let later = xero.connect(&[SECOND]).await;

    let granted = xero.granted(&later.access).await.unwrap();
    let (chosen, mut reachable) = ids(&granted);
    reachable.sort_unstable();
    assert_eq!((chosen, reachable), (vec![SECOND], vec![FIRST, SECOND]));
    assert_eq!(ids(&xero.granted(&earlier.access).await.unwrap()).0, [FIRST]);
}

#[tokio::test]
async fn a_challenge_is_met_by_its_verifier_only() {
    let xero = Xero::start().await;
    // RFC 7636 appendix B.
    let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    for (sent, expected) in
        [(None, "grant"), (Some(CodeVerifier::new("x".repeat(43))), "grant"), (Some(verifier), "issued")]
    {
        let mut url = authorize_url(&xero.settings, CALLBACK, &xero.settings.scopes);
        url.query_pairs_mut()
            .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
            .append_pair("code_challenge_method", "S256");
        let code = AuthorizationCode::new(xero.simulator.consent(url).await["code"].clone());

        let grant = CodeGrant { verifier: sent.as_ref(), ..code_grant(&code, CALLBACK) };
        assert_eq!(class(&xero.endpoint.exchange(grant).await), expected, "{sent:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_asked_for_whatever_the_scopes() {
    let xero = Xero::start().await;
    let scopes = ["accounting.contacts.read".to_owned()];
    let callback = xero.simulator.consent(authorize_url(&xero.settings, CALLBACK, &scopes)).await;
    let code = AuthorizationCode::new(callback["code"].clone());

    let tokens = xero.endpoint.exchange(code_grant(&code, CALLBACK)).await.unwrap();

    assert!(xero.endpoint.refresh(&tokens.refresh, None).await.is_ok());
}

#[tokio::test]
async fn a_code_is_good_once_and_a_refresh_brings_a_new_token() {
    let xero = Xero::start().await;
    let code = xero.code(&[FIRST]).await;
    let first = xero.endpoint.exchange(code_grant(&code, CALLBACK)).await.unwrap();

    let again = xero.endpoint.exchange(code_grant(&code, CALLBACK)).await;
    let second = xero.endpoint.refresh(&first.refresh, None).await.unwrap();

    assert_eq!(class(&again), "grant", "{again:?}");
    assert_ne!(second.refresh.expose(), first.refresh.expose());
    assert!(xero.granted(&second.access).await.is_ok());
}

#[tokio::test]
async fn a_wrong_secret_is_our_fault_although_xero_says_400() {
    let xero = Xero::start().await;
    let tokens = xero.connect(&[FIRST]).await;
    let settings = XeroSettings { client_secret: ClientSecret::new("wrong"), ..(*xero.settings).clone() };
    let endpoint =
        XeroTokenEndpoint::new(xero.simulator.http.clone(), Arc::new(settings), Arc::new(SystemClock));

    let refreshed = endpoint.refresh(&tokens.refresh, None).await;

    let Err(TokenEndpointError::AppRefused(refusal)) = refreshed else { panic!("{refreshed:?}") };
    assert_eq!((refusal.error.as_deref(), refusal.status), (Some("invalid_client"), Some(400)));
}

#[tokio::test]
async fn the_last_organization_of_a_person_takes_the_token_set_with_it() {
    let xero = Xero::start().await;
    let tokens = xero.connect(&[FIRST, SECOND]).await;

    xero.revoke(&tokens, &[FIRST, SECOND]).await.unwrap();

    assert!(xero.connected().await.is_empty());
    assert_eq!(xero.simulator.calls("revoke").await, 1);
    assert_eq!(class(&xero.endpoint.refresh(&tokens.refresh, None).await), "grant");
}

#[tokio::test]
async fn organizations_of_other_tenants_outlive_the_end_of_a_grant() {
    let xero = Xero::start().await;
    let others = xero.connect(&[FIRST]).await;
    let ours = xero.connect(&[SECOND]).await;

    xero.revoke(&ours, &[SECOND]).await.unwrap();

    assert_eq!(xero.connected().await, [FIRST]);
    assert_eq!(xero.simulator.calls("revoke").await, 0, "it would end all of the person's connections");
    assert!(xero.endpoint.refresh(&others.refresh, None).await.is_ok());
}

#[tokio::test]
async fn what_is_gone_already_has_ended() {
    let xero = Xero::start().await;
    let tokens = xero.connect(&[FIRST, SECOND]).await;
    xero.simulator.control("POST", &format!("xero/organizations/{FIRST}/disconnect"), json!({})).await;

    xero.revoke(&tokens, &[FIRST]).await.unwrap();
    xero.revocation.remove_company(&tokens.access, &FIRST.parse().unwrap()).await.unwrap();

    assert_eq!(xero.connected().await, [SECOND]);
}

#[tokio::test]
async fn one_organization_of_several_is_removed_alone() {
    let xero = Xero::start().await;
    let tokens = xero.connect(&[FIRST, SECOND]).await;

    xero.revocation.remove_company(&tokens.access, &FIRST.parse().unwrap()).await.unwrap();

    assert_eq!(xero.connected().await, [SECOND]);
    assert!(xero.endpoint.refresh(&tokens.refresh, None).await.is_ok());
    assert_eq!(xero.simulator.calls("revoke").await, 0);
}

#[tokio::test]
async fn a_grant_ends_only_with_a_good_access_token() {
    let xero = Xero::start().await;
    let tokens = xero.connect(&[FIRST]).await;
    assert!(xero.revocation.needs_access());

    let ended = TokenSet { access: AccessToken::new("eyJ.this.ended"), ..tokens.clone() };
    let ended = xero.revoke(&ended, &[FIRST]).await;
    let (refresh, companies) = (&tokens.refresh, [FIRST.parse().unwrap()]);
    let without = EndingGrant { refresh, access: None, location: None, companies: &companies };
    let without = xero.revocation.revoke(without).await;

    assert!(matches!(ended, Err(RevocationError::TokenRefused(_))), "{ended:?}");
    assert!(matches!(without, Err(RevocationError::TokenRefused(_))), "{without:?}");
    assert_eq!(xero.connected().await, [FIRST]);
}

#[tokio::test]
async fn a_failure_in_between_leaves_the_token_set_for_the_next_try() {
    let xero = Xero::start().await;
    let tokens = xero.connect(&[FIRST, SECOND]).await;
    xero.simulator.fault("revoke", json!({ "kind": "status", "status": 503, "body": "" })).await;

    let failed = xero.revoke(&tokens, &[FIRST, SECOND]).await;
    assert!(matches!(failed, Err(RevocationError::Unavailable { .. })), "{failed:?}");

    xero.revoke(&tokens, &[FIRST, SECOND]).await.unwrap();
    assert_eq!(xero.simulator.calls("revoke").await, 2);
}

//! Zoho against the simulator: from consent in any data center to the end of a grant.

use std::{sync::Arc, time::Duration};

use domain::{
    authorization::{Companies as _, CompanyError, GrantedCompanies, NewGrant},
    clock::{Clock as _, SystemClock},
    id::Location,
    secret::{AuthorizationCode, ClientSecret, RefreshToken},
    token::{
        CodeGrant, EndingGrant, Revocation as _, RevocationError, TokenEndpoint as _, TokenEndpointError,
        TokenSet,
    },
};
use providers::{
    settings::{ZOHO_SCOPES, ZohoSettings},
    zoho::{DataCentres, LocationError, ZohoCompanies, ZohoRevocation, ZohoTokenEndpoint, authorize_url},
};
use serde_json::json;
use simulator::{ConsentMode, Options};

use crate::{
    simulator::{CALLBACK, Simulated},
    support::class,
};

/// A simulator, and our app talking to it.
pub(crate) struct Zoho {
    pub(crate) simulator: Simulated,
    pub(crate) settings: Arc<ZohoSettings>,
    endpoint: ZohoTokenEndpoint,
    companies: ZohoCompanies,
    revocation: ZohoRevocation,
}

/// A code with the location that its callback named.
struct Consent {
    code: AuthorizationCode,
    location: Location,
}

impl Zoho {
    pub(crate) async fn start() -> Self {
        Self::with_records(25, 120).await
    }

    pub(crate) async fn with_records(contacts: usize, invoices: usize) -> Self {
        let mut options = Options::local();
        options.zoho.consent = ConsentMode::Approve;
        (options.zoho.organizations[0].contacts, options.zoho.organizations[0].invoices) =
            (contacts, invoices);
        let simulator = Simulated::start("zoho", options).await;
        let row = |location: &str| {
            let at = |part: &str| simulator.at(&format!("/{part}/{location}")).to_string();
            (location.to_owned(), json!({ "accountsServer": at("accounts"), "apiDomain": at("api") }))
        };
        let table: serde_json::Map<_, _> = ["us", "eu"].into_iter().map(row).collect();
        let settings = Arc::new(ZohoSettings {
            client_id: Options::ZOHO_CLIENT_ID.to_owned(),
            client_secret: ClientSecret::new(Options::ZOHO_CLIENT_SECRET),
            data_centres: DataCentres::parse(&json!(table).to_string()).unwrap(),
            scopes: ZOHO_SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
            pkce: false,
            post_timeout: Duration::from_secs(5),
        });
        let (http, clock) = (simulator.http.clone(), Arc::new(SystemClock));
        Self {
            endpoint: ZohoTokenEndpoint::new(http.clone(), settings.clone(), clock.clone()),
            companies: ZohoCompanies::new(http.clone(), settings.data_centres.clone()),
            revocation: ZohoRevocation::new(http, settings.clone(), clock),
            simulator,
            settings,
        }
    }

    /// What the callback says of its data center.
    async fn callback(&self) -> (AuthorizationCode, Result<Location, LocationError>) {
        let url = authorize_url(&self.settings, CALLBACK, &self.settings.scopes);
        let callback = self.simulator.consent(url).await;
        let get = |name: &str| callback.get(name).map(String::as_str);
        let location = self.settings.data_centres.of_callback(get("location"), get("accounts-server"));
        (AuthorizationCode::new(callback["code"].clone()), location)
    }

    async fn consent(&self) -> Consent {
        let (code, location) = self.callback().await;
        Consent { code, location: location.unwrap() }
    }

    async fn exchange(&self, consent: &Consent) -> Result<TokenSet, TokenEndpointError> {
        let Consent { code, location } = consent;
        self.endpoint
            .exchange(CodeGrant { code, redirect_uri: CALLBACK, verifier: None, location: Some(location) })
            .await
    }

    pub(crate) async fn connect(&self) -> (TokenSet, Location) {
        let consent = self.consent().await;
        (self.exchange(&consent).await.unwrap(), consent.location)
    }

    async fn granted(
        &self,
        tokens: &TokenSet,
        location: &Location,
    ) -> Result<GrantedCompanies, CompanyError> {
        let access = &tokens.access;
        self.companies.granted(NewGrant { access, named: None, location: Some(location) }).await
    }

    async fn revoke(&self, refresh: &RefreshToken, location: &Location) -> Result<(), RevocationError> {
        let grant = EndingGrant { refresh, access: None, location: Some(location), companies: &[] };
        self.revocation.revoke(grant).await
    }
}

fn location(text: &str) -> Location {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_consent_becomes_tokens_for_every_organization_of_its_person() {
    let zoho = Zoho::start().await;

    let (tokens, at) = zoho.connect().await;
    let granted = zoho.granted(&tokens, &at).await.unwrap();

    assert_eq!(at.as_str(), "us");
    assert_eq!((granted.chosen.len(), granted.reachable.len()), (2, 2));
    assert_eq!(tokens.scopes, None, "Zoho does not say");
    let left = tokens.access_expires_at.duration_since(SystemClock.now()).as_mins();
    assert!((58..=60).contains(&left), "{left}");
}

#[tokio::test]
async fn a_person_of_another_data_center_is_met_there_and_nowhere_else() {
    let zoho = Zoho::start().await;
    zoho.simulator.patch_settings(json!({ "consentLocation": "eu" })).await;
    let consent = zoho.consent().await;
    assert_eq!(consent.location.as_str(), "eu");

    let elsewhere = Consent { code: consent.code.clone(), location: location("us") };
    assert_eq!(class(&zoho.exchange(&elsewhere).await), "grant", "as if it were revoked");
    let (tokens, at) = zoho.connect().await;

    assert_eq!(zoho.granted(&tokens, &at).await.unwrap().chosen.len(), 1);
    assert_eq!(class(&zoho.endpoint.refresh(&tokens.refresh, Some(&at)).await), "issued");
    assert_eq!(class(&zoho.endpoint.refresh(&tokens.refresh, Some(&location("us"))).await), "grant");
}

#[tokio::test]
async fn a_refresh_keeps_its_token() {
    let zoho = Zoho::start().await;
    let (tokens, at) = zoho.connect().await;

    let refreshed = zoho.endpoint.refresh(&tokens.refresh, Some(&at)).await.unwrap();

    assert_eq!(refreshed.refresh.expose(), tokens.refresh.expose());
    assert_ne!(refreshed.access.expose(), tokens.access.expose());
    assert!(zoho.granted(&refreshed, &at).await.is_ok());
}

#[tokio::test]
async fn a_location_that_is_not_configured_is_asked_nothing() {
    let zoho = Zoho::start().await;
    let (tokens, _) = zoho.connect().await;
    let before = (zoho.simulator.calls("token").await, zoho.simulator.calls("revoke").await);
    let mars = location("mars");

    let refreshed = zoho.endpoint.refresh(&tokens.refresh, Some(&mars)).await;
    let exchanged =
        zoho.exchange(&Consent { code: AuthorizationCode::new("c"), location: mars.clone() }).await;
    let revoked = zoho.revoke(&tokens.refresh, &mars).await;
    let granted = zoho.granted(&tokens, &mars).await;

    assert_eq!((class(&refreshed), class(&exchanged)), ("app", "app"));
    assert!(matches!(revoked, Err(RevocationError::AppRefused(_))), "{revoked:?}");
    assert!(matches!(granted, Err(CompanyError::Unavailable(_))), "{granted:?}");
    assert_eq!((zoho.simulator.calls("token").await, zoho.simulator.calls("revoke").await), before);
}

#[tokio::test]
async fn a_callback_of_a_foreign_or_disagreeing_server_names_no_data_center() {
    let zoho = Zoho::start().await;
    let foreign = zoho.simulator.at("/foreign").to_string();
    let eu = zoho.simulator.at("/accounts/eu").to_string();
    for (settings, expected) in [
        (json!({ "callbackAccountsServer": foreign }), Err(LocationError::UnknownServer)),
        (
            json!({ "callbackAccountsServer": foreign, "callbackLocation": "" }),
            Err(LocationError::UnknownServer),
        ),
        (json!({ "callbackAccountsServer": eu, "callbackLocation": null }), Err(LocationError::Disagree)),
        (json!({ "callbackAccountsServer": eu, "callbackLocation": "" }), Ok(location("eu"))),
        (json!({ "callbackAccountsServer": "", "callbackLocation": "eu" }), Ok(location("eu"))),
        (json!({ "callbackAccountsServer": "", "callbackLocation": "" }), Ok(location("us"))),
        (
            json!({ "callbackAccountsServer": "", "callbackLocation": "mars" }),
            Err(LocationError::UnknownLocation),
        ),
    ] {
        zoho.simulator.patch_settings(settings.clone()).await;

        assert_eq!(zoho.callback().await.1, expected, "{settings}");
    }
    assert_eq!(zoho.simulator.calls("foreign").await, 0);
}

#[tokio::test]
async fn a_foreign_api_domain_spoils_an_exchange_and_not_a_refresh_and_is_never_asked() {
    let zoho = Zoho::start().await;
    let (tokens, at) = zoho.connect().await;
    let foreign = zoho.simulator.at("/foreign").to_string();
    for domain in
        [&*foreign, "http://169.254.169.254", "https://evil.example", zoho.simulator.at("/api/eu").as_str()]
    {
        zoho.simulator.patch_settings(json!({ "apiDomainOverride": domain })).await;

        let exchanged = zoho.exchange(&zoho.consent().await).await;
        let refreshed = zoho.endpoint.refresh(&tokens.refresh, Some(&at)).await.unwrap();

        let Err(TokenEndpointError::AppRefused(refusal)) = exchanged else {
            panic!("{domain}: {exchanged:?}")
        };
        assert_eq!(refusal.error.as_deref(), Some("foreign_api_domain"));
        assert!(zoho.granted(&refreshed, &at).await.is_ok(), "{domain}");
    }
    assert_eq!(zoho.simulator.calls("foreign").await, 0);
}

#[tokio::test]
async fn our_mistakes_are_told_from_a_dead_grant_although_all_have_status_200() {
    let zoho = Zoho::start().await;
    let (tokens, at) = zoho.connect().await;
    let as_app = |client_id: &str, client_secret: &str| {
        let settings = ZohoSettings {
            client_id: client_id.to_owned(),
            client_secret: ClientSecret::new(client_secret),
            ..(*zoho.settings).clone()
        };
        ZohoTokenEndpoint::new(zoho.simulator.http.clone(), Arc::new(settings), Arc::new(SystemClock))
    };
    for status in [200, 400] {
        zoho.simulator.patch_settings(json!({ "errorStatus": status })).await;
        for (endpoint, code) in [
            (as_app("1000.UNKNOWN", Options::ZOHO_CLIENT_SECRET), "invalid_client"),
            (as_app(Options::ZOHO_CLIENT_ID, "wrong"), "invalid_client_secret"),
        ] {
            let refreshed = endpoint.refresh(&tokens.refresh, Some(&at)).await;

            let Err(TokenEndpointError::AppRefused(refusal)) = refreshed else { panic!("{refreshed:?}") };
            assert_eq!((refusal.error.as_deref(), refusal.status), (Some(code), Some(status)));
        }
        let dead = zoho.endpoint.refresh(&RefreshToken::new("1000.dead.beef"), Some(&at)).await;
        assert_eq!(class(&dead), "grant", "{status} {dead:?}");
    }
}

#[tokio::test]
async fn the_eleventh_refresh_within_ten_minutes_is_a_throttle_and_no_verdict() {
    let zoho = Zoho::start().await;
    let (tokens, at) = zoho.connect().await;
    let mut refreshed = Vec::new();
    for _ in 0..11 {
        refreshed.push(zoho.endpoint.refresh(&tokens.refresh, Some(&at)).await);
    }

    let last = refreshed.pop().unwrap();
    assert!(refreshed.iter().all(Result::is_ok), "{refreshed:?}");
    let Err(TokenEndpointError::Throttled { retry_after, .. }) = last else { panic!("{last:?}") };
    assert_eq!(retry_after, Some(Duration::from_mins(10)));
}

#[tokio::test]
async fn old_milliseconds_and_a_scope_member_are_understood() {
    let zoho = Zoho::start().await;
    zoho.simulator
        .patch_settings(json!({ "expiresInMilliseconds": true, "scopeInTokenAnswers": true }))
        .await;

    let (tokens, _) = zoho.connect().await;

    let left = tokens.access_expires_at.duration_since(SystemClock.now()).as_mins();
    assert!((58..=60).contains(&left), "{left}");
    let mut scopes = tokens.scopes.unwrap();
    scopes.sort();
    let mut asked = zoho.settings.scopes.clone();
    asked.sort();
    assert_eq!(scopes, asked);
}

#[tokio::test]
async fn a_grant_without_the_scope_for_organizations_says_which_is_missing() {
    let zoho = Zoho::start().await;
    let scopes = ["ZohoBooks.invoices.READ".to_owned()];
    // It is asked for in any case; a person, or an administrator of theirs, may still refuse it.
    let asked = authorize_url(&zoho.settings, CALLBACK, &scopes);
    let less = asked.as_str().replace("%2CZohoBooks.settings.READ", "").parse().unwrap();
    assert_ne!(asked, less);
    let callback = zoho.simulator.consent(less).await;
    let consent =
        Consent { code: AuthorizationCode::new(callback["code"].clone()), location: location("us") };
    let tokens = zoho.exchange(&consent).await.unwrap();

    let granted = zoho.granted(&tokens, &consent.location).await;

    assert!(
        matches!(granted, Err(CompanyError::ScopeMissing { scope: "ZohoBooks.settings.READ" })),
        "{granted:?}"
    );
}

#[tokio::test]
async fn a_revoked_grant_is_dead_and_revoking_it_again_changes_nothing() {
    let zoho = Zoho::start().await;
    let (tokens, at) = zoho.connect().await;
    assert!(!zoho.revocation.needs_access());

    zoho.revoke(&tokens.refresh, &at).await.unwrap();
    zoho.revoke(&tokens.refresh, &at).await.unwrap();

    assert_eq!(class(&zoho.endpoint.refresh(&tokens.refresh, Some(&at)).await), "grant");
    assert!(zoho.granted(&tokens, &at).await.is_err());
}

#[tokio::test]
async fn a_failure_to_revoke_is_told_and_leaves_the_grant() {
    let zoho = Zoho::start().await;
    let (tokens, at) = zoho.connect().await;
    for fault in [
        json!({ "kind": "status", "status": 503, "body": "" }),
        json!({ "kind": "status", "status": 200, "body": "<html>" }),
        json!({ "kind": "redirect", "location": "http://169.254.169.254/" }),
        json!({ "kind": "reset" }),
    ] {
        zoho.simulator.fault("revoke", fault.clone()).await;

        let revoked = zoho.revoke(&tokens.refresh, &at).await;

        assert!(matches!(revoked, Err(RevocationError::Unavailable { .. })), "{fault}: {revoked:?}");
    }
    assert_eq!(zoho.simulator.calls("revoke").await, 4, "each was sent once");
}

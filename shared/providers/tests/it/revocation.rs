//! Revocation and lists of companies over sockets: what is sent, and that no failure tells a secret.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    authorization::{Companies as _, CompanyError, NewGrant},
    clock::Clock,
    secret::{AccessToken, RefreshToken},
    store::chain,
    token::{EndingGrant, Revocation, RevocationError},
};
use jiff::Timestamp;
use providers::{
    http,
    quickbooks::QuickBooksRevocation,
    settings::{XeroSettings, ZohoSettings},
    xero::{XeroCompanies, XeroRevocation},
    zoho::{DataCentres, ZohoCompanies, ZohoRevocation},
};
use url::Url;

use crate::{
    responder::{Responder, Script, answer},
    support::{REFRESH_TOKEN, SECRET, Standing, company, now, settings},
};

const ACCESS_TOKEN: &str = "eyJ.hush-access-token";

fn zoho_settings(base: &Url) -> Arc<ZohoSettings> {
    let table = format!(r#"{{"us":{{"accountsServer":"{base}","apiDomain":"{base}"}}}}"#);
    let app = settings(base.clone());
    Arc::new(ZohoSettings {
        client_id: app.client_id,
        client_secret: app.client_secret,
        data_centres: DataCentres::parse(&table).unwrap(),
        scopes: Vec::new(),
        pkce: false,
        post_timeout: app.post_timeout,
    })
}

fn xero_settings(base: &Url) -> Arc<XeroSettings> {
    let app = settings(base.clone());
    Arc::new(XeroSettings {
        client_id: app.client_id,
        client_secret: app.client_secret,
        authorize_url: base.clone(),
        token_url: base.clone(),
        revoke_url: base.join("revocation").unwrap(),
        api_base_url: base.clone(),
        connections_url: base.join("connections").unwrap(),
        scopes: Vec::new(),
        pkce: true,
        post_timeout: app.post_timeout,
    })
}

fn revocations(base: &Url) -> [Box<dyn Revocation>; 3] {
    let (http, clock) = (http::client().unwrap(), Arc::new(Standing(now())));
    let mut quickbooks = settings(base.clone());
    quickbooks.revoke_url = base.join("v2/revoke").unwrap();
    [
        Box::new(QuickBooksRevocation::new(http.clone(), Arc::new(quickbooks), clock.clone())),
        Box::new(XeroRevocation::new(http.clone(), xero_settings(base), clock.clone())),
        Box::new(ZohoRevocation::new(http, zoho_settings(base), clock)),
    ]
}

async fn revoke(revocation: &dyn Revocation) -> Result<(), RevocationError> {
    let (refresh, access) = (RefreshToken::new(REFRESH_TOKEN), AccessToken::new(ACCESS_TOKEN));
    let companies = [company()];
    let grant =
        EndingGrant { refresh: &refresh, access: Some(&access), location: None, companies: &companies };
    revocation.revoke(grant).await
}

#[tokio::test]
async fn each_provider_is_told_in_its_own_way() {
    let server = Responder::answering(200, &[], "").await;
    let [quickbooks, _, zoho] = revocations(&server.url("/"));

    revoke(&*quickbooks).await.unwrap();
    revoke(&*zoho).await.unwrap();

    let (intuits, zohos) = (server.requests().remove(0), server.requests().remove(1));
    assert!(intuits.starts_with("POST /v2/revoke HTTP/1.1\r\n"), "{intuits}");
    assert!(intuits.contains("\r\nauthorization: Basic QUJ4MTpodXNoLWNsaWVudC1zZWNyZXQ=\r\n"), "{intuits}");
    assert!(intuits.contains("\r\ncontent-type: application/json\r\n"), "{intuits}");
    assert!(intuits.ends_with(&format!("\r\n\r\n{{\"token\":\"{REFRESH_TOKEN}\"}}")), "{intuits}");
    let line = format!("POST /oauth/v2/token/revoke?token={REFRESH_TOKEN} HTTP/1.1");
    assert_eq!(zohos.lines().next(), Some(&*line));
}

#[tokio::test]
async fn a_token_that_intuit_does_not_know_any_more_has_ended() {
    for (status, body, ended) in [
        (400, r#"{"error":"invalid_token"}"#, true),
        (400, r#"{"error":"invalid_request"}"#, false),
        (400, r#"{"error":"invalid_grant"}"#, true),
        (404, "", false),
        (401, r#"{"error":"invalid_client"}"#, false),
        (400, "", false),
        (302, "", false),
        (500, r#"{"error":"invalid_request"}"#, false),
    ] {
        let server = Responder::answering(status, &[("location", "http://127.0.0.1:9/")], body).await;
        let [quickbooks, ..] = revocations(&server.url("/"));

        assert_eq!(revoke(&*quickbooks).await.is_ok(), ended, "{status} {body}");
        assert_eq!(server.requests().len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn intuit_is_not_asked_to_end_a_company_that_others_of_ours_are_connected_to() {
    let server = Responder::answering(200, &[], "").await;
    let [quickbooks, ..] = revocations(&server.url("/"));
    let refresh = RefreshToken::new(REFRESH_TOKEN);
    let grant = EndingGrant { refresh: &refresh, access: None, location: None, companies: &[] };

    quickbooks.revoke(grant).await.unwrap();

    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_passed_on() {
    let server = Responder::answering(429, &[("retry-after", "90")], "").await;
    for revocation in revocations(&server.url("/")) {
        let Err(RevocationError::Unavailable { refusal, retry_after, .. }) = revoke(&*revocation).await
        else {
            panic!("429 must be a failure");
        };
        assert_eq!((refusal.status, retry_after), (Some(429), Some(Duration::from_secs(90))));
    }
}

/// A clock that is six seconds later whenever it is looked at.
struct Hasty(AtomicU32);

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        now() + Duration::from_secs(6) * self.0.fetch_add(1, Ordering::Relaxed)
    }

    async fn sleep(&self, _: Duration) {}
}

#[tokio::test]
async fn many_organizations_do_not_outlast_the_time_for_one_end() {
    let connections: Vec<_> =
        (0..9).map(|id| format!(r#"{{"id":"c{id}","tenantId":"{}"}}"#, company())).collect();
    let server = Responder::answering(200, &[], format!("[{}]", connections.join(","))).await;
    let settings = xero_settings(&server.url("/"));
    let clock = Arc::new(Hasty(AtomicU32::new(0)));
    let revocation = XeroRevocation::new(http::client().unwrap(), settings, clock);

    let revoked = revoke(&revocation).await;

    assert!(matches!(revoked, Err(RevocationError::Unavailable { .. })), "{revoked:?}");
    let asked: Vec<_> =
        server.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["GET /connections HTTP/1.1", "DELETE /connections/c0 HTTP/1.1"]);
}

#[tokio::test]
async fn no_failure_to_revoke_tells_a_secret() {
    let echo = format!(r#"{{"error":"{SECRET}!","status":"{REFRESH_TOKEN}","id":"{ACCESS_TOKEN}"}}"#);
    let scripts = [200, 302, 400, 401, 403, 429, 500]
        .map(|status| answer(status, &[("location", &*echo)], echo.as_bytes()))
        .into_iter()
        .chain([answer(200, &[], echo.as_bytes())[..60].to_vec(), echo.clone().into_bytes(), Vec::new()]);
    for bytes in scripts {
        let server = Responder::start(Script::Bytes(bytes)).await;
        for revocation in revocations(&server.url("/")) {
            let error = revoke(&*revocation).await.unwrap_err();

            let told = format!("{error:?} {}", chain(&error));
            assert!(!told.contains("hush"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_list_of_companies_that_is_none_confirms_nothing_and_tells_no_secret() {
    let echo = format!(r#"{{"code":57,"message":"{ACCESS_TOKEN}","organizations":"{ACCESS_TOKEN}"}}"#);
    let bomb = include_bytes!("bomb.json.gz");
    let long = vec![b' '; http::OBJECT_BODY_MAX + 1];
    let scripts = [200, 302, 400, 403, 429, 500]
        .map(|status| answer(status, &[("location", "http://127.0.0.1:9/")], echo.as_bytes()))
        .into_iter()
        .chain([answer(200, &[("content-encoding", "gzip")], bomb), answer(200, &[], &long), Vec::new()]);
    let access = AccessToken::new(ACCESS_TOKEN);
    let grant = NewGrant { access: &access, named: None, location: None };
    for bytes in scripts {
        let server = Responder::start(Script::Bytes(bytes)).await;
        let (http, base) = (http::client().unwrap(), server.url("/"));

        let xero = XeroCompanies::new(http.clone(), base.clone()).granted(grant).await.unwrap_err();
        let zoho = ZohoCompanies::new(http, zoho_settings(&base).data_centres.clone());
        let zoho = zoho.granted(grant).await.unwrap_err();

        assert!(matches!(xero, CompanyError::Unavailable(_)), "{xero:?}");
        assert!(matches!(zoho, CompanyError::Unavailable(_)), "{zoho:?}");
        let told = format!("{xero:?} {zoho:?} {} {}", chain(&xero), chain(&zoho));
        assert!(!told.contains("hush"), "{told}");
        assert_eq!(server.requests().len(), 2, "each asks once");
    }
}

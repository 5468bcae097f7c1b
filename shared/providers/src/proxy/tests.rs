//! Where requests go.

use std::{sync::Arc, time::Duration};

use domain::{
    clock::{Clock, SystemClock},
    connection::ConnectionKey,
    entropy::SystemEntropy,
    proxy::{Method, ProxyPath, ProxyRequest, Target, parameters},
    secret::AccessToken,
};
use harness::memory::gate;
use proptest::prelude::*;
use reqwest::Request;

use super::*;

fn upstream() -> HttpUpstream {
    HttpUpstream {
        http: http::client().unwrap(),
        hosts: ApiHosts {
            quickbooks_api_base_url: "https://quickbooks.api.intuit.com".parse().unwrap(),
            xero_api_base_url: "https://api.xero.com".parse().unwrap(),
            zoho_data_centres: DataCentres::default(),
        },
    }
}

fn target(provider: Provider) -> Target {
    let key = ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() };
    Target { key, provider, company: "42".parse().unwrap() }
}

fn request(method: Method, path: &str, query: &str) -> Option<ProxyRequest> {
    Some(ProxyRequest {
        method,
        path: ProxyPath::parse(path).ok()?,
        query: parameters(query),
        accept: None,
        content_type: None,
        if_modified_since: None,
        key: "caller-1".parse().ok().filter(|_| method == Method::Post),
        body: vec![],
    })
}

/// What is sent, if anything.
fn sent(provider: Provider, asked: ProxyRequest, location: Option<&str>) -> Option<Request> {
    let target = target(provider);
    let asked = asked.about(&target, &SystemEntropy).ok()?;
    let location = location.map(|location| location.parse().unwrap());
    let token = AccessToken::new("t");
    let time = Duration::from_secs(1);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let gate = gate(&clock, provider, &target.company);
    let (location, request) = (location.as_ref(), &asked);
    let call = UpstreamCall { target: &target, location, token: &token, gate: &gate, request, time };
    upstream().request(call).ok()?.build().ok()
}

fn url(provider: Provider, method: Method, path: &str, query: &str) -> String {
    sent(provider, request(method, path, query).unwrap(), None).unwrap().url().to_string()
}

#[test]
fn a_request_goes_to_its_company_at_its_provider() {
    let get = |provider, path, query| url(provider, Method::Get, path, query);

    insta::assert_snapshot!(
        get(Provider::QuickBooks, "query", "query=select%20*%20from%20Bill&minorversion=70"),
        @"https://quickbooks.api.intuit.com/v3/company/42/query?query=select+*+from+Bill&minorversion=70"
    );
    insta::assert_snapshot!(
        url(Provider::QuickBooks, Method::Post, "invoice", ""),
        @"https://quickbooks.api.intuit.com/v3/company/42/invoice?minorversion=75&requestid=rWBWazY7jfj-4riO4zYdDmiHWIc4oS3ykG57azd5zzw"
    );
    insta::assert_snapshot!(
        get(Provider::Xero, "Invoices/1/Attachments/my%20file.pdf", ""),
        @"https://api.xero.com/api.xro/2.0/Invoices/1/Attachments/my%20file.pdf"
    );
    insta::assert_snapshot!(
        get(Provider::Zoho, "invoices", "page=2&organization_id=42"),
        @"https://www.zohoapis.com/books/v3/invoices?organization_id=42&page=2"
    );
}

#[test]
fn a_grant_is_used_in_its_own_data_center_and_nowhere_else() {
    let at = |location| sent(Provider::Zoho, request(Method::Get, "items", "").unwrap(), Some(location));

    assert_eq!(at("eu").unwrap().url().host_str(), Some("www.zohoapis.eu"));
    assert!(at("moon").is_none());
}

#[test]
fn each_provider_gets_its_token_its_company_and_its_key_in_its_own_way() {
    let xero = sent(Provider::Xero, request(Method::Post, "Invoices", "").unwrap(), None).unwrap();
    let zoho = sent(Provider::Zoho, request(Method::Get, "items", "").unwrap(), None).unwrap();

    let header = |request: &Request, name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header(&xero, "authorization"), "Bearer t");
    assert_eq!(header(&xero, "xero-tenant-id"), "42");
    assert_eq!(header(&xero, "idempotency-key"), "rWBWazY7jfj-4riO4zYdDmiHWIc4oS3ykG57azd5zzw");
    assert_eq!(header(&xero, "accept"), "application/json");
    assert_eq!(header(&zoho, "authorization"), "Zoho-oauthtoken t");
}

fn any_method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::Get), Just(Method::Post), Just(Method::Delete)]
}

proptest! {
    #[test]
    fn whatever_is_asked_for_is_below_the_companys_root_or_refused(
        path in prop_oneof!["[a-z./%2eE5fF\\\\:@?# ]{0,40}", "(\\.|%2e|%2E|/|a|%252e|\\\\|%2f|:|@){0,12}", ".{0,40}"],
        query in prop_oneof!["[a-z=&%2._]{0,30}", "(organization_id|=|4|2|3|&|a|%5f|requestid){0,8}"],
        method in any_method(),
    ) {
        for (provider, root) in [
            (Provider::QuickBooks, "https://quickbooks.api.intuit.com/v3/company/42/"),
            (Provider::Xero, "https://api.xero.com/api.xro/2.0/"),
            (Provider::Zoho, "https://www.zohoapis.com/books/v3/"),
        ] {
            let Some(sent) = request(method, &path, &query).and_then(|asked| sent(provider, asked, None)) else {
                continue;
            };
            prop_assert!(sent.url().as_str().starts_with(root), "{}", sent.url());
            prop_assert_eq!(sent.url().username(), "");
            let organizations = sent.url().query_pairs().filter(|(name, _)| name.eq_ignore_ascii_case("organization_id"));
            let organizations: Vec<_> = organizations.map(|(_, value)| value.into_owned()).collect();
            if provider == Provider::Zoho {
                prop_assert_eq!(organizations, ["42"]);
            }
        }
    }
}

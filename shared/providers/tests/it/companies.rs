//! Companies over sockets: the address that proves whose token it is.

use domain::authorization::{Companies as _, CompanyError, NewGrant};
use providers::{http, quickbooks::QuickBooksCompanies};

use crate::{
    responder::Responder,
    support::{access_token, company},
};

#[tokio::test]
async fn the_company_is_asked_for_by_its_own_realm() {
    let body = r#"{"CompanyInfo":{"CompanyName":"Sandbox Company_US_1","Id":"1"},"time":"now"}"#;
    let intuit = Responder::answering(200, &[], body).await;
    let companies = QuickBooksCompanies::new(http::client().unwrap(), intuit.url("/intuit"));

    let (access, realm) = (access_token(), company());
    let grant = NewGrant { access: &access, named: Some(&realm), location: None };

    let granted = companies.granted(grant).await.unwrap();

    assert_eq!(granted.chosen[0].name, "Sandbox Company_US_1");
    assert_eq!(granted.chosen[0].id.as_str(), format!("quickbooks_{realm}"));
    assert_eq!((granted.chosen.len(), granted.reachable), (1, vec![realm.clone()]));
    let line = format!("GET /intuit/v3/company/{realm}/companyinfo/{realm}?minorversion=75 HTTP/1.1");
    assert_eq!(intuit.requests().remove(0).lines().next(), Some(&*line));
}

#[tokio::test]
async fn a_callback_without_a_realm_confirms_nothing_and_nobody_is_asked() {
    let intuit = Responder::answering(200, &[], "{}").await;
    let companies = QuickBooksCompanies::new(http::client().unwrap(), intuit.url("/intuit"));
    let access = access_token();

    let granted = companies.granted(NewGrant { access: &access, named: None, location: None }).await;

    assert!(matches!(granted, Err(CompanyError::Foreign)), "{granted:?}");
    assert!(intuit.requests().is_empty());
}

//! Companies over sockets: the address that proves whose token it is.

use domain::authorization::Companies as _;
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

    let name = companies.company_name(&access_token(), &company()).await.unwrap();

    assert_eq!(name, "Sandbox Company_US_1");
    let realm = company();
    let line = format!("GET /intuit/v3/company/{realm}/companyinfo/{realm}?minorversion=75 HTTP/1.1");
    assert_eq!(intuit.requests().remove(0).lines().next(), Some(&*line));
}

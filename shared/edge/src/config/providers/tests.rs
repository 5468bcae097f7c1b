//! What the environment says of our apps, and what it must not.

use super::*;
use crate::config::ConfigError;

const TIMEOUT: Duration = Duration::from_secs(45);

fn read(table: &[(&str, &str)]) -> Result<ProviderSettings, ConfigError> {
    let lookup =
        |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let mut variables = Variables::new(&lookup);
    let settings = variables.providers(TIMEOUT);
    variables.finish(settings)
}

fn problems(table: &[(&str, &str)]) -> String {
    read(table).unwrap_err().to_string().replace("; ", "\n")
}

#[test]
fn credentials_are_all_that_a_provider_needs() {
    let settings = read(&[
        ("QUICKBOOKS_CLIENT_ID", "q"),
        ("QUICKBOOKS_CLIENT_SECRET", "s"),
        ("XERO_CLIENT_ID", "x"),
        ("XERO_CLIENT_SECRET", "s"),
        ("ZOHO_CLIENT_ID", "z"),
        ("ZOHO_CLIENT_SECRET", "s"),
    ])
    .unwrap();

    assert_eq!(settings.configured(), Provider::ALL);
    let (quickbooks, xero, zoho) =
        (settings.quickbooks.unwrap(), settings.xero.unwrap(), settings.zoho.unwrap());
    assert_eq!(quickbooks.scopes, [QUICKBOOKS_ACCOUNTING_SCOPE]);
    assert_eq!(xero.scopes, XERO_SCOPES);
    assert_eq!(zoho.scopes, ZOHO_SCOPES);
    assert_eq!((quickbooks.pkce, xero.pkce, zoho.pkce), (false, true, false));
    assert_eq!(xero.connections_url.as_str(), "https://api.xero.com/connections");
    assert_eq!(zoho.data_centres, DataCentres::default());
    assert_eq!([quickbooks.post_timeout, xero.post_timeout, zoho.post_timeout], [TIMEOUT; 3]);
}

#[test]
fn a_provider_without_credentials_is_left_out() {
    let settings = read(&[
        ("XERO_CLIENT_ID", "x"),
        ("XERO_CLIENT_SECRET", "s"),
        ("QUICKBOOKS_TOKEN_URL", "no address"),
        ("ZOHO_DATA_CENTRES", "no table"),
    ])
    .unwrap();

    assert_eq!(settings.configured(), [Provider::Xero]);
}

#[test]
fn half_of_the_credentials_is_a_problem_and_so_is_no_provider_at_all() {
    insta::assert_snapshot!(problems(&[("XERO_CLIENT_ID", "x"), ("ZOHO_CLIENT_SECRET", "s")]), @r"
    the configuration has 2 problem(s)
    XERO_CLIENT_SECRET is not set
    ZOHO_CLIENT_ID is not set
    ");
    insta::assert_snapshot!(problems(&[("XERO_CLIENT_ID", " "), ("XERO_SCOPES", "a")]), @r"
    the configuration has 1 problem(s)
    QUICKBOOKS_CLIENT_ID or XERO_CLIENT_ID or ZOHO_CLIENT_ID must be set, each with its _CLIENT_SECRET
    ");
}

#[test]
fn every_problem_of_every_provider_is_listed_at_once_and_without_values() {
    let problems = problems(&[
        ("QUICKBOOKS_CLIENT_ID", "q"),
        ("QUICKBOOKS_CLIENT_SECRET", "hunter2"),
        ("QUICKBOOKS_AUTHORIZE_URL", "hunter2"),
        ("QUICKBOOKS_TOKEN_URL", "ftp://hunter2"),
        ("QUICKBOOKS_PKCE", "yes"),
        ("XERO_CLIENT_ID", "x"),
        ("XERO_CLIENT_SECRET", "hunter2"),
        ("XERO_API_BASE_URL", "hunter2"),
        ("XERO_SCOPES", "accounting.\u{fc} hunter2"),
        ("ZOHO_CLIENT_ID", "z"),
        ("ZOHO_CLIENT_SECRET", "hunter2"),
        ("ZOHO_SCOPES", ", ,"),
        (
            "ZOHO_DATA_CENTRES",
            r#"{"us":{"accountsServer":"https://hunter2@a.example","apiDomain":"https://b.example"}}"#,
        ),
    ]);

    insta::assert_snapshot!(problems, @r"
    the configuration has 7 problem(s)
    QUICKBOOKS_AUTHORIZE_URL must be an http or https address
    QUICKBOOKS_PKCE must be true or false
    QUICKBOOKS_TOKEN_URL must be an http or https address
    XERO_API_BASE_URL must be an http or https address
    XERO_SCOPES must hold scopes with blanks or commas between them
    ZOHO_DATA_CENTRES names an accountsServer of us that is no plain http or https address, written as browsers write it, without user, query and fragment
    ZOHO_SCOPES must hold scopes with blanks or commas between them
    ");
}

#[test]
fn the_connections_of_xero_follow_its_api_unless_said_otherwise() {
    let xero = |more: &[(&str, &str)]| {
        let credentials = [("XERO_CLIENT_ID", "x"), ("XERO_CLIENT_SECRET", "s")];
        let settings = read(&[&credentials, more].concat()).unwrap();
        settings.xero.unwrap().connections_url.to_string()
    };

    for base in ["http://127.0.0.1:4001/xero", "http://127.0.0.1:4001/xero/"] {
        assert_eq!(xero(&[("XERO_API_BASE_URL", base)]), "http://127.0.0.1:4001/xero/connections");
    }
    let said = [("XERO_API_BASE_URL", "http://a/x"), ("XERO_CONNECTIONS_URL", "http://b/connections")];
    assert_eq!(xero(&said), "http://b/connections");
}

#[test]
fn zohos_table_says_where_authorizations_begin_unless_said_otherwise() {
    let table = r#"{"in":{"accountsServer":"http://a/in","apiDomain":"http://b/in"},"eu":{"accountsServer":"http://a/eu/","apiDomain":"http://b/eu"}}"#;
    let zoho = |more: &[(&str, &str)]| {
        let credentials = [("ZOHO_CLIENT_ID", "x"), ("ZOHO_CLIENT_SECRET", "s")];
        read(&[&credentials, more].concat())
    };
    let beginning = |more: &[(&str, &str)]| {
        zoho(more).unwrap().zoho.unwrap().data_centres.beginning().location.to_string()
    };

    assert_eq!(beginning(&[]), "us");
    assert_eq!(beginning(&[("ZOHO_LOCATION", "eu")]), "eu");
    assert_eq!(beginning(&[("ZOHO_DATA_CENTRES", table)]), "in");
    assert_eq!(beginning(&[("ZOHO_DATA_CENTRES", table), ("ZOHO_LOCATION", "eu")]), "eu");
    let refused = zoho(&[("ZOHO_DATA_CENTRES", table), ("ZOHO_LOCATION", "us")]).unwrap_err();
    assert_eq!(refused.problems["ZOHO_LOCATION"], "must be one of the locations of ZOHO_DATA_CENTRES");
}

#[test]
fn scopes_stand_between_blanks_or_commas_and_need_no_credentials() {
    let table =
        [("XERO_SCOPES", " offline_access  accounting.contacts "), ("ZOHO_SCOPES", "a.READ,b.ALL, c.READ")];
    let lookup =
        |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let lists = Variables::new(&lookup).scope_lists();

    assert_eq!(lists.of(Provider::QuickBooks), [QUICKBOOKS_ACCOUNTING_SCOPE]);
    assert_eq!(lists.of(Provider::Xero), ["offline_access", "accounting.contacts"]);
    assert_eq!(lists.of(Provider::Zoho), ["a.READ", "b.ALL", "c.READ"]);
}

//! The table as it is configured, and the callbacks that it lets in.

use super::*;

const LOCAL: &str = r#"{"eu":{"accountsServer":"http://127.0.0.1:4001/zoho/accounts/eu/","apiDomain":"http://127.0.0.1:4001/zoho/api/eu"},
    "in":{"accountsServer":"https://accounts.zoho.in","apiDomain":"https://www.zohoapis.in"}}"#;

fn of(location: Option<&str>, accounts_server: Option<&str>) -> Result<String, LocationError> {
    DataCentres::default().of_callback(location, accounts_server).map(|location| location.to_string())
}

#[test]
fn every_data_center_of_zoho_is_in_the_table() {
    let centres = DataCentres::default();

    assert_eq!(centres.table.len(), OFFICIAL.len());
    assert_eq!(centres.beginning().location.as_str(), "us");
    assert_eq!(centres, DataCentres::from_rows(OFFICIAL.iter().copied()).unwrap());
    for (location, accounts_server, _) in OFFICIAL {
        let alone = [(Some(*location), None), (None, Some(*accounts_server))];
        for (location_given, server_given) in
            [(Some(*location), Some(*accounts_server))].into_iter().chain(alone)
        {
            assert_eq!(of(location_given, server_given).as_deref(), Ok(*location));
        }
    }
    assert_eq!(of(None, None).as_deref(), Ok("us"));
}

#[test]
fn a_server_that_only_looks_like_zohos_is_refused() {
    for server in [
        "",
        "https://evil.example",
        "https://accounts.zoho.com.evil.example",
        "https://accounts.zoho.com@evil.example",
        "https://evil.example#https://accounts.zoho.com",
        "https://evil.example/https://accounts.zoho.com",
        "http://accounts.zoho.com",
        "https://accounts.zoho.com:444",
        "https://accounts.zoho.com:443",
        "https://accounts.zoho.com/",
        "https://accounts.zoho.com/../x",
        "https://accounts.zoho.com?a",
        "https://accounts.zoho.com.",
        "https://ACCOUNTS.zoho.com",
        "HTTPS://accounts.zoho.com",
        " https://accounts.zoho.com",
        "https://accounts.zoho.com\n",
        "https://accounts\u{3002}zoho\u{ff0e}com",
        "https://accounts.zоho.com",
        "https://xn--accounts-zoho.com",
        "https:accounts.zoho.com",
        "accounts.zoho.com",
        "//accounts.zoho.com",
        "https://www.zohoapis.com",
    ] {
        assert_eq!(of(None, Some(server)), Err(LocationError::UnknownServer), "{server}");
        assert_eq!(of(Some("us"), Some(server)), Err(LocationError::UnknownServer), "{server}");
    }
}

#[test]
fn a_location_and_a_server_must_be_of_one_data_center() {
    assert_eq!(of(Some("eu"), Some("https://accounts.zoho.in")), Err(LocationError::Disagree));
    for location in ["", "US", "us ", "mars", "../us", "toolonglocation"] {
        assert_eq!(of(Some(location), None), Err(LocationError::UnknownLocation), "{location}");
        let server = Some("https://accounts.zoho.com");
        assert_eq!(of(Some(location), server), Err(LocationError::UnknownLocation), "{location}");
    }
}

#[test]
fn the_setting_is_the_whole_table() {
    let centres = DataCentres::parse(LOCAL).unwrap();

    assert_eq!(centres.beginning().location.as_str(), "eu", "the first, for want of us");
    assert_eq!(
        centres.beginning().accounts(&["oauth", "v2", "token"]).as_str(),
        "http://127.0.0.1:4001/zoho/accounts/eu/oauth/v2/token"
    );
    assert_eq!(
        centres.beginning().api(&["books", "v3"]).as_str(),
        "http://127.0.0.1:4001/zoho/api/eu/books/v3"
    );
    let server = Some("http://127.0.0.1:4001/zoho/accounts/eu");
    assert_eq!(centres.of_callback(None, server).unwrap().as_str(), "eu");
    assert_eq!(centres.of_callback(Some("us"), None), Err(LocationError::UnknownLocation));
    assert_eq!(
        centres.of_callback(None, Some("https://accounts.zoho.com")),
        Err(LocationError::UnknownServer),
        "the official ones are gone"
    );
    assert_eq!(centres.clone().beginning_at("in").unwrap().beginning().location.as_str(), "in");
    assert_eq!(centres.beginning_at("us"), None);
}

#[test]
fn us_is_where_an_authorization_begins_wherever_it_stands() {
    let json = LOCAL.replace("\"in\":", "\"us\":");

    assert_eq!(DataCentres::parse(&json).unwrap().beginning().location.as_str(), "us");
}

#[test]
fn one_server_for_two_locations_needs_the_location() {
    let json = LOCAL.replace("https://accounts.zoho.in", "http://127.0.0.1:4001/zoho/accounts/eu");
    let centres = DataCentres::parse(&json).unwrap();
    let server = Some("http://127.0.0.1:4001/zoho/accounts/eu");

    assert_eq!(centres.of_callback(None, server), Err(LocationError::Ambiguous));
    assert_eq!(centres.of_callback(Some("in"), server).unwrap().as_str(), "in");
}

#[test]
fn a_table_that_is_none_is_refused_without_being_repeated() {
    for json in [
        "",
        "[]",
        "null",
        r#"{"us":{}}"#,
        r#"{"us":{"accountsServer":"https://a"}}"#,
        r#"{"us":"https://a"}"#,
    ] {
        assert_eq!(DataCentres::parse(json), Err(DataCentresError::Shape), "{json}");
    }
    assert_eq!(DataCentres::parse("{}"), Err(DataCentresError::Empty));
    let entry =
        |server: &str| format!(r#"{{"accountsServer":"{server}","apiDomain":"https://api.example"}}"#);
    let good = entry("https://accounts.example");
    for location in ["", "US", "u-s", "ninechars"] {
        let json = format!(r#"{{"{location}":{good}}}"#);
        assert_eq!(DataCentres::parse(&json), Err(DataCentresError::Location), "{location}");
    }
    let twice = DataCentres::parse(&format!(r#"{{"us":{good},"us":{good}}}"#));
    assert_eq!(twice.unwrap_err().to_string(), "names the location us twice");
    for server in [
        "",
        "accounts.zoho.com",
        "ftp://accounts.zoho.com",
        "https://",
        "https://hunter2@accounts.zoho.com",
        "https://accounts.zoho.com?a=b",
        "https://accounts.zoho.com#a",
        "https://Accounts.zoho.com",
        "https://accounts.zoho.com:443",
        "https://accounts.zoho.com//",
        "https://accounts.zoho.com/a/../b",
        " https://accounts.zoho.com",
    ] {
        let refused = DataCentres::parse(&format!(r#"{{"us":{}}}"#, entry(server))).unwrap_err();
        assert!(matches!(refused, DataCentresError::Address { member: "accountsServer", .. }), "{server}");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
}

//! What may stand in a row: liberal where nothing is guessed, and refused with its line where something would be.

use domain::provider::Provider;
use serde_json::{Value, json};
use tests::sample;

use super::{Importing, XERO, results, with};

#[tokio::test]
async fn providers_are_known_however_they_are_spelled() {
    let importing = Importing::new().await;
    let spelled = [
        ("QuickBooks", "1", Provider::QuickBooks),
        ("quickbooks_online", "2", Provider::QuickBooks),
        ("QBO", "3", Provider::QuickBooks),
        ("Intuit", "4", Provider::QuickBooks),
        ("XERO", XERO, Provider::Xero),
        ("Zoho Books", "5", Provider::Zoho),
        ("zoho-books", "6", Provider::Zoho),
    ];
    let rows: Vec<_> = spelled
        .iter()
        .map(|(name, company, _)| {
            let row = with(importing.row(&format!("token-{company}")), "/provider", json!(name));
            with(row, "/providerCompanyId", json!(company))
        })
        .collect();

    let report = importing.import(json!(rows)).await;

    for (result, (name, _, provider)) in report["results"].as_array().unwrap().iter().zip(spelled) {
        assert_eq!(
            (&result["status"], &result["provider"]),
            (&json!("imported"), &json!(provider)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn nulls_and_empty_fields_are_as_good_as_absent_and_ids_may_be_numbers() {
    let importing = Importing::new().await;
    let mut row = importing.row("refresh-token");
    let nulls = json!({
        "line": null, "companyName": null, "location": "", "scopes": null, "accessTokenExpiresAt": "",
        "refreshTokenExpiresAt": null, "createdAt": null, "updatedAt": " ", "providerCompanyId": 4_620_816_365_u64,
    });
    row.as_object_mut().unwrap().extend(nulls.as_object().unwrap().clone());
    let row = with(row, "/tokens/accessToken", Value::Null);

    let report = importing.import(json!([row])).await;

    assert_eq!(results(&report), ["imported"], "{report}");
    assert_eq!(report["results"][0]["line"], 1);
}

#[tokio::test]
async fn times_need_a_zone_unless_they_are_said_to_be_of_utc() {
    let importing = Importing::new().await;
    let row = |time: &str| with(importing.row("refresh-token"), "/updatedAt", json!(time));
    let sent = async |time: &str, assume_utc: bool| {
        let body = json!({"dryRun": true, "assumeUtc": assume_utc, "rows": [row(time)]});
        importing.import_with(body).await["results"][0].clone()
    };

    for time in ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05+02:00", "2026-01-02T03:04:05.678-05:00"] {
        assert_eq!(sent(time, false).await["status"], "would_import", "{time}");
    }
    for time in ["2026-01-02T03:04:05", "2026-01-02 03:04:05"] {
        let refused = sent(time, false).await;
        assert_eq!(
            (&refused["code"], &refused["message"]),
            (
                &json!("VALIDATION_FAILED"),
                &json!("updatedAt has no zone: write one, such as Z, or say assumeUtc")
            )
        );
        assert_eq!(sent(time, true).await["status"], "would_import");
    }
    for time in ["yesterday", "1767323045", "02.01.2026 03:04", "2026-13-01T00:00:00Z"] {
        assert_eq!(sent(time, true).await["code"], "VALIDATION_FAILED", "{time}");
    }
}

#[tokio::test]
async fn rows_about_the_same_company_are_all_refused_with_their_lines() {
    let importing = Importing::new().await;
    let line = |row, line: u64| with(row, "/line", json!(line));
    let spelled = with(importing.row("another"), "/provider", json!("QBO"));
    let other = with(importing.row("a third"), "/providerCompanyId", json!("77"));
    let other = with(other, "/tokens/refreshToken", json!("third"));

    let report =
        importing.import(json!([line(importing.row("one"), 7), line(other, 8), line(spelled, 9)])).await;

    assert_eq!(results(&report), ["failed VALIDATION_FAILED", "imported", "failed VALIDATION_FAILED"]);
    for result in [&report["results"][0], &report["results"][2]] {
        let message = result["message"].as_str().unwrap();
        assert_eq!(message, "the lines 7, 9 are about the same company of the tenant: leave one of them");
    }
    assert_eq!((&report["imported"], &report["failed"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn what_would_be_stored_and_never_be_found_is_refused_with_its_field() {
    let importing = Importing::new().await;
    let zoho = |row| with(with(row, "/provider", json!("zoho")), "/providerCompanyId", json!("60001"));
    let row = || importing.row("refresh-token");
    let rows = json!([
        with(row(), "/tenantId", json!("a#b")),
        with(row(), "/tenantId", Value::Null),
        with(row(), "/provider", json!("sage")),
        with(row(), "/providerCompanyId", json!("../../x")),
        with(with(row(), "/provider", json!("xero")), "/providerCompanyId", json!("4620816365")),
        with(row(), "/location", json!("eu")),
        with(zoho(row()), "/location", json!("moon")),
        with(row(), "/scopes", json!("a\"b")),
        with(row(), "/companyName", json!("a\u{0}b")),
        with(row(), "/line", json!("nine")),
        with(row(), "/tokens", json!("a token")),
        with(row(), "/tokens/format", json!("rot13")),
        with(row(), "/tokens/refreshToken", json!("two words")),
        with(row(), "/tokens/refreshToken", json!(["a"])),
        with(row(), "/tokens/iv", json!("00")),
        with(row(), "/secretOfSomebody", json!("hunter2")),
    ]);

    let report = importing.import(rows).await;

    let told: Vec<_> =
        report["results"].as_array().unwrap().iter().map(|one| one["message"].as_str().unwrap()).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    tenantId must be 1 to 64 characters of A-Z a-z 0-9 _ -
    tenantId is missing
    provider must be quickbooks, xero or zoho
    providerCompanyId must be 1 to 20 digits with this provider
    providerCompanyId must be a UUID with this provider
    location is for Zoho alone
    location must be one of the configured data centers
    scopes must be scopes, as a list or with blanks or commas between them
    companyName must be at most 200 printable characters
    line must be a whole number
    tokens must be an object with the row's tokens
    tokens.format must be plain, pbkdf2 or scrypt
    a token of the row is no token: it must be visible ASCII
    tokens.refreshToken must be text
    tokens has a field that is none of format, accessToken, refreshToken
    the row has a field that is none of line, tenantId, provider, providerCompanyId, companyName, location, scopes, accessTokenExpiresAt, refreshTokenExpiresAt, createdAt, updatedAt, tokens
    ");
    assert_eq!(report["failed"], 16);
    assert_eq!(importing.count().await, 0);
}

#[tokio::test]
async fn what_a_row_says_of_its_company_and_grant_is_kept() {
    let importing = Importing::new().await;
    let mut row = importing.row("refresh-token");
    row.as_object_mut().unwrap().extend(
        json!({
            "provider": "zoho", "providerCompanyId": "60001", "companyName": " Acme Ltd. ", "location": "EU",
            "scopes": "ZohoBooks.fullaccess.all,aaaserver.profile.read",
            "refreshTokenExpiresAt": sample::at(86_400).to_string(),
        })
        .as_object()
        .unwrap()
        .clone(),
    );

    let report = importing.import(json!([row])).await;

    let connection = importing.connection(&report).await;
    assert_eq!(connection.location.as_ref().unwrap().as_str(), "eu");
    assert_eq!(connection.scopes, ["ZohoBooks.fullaccess.all", "aaaserver.profile.read"]);
    assert_eq!(connection.tokens.as_ref().unwrap().refresh_expires_at, Some(sample::at(86_400)));
    let path = format!("/api/connections/{}?tenantId={}", connection.key.connection, importing.tenant);
    let (_, shown) = importing.api.call("GET", &path, None).await;
    assert_eq!(shown["companies"][0]["name"], "Acme Ltd.");
    assert_eq!(shown["state"], "active");
}

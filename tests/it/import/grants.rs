//! One refresh token has one connection: two would end each other.

use domain::connection::ConnectionStore as _;
use serde_json::{Value, json};
use tests::sample;

use super::{Importing, XERO, XERO_TOO, results, with};
use crate::api_world::ApiWorld;

fn xero(row: Value, company: &str) -> Value {
    with(with(row, "/provider", json!("xero")), "/providerCompanyId", json!(company))
}

#[tokio::test]
async fn all_companies_with_one_refresh_token_share_a_connection_in_one_request_or_two() {
    for at_once in [true, false] {
        let importing = Importing::new().await;
        let rows = [xero(importing.row("grant"), XERO), xero(importing.row("grant"), XERO_TOO)];
        let reports = if at_once {
            vec![importing.import(json!(rows)).await]
        } else {
            let [first, second] = rows;
            vec![importing.import(json!([first])).await, importing.import(json!([second])).await]
        };

        let results: Vec<_> =
            reports.iter().flat_map(|report| report["results"].as_array().unwrap()).collect();
        assert!(results.iter().all(|result| result["status"] == "imported"), "{results:?}");
        let key = importing.key(results[0]);
        assert_eq!(importing.key(results[1]), key);
        let companies = importing.world.connections.list_companies(&key).await.unwrap();
        let ids: Vec<_> = companies.iter().map(|company| company.provider_id.as_str()).collect();
        assert_eq!(ids, [XERO, XERO_TOO]);
        assert_eq!(importing.count().await, 1);
        assert_eq!(importing.refresh_token(&importing.world.find(&key).await).await, "grant");
    }
}

#[tokio::test]
async fn a_newer_grant_of_one_company_keeps_the_others_of_its_connection() {
    let importing = Importing::new().await;
    let rows = [xero(importing.row("grant"), XERO), xero(importing.row("grant"), XERO_TOO)];
    let key = importing.key(&importing.import(json!(rows)).await["results"][0]);

    let newer = with(xero(importing.row("newer"), XERO), "/updatedAt", json!(sample::at(60).to_string()));
    let report = importing.import(json!([newer])).await;

    assert_eq!(
        (results(&report), importing.key(&report["results"][0])),
        (vec!["imported".to_owned()], key.clone())
    );
    assert_eq!(importing.world.connections.list_companies(&key).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_refresh_token_of_two_tenants_or_of_two_companies_of_quickbooks_is_one_ones_only() {
    let mut importing = Importing::new().await;
    importing.api = ApiWorld::new(&importing.world, domain::api_key::Role::Admin, None).await;
    let other = with(importing.row("grant"), "/providerCompanyId", json!("2"));
    let rows = json!([
        importing.row("grant"),
        other,
        xero(importing.row("bookkeeper"), XERO),
        with(xero(importing.row("bookkeeper"), XERO_TOO), "/tenantId", json!("somebody")),
    ]);

    let report = importing.import_with(json!({"createTenants": true, "rows": rows})).await;

    let failed = "failed VALIDATION_FAILED";
    assert_eq!(results(&report), ["imported", failed, "imported", failed], "{report}");
    let message = |number: usize| report["results"][number]["message"].as_str().unwrap();
    assert_eq!(message(1), "line 1 has the same refresh token for another company: it can be only one's");
    assert_eq!(message(3), "line 3 has the same refresh token for another tenant: it can be only one's");
}

#[tokio::test]
async fn a_refresh_token_goes_to_one_company_of_quickbooks_also_where_all_rows_name_one_line() {
    let importing = Importing::new().await;
    let of = |company: &str| with(importing.row("grant"), "/providerCompanyId", json!(company));
    let rows = [of("1"), of("2")].map(|row| with(row, "/line", json!(1)));

    let report = importing.import(json!(rows)).await;

    assert_eq!(results(&report), ["imported", "failed VALIDATION_FAILED"], "{report}");
    assert_eq!(importing.count().await, 1);
}

//! Importing again, over what is here, and without writing anything.

use std::{sync::Arc, time::Duration};

use domain::{
    api_key::Role,
    audit::AuditAction,
    connection::{ConnectionState, ConnectionStore as _, Due},
    refresh::Trigger,
};
use serde_json::{Value, json};
use tests::{memory::InMemoryAudit, sample};

use super::{Importing, REALM, results, with};
use crate::{
    api_world::ApiWorld,
    world::{due_at, invalid_grant},
};

#[tokio::test]
async fn a_second_run_changes_nothing_and_a_run_that_was_cut_goes_on() {
    let importing = Importing::new().await;
    let other = || with(with(importing.row("second"), "/providerCompanyId", json!("2")), "/line", json!(2));
    importing.import(json!([importing.row("first")])).await;
    importing.world.audit.take();

    let report = importing.import(json!([importing.row("first"), other()])).await;
    assert_eq!(results(&report), ["skipped", "imported"]);
    assert_eq!(report["results"][0]["message"], "this row was imported before");
    let generation = importing.connection(&report).await.tokens.unwrap().generation;
    assert_eq!(generation, 1);
    assert_eq!(importing.world.audit.take().len(), 1);

    let again = importing.import(json!([importing.row("first"), other()])).await;
    assert_eq!(results(&again), ["skipped", "skipped"]);
    assert!(importing.world.audit.take().is_empty());
    assert_eq!(importing.count().await, 2);
}

#[tokio::test]
async fn a_connection_that_was_refreshed_since_is_newer_and_stays_unless_forced() {
    let importing = Importing::new().await;
    let report = importing.import(json!([importing.row("first")])).await;
    let key = importing.key(&report["results"][0]);
    importing.world.refresh(&key, Trigger::Manual).await;
    let before = importing.world.find(&key).await;

    let report = importing.import(json!([importing.row("first")])).await;
    assert_eq!(results(&report), ["skipped"]);
    let message = report["results"][0]["message"].as_str().unwrap();
    assert_eq!(message, "the connection here is newer; force puts the row in its place");
    let old = with(importing.row("first"), "/updatedAt", json!("2020-01-01T00:00:00Z"));
    assert_eq!(results(&importing.import(json!([old])).await), ["skipped"]);
    assert_eq!(importing.world.find(&key).await, before);

    let forced = importing.import_with(json!({"force": true, "rows": [importing.row("first")]})).await;
    assert_eq!(results(&forced), ["imported"]);
    let after = importing.world.find(&key).await;
    assert_eq!(after.tokens.as_ref().unwrap().generation, before.tokens.unwrap().generation + 1);
    assert_eq!(importing.refresh_token(&after).await, "first");
}

#[tokio::test]
async fn a_row_that_the_other_system_changed_since_goes_over_what_is_here() {
    let importing = Importing::new().await;
    importing.import(json!([importing.row("first")])).await;

    let newer = with(importing.row("second"), "/updatedAt", json!(sample::at(60).to_string()));
    let report = importing.import(json!([newer])).await;

    assert_eq!(results(&report), ["imported"]);
    assert_eq!(importing.refresh_token(&importing.connection(&report).await).await, "second");
    assert_eq!(importing.count().await, 1);
}

#[tokio::test]
async fn what_was_ended_here_does_not_come_back_unless_forced() {
    let importing = Importing::new().await;
    let report = importing.import(json!([importing.row("first")])).await;
    importing.world.disconnect(&importing.key(&report["results"][0]), None).await;

    assert_eq!(results(&importing.import(json!([importing.row("second")])).await), ["skipped"]);

    let forced = importing.import_with(json!({"force": true, "rows": [importing.row("second")]})).await;
    assert_eq!(results(&forced), ["imported"]);
    assert_eq!(importing.connection(&forced).await.state, ConnectionState::Active);
}

#[tokio::test]
async fn a_dead_connection_is_worth_no_protection() {
    let importing = Importing::new().await;
    let report = importing.import(json!([importing.row("first")])).await;
    importing.world.provider.answer(Err(invalid_grant()));
    importing.world.refresh(&importing.key(&report["results"][0]), Trigger::Manual).await;

    let again = importing.import(json!([importing.row("first")])).await;
    assert_eq!(results(&again), ["skipped"], "the dead token once more");
    let report = importing.import(json!([importing.row("second")])).await;

    assert_eq!(results(&report), ["imported"]);
    assert_eq!(importing.connection(&report).await.state, ConnectionState::Active);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing_anywhere() {
    let mut importing = Importing::new().await;
    importing.import(json!([importing.row("first")])).await;
    let key = importing.world.keys.calls();
    let before = importing.world.connections.list(None, 100, None).await.unwrap().connections;
    // A key for all tenants, which may make new ones.
    importing.api = ApiWorld::new(&importing.world, Role::Admin, None).await;
    importing.world.audit.take();
    importing.world.kinds();
    let unknown = with(importing.row("other"), "/tenantId", json!("nobody"));
    let elsewhere = with(importing.row("theirs"), "/tenantId", json!("somebody"));
    let rows = json!([
        importing.row("second"),
        with(unknown, "/providerCompanyId", json!("99")),
        elsewhere,
        with(importing.row("third"), "/tokens", Value::Null),
    ]);

    let mut body =
        json!({"dryRun": true, "force": true, "createTenants": true, "verify": "refresh", "rows": rows});
    let report = importing.import_with(body.clone()).await;

    assert_eq!(report["dryRun"], true);
    assert_eq!(
        results(&report),
        ["would_import", "would_import", "failed COMPANY_CONNECTED_ELSEWHERE", "failed VALIDATION_FAILED"]
    );
    assert_eq!((&report["imported"], &report["failed"]), (&json!(2), &json!(2)));
    let after = importing.world.connections.list(None, 100, None).await.unwrap().connections;
    assert_eq!(after, before);
    assert_eq!(importing.world.keys.calls(), key, "no data key is made");
    assert!(importing.world.audit.take().is_empty() && importing.world.kinds().is_empty());
    assert_eq!(importing.world.refreshes(), 0);

    body["dryRun"] = json!(false);
    let report = importing.import_with(body).await;
    assert_eq!(results(&report)[1], "imported", "the dry run made no tenant in its place");
    let actions: Vec<_> = importing.world.audit.take().into_iter().map(|entry| entry.action).collect();
    assert!(actions.contains(&AuditAction::TenantCreated));
}

#[tokio::test]
async fn each_import_is_audited_with_who_did_it_and_nothing_of_what_it_holds() {
    let importing = Importing::new().await;

    let report = importing.import(json!([importing.row("the-refresh-token")])).await;

    let entries = importing.world.audit.take();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(entry.action, AuditAction::ConnectionImported);
    assert_eq!(entry.tenant.as_ref(), Some(&importing.tenant));
    assert_eq!(entry.connection, Some(importing.key(&report["results"][0]).connection));
    assert_eq!(entry.company.as_ref().unwrap().as_str(), REALM);
    assert!(entry.actor.is_some() && entry.correlation.is_some());
    assert!(!format!("{entry:?}").contains("the-refresh-token"));
}

#[tokio::test]
async fn ten_thousand_imported_connections_are_not_all_refreshed_in_one_minute() {
    let importing = Importing::new().await;
    let mut minutes = std::collections::BTreeMap::<i64, usize>::new();
    for batch in 0..4 {
        let row = |number: u64| {
            let company = (1 + batch * 50 + number).to_string();
            let row = with(importing.row(&format!("token-{company}")), "/providerCompanyId", json!(company));
            // As a stale row has it, with an access token that ended long ago.
            let row = with(row, "/tokens/accessToken", json!("ended"));
            with(row, "/accessTokenExpiresAt", json!("2020-01-01T00:00:00Z"))
        };
        let rows: Vec<_> = (0..50).map(row).collect();
        let report = importing.import(json!(rows)).await;
        for result in report["results"].as_array().unwrap() {
            let due = due_at(&importing.world.find(&importing.key(result)).await);
            *minutes.entry(due.duration_since(sample::NOW).as_mins()).or_default() += 1;
        }
    }

    assert!(minutes.keys().all(|minute| (0..=30).contains(minute)), "{minutes:?}");
    assert!(minutes.len() > 25 && minutes.values().all(|&count| count < 30), "{minutes:?}");
}

#[tokio::test]
async fn an_access_token_is_trusted_for_as_long_as_one_can_live_at_most() {
    let importing = Importing::new().await;
    let row = with(importing.row("refresh"), "/tokens/accessToken", json!("access"));
    let row = with(row, "/accessTokenExpiresAt", json!(sample::at(86_400 * 365).to_string()));

    let report = importing.import(json!([row])).await;

    let connection = importing.connection(&report).await;
    assert_eq!(connection.tokens.unwrap().access_expires_at, sample::at(3600));
    assert!(
        matches!(connection.due, Some(Due::Slot(_))),
        "it turns with its wheel, as one that was connected"
    );
    importing.world.clock.advance(Duration::from_hours(1));
    let key = importing.key(&report["results"][0]);
    assert!(importing.world.access().access_token(&key).await.is_ok(), "renewed on demand");
}

#[tokio::test]
async fn a_company_of_another_tenant_is_refused_and_both_are_told_in_the_audit_log() {
    let importing = Importing::new().await;
    let owner = importing.world.connect(&sample::tenant(), REALM).await;
    importing.world.audit.take();

    let report = importing.import(json!([importing.row("stolen")])).await;

    assert_eq!(results(&report), ["failed COMPANY_CONNECTED_ELSEWHERE"]);
    assert!(!report.to_string().contains(owner.tenant.as_str()), "nobody is told who has it");
    let audit: &Arc<InMemoryAudit> = &importing.world.audit;
    let told: Vec<_> = audit.take().into_iter().map(|entry| (entry.tenant.unwrap(), entry.action)).collect();
    let elsewhere = AuditAction::CompanyOwnedElsewhere;
    assert_eq!(told, [(importing.tenant.clone(), elsewhere), (owner.tenant.clone(), elsewhere)]);
    assert_eq!(importing.world.find(&owner).await.tokens.unwrap().generation, 1);
}

//! What webhooks promise in a world where everything fails, and that a broken consumer would be found out.

use torture::{
    FaultKind,
    webhooks::{WebhookFlaw, WebhookPlan, WebhookReport, run},
};

/// A run of a second or two.
fn plan(seed: u64) -> WebhookPlan {
    WebhookPlan { companies: 12, strain: 15.0, ..WebhookPlan::new(seed, 1500) }
}

fn ran(plan: WebhookPlan) -> WebhookReport {
    run(plan, |_| {})
}

#[track_caller]
fn assert_well(report: &WebhookReport) {
    assert!(report.failures.is_empty(), "{report}\n{:#?}", report.failures);
}

#[test]
fn every_valid_event_has_its_effect_once_and_nothing_that_is_spoilt_has_any() {
    let reports = [1, 2].map(|seed| ran(plan(seed)));

    reports.iter().for_each(assert_well);
    for (what, count) in [
        ("deliveries are spoilt", reports.iter().map(|report| report.deliveries.1).sum::<u64>()),
        ("doors and workers are killed", reports.iter().map(|report| report.kills).sum()),
        ("dead letters are put back", reports.iter().map(|report| report.dead_letters.0).sum()),
    ] {
        assert!(count > 0, "{what}");
    }
}

#[test]
fn without_faults_every_change_is_announced_exactly_once() {
    let report = ran(WebhookPlan { faults: vec![], ..plan(3) });

    assert_well(&report);
    assert_eq!((report.changes.0, report.failed_calls, report.kills), (report.changes.1, 0, 0));
    assert!(report.events.1 <= report.events.0, "objects share fetches: {report}");
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let short = |seed| ran(WebhookPlan { deliveries: 300, ..plan(seed) });
    let (once, again, other) = (short(4), short(4), short(5));

    assert_eq!(once, again);
    assert_ne!(once.digest, other.digest);
}

/// Whether a flaw is found out for what it does, in a short run under some seed: only those faults happen that bring it to
/// light, all the time.
fn is_found(flaw: WebhookFlaw, fault: (FaultKind, f64), says: &str) -> bool {
    is_found_in(&WebhookPlan { deliveries: 600, ..plan(0) }, flaw, fault, says)
}

/// The same in runs of another plan.
fn is_found_in(plan: &WebhookPlan, flaw: WebhookFlaw, (fault, strain): (FaultKind, f64), says: &str) -> bool {
    (1..=6).any(|seed| {
        let (flaw, faults) = (Some(flaw), vec![fault]);
        let report = ran(WebhookPlan { seed, flaw, faults, strain, ..plan.clone() });
        report.failures.iter().any(|failure| failure.contains(says))
    })
}

#[test]
fn events_that_are_completed_before_their_effect_are_missed() {
    let kills = (FaultKind::Kills, 300.0);
    assert!(is_found(WebhookFlaw::CompletedBeforeEffect, kills, "in the records"));
}

#[test]
fn events_that_have_their_effect_again_and_again_are_found_out() {
    let duplicates = (FaultKind::Duplicates, 10.0);
    assert!(is_found(WebhookFlaw::NothingSeen, duplicates, "was done by"));
}

#[test]
fn changes_that_a_dead_worker_did_not_announce_are_missed() {
    let kills = (FaultKind::Kills, 60.0);
    assert!(is_found(WebhookFlaw::IgnoredAgain, kills, "changes are announced"));
}

#[test]
fn writes_that_do_not_know_themselves_are_not_announced() {
    let table = (FaultKind::Table, 20.0);
    assert!(is_found(WebhookFlaw::UnknownWrites, table, "changes are announced"));
}

#[test]
fn answers_that_were_held_back_are_not_let_in_where_newer_ones_are() {
    // Companies of several messages are worked on beside their own lines only where a delivery has more of them than it
    // may have parts; few objects, so that both are at the same one.
    let held_back = WebhookPlan { companies: 45, objects: 4, ..plan(0) };
    let answers = (FaultKind::Answers, 60.0);
    assert!(is_found_in(&held_back, WebhookFlaw::NoVersionGate, answers, "goes back"));
}

#[test]
fn messages_that_are_forgotten_when_they_are_handed_out_are_missed() {
    let kills = (FaultKind::Kills, 60.0);
    assert!(is_found(WebhookFlaw::AtMostOnce, kills, "is expected"));
}

#[test]
fn no_single_fault_however_frequent_breaks_a_promise() {
    for (fault, strain) in [(FaultKind::Kills, 60.0), (FaultKind::Answers, 100.0), (FaultKind::Table, 20.0)] {
        assert_well(&ran(WebhookPlan { faults: vec![fault], strain, deliveries: 600, ..plan(6) }));
    }
}

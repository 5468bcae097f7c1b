//! What a tortured engine still promises, and that a broken one would be found out.

mod webhooks;

use torture::{FaultKind, Flaw, Kind, Plan, Report, run};

/// Everything fails ten times as often as usual: a run of seconds then meets what a usual one of minutes does.
const STRAIN: f64 = 10.0;

/// A run of seconds.
fn plan(seed: u64) -> Plan {
    Plan { connections: 160, strain: STRAIN, ..Plan::new(seed, 2000) }
}

fn ran(plan: Plan) -> Report {
    run(plan, |_| {})
}

#[track_caller]
fn assert_well(report: &Report) {
    let failures = report.failures();
    assert!(failures.is_empty(), "{failures:?}\n{:?}\n{report}", report.incidents);
}

#[test]
fn no_connection_is_lost_that_could_be_saved_whatever_fails() {
    let reports = [1, 2].map(|seed| ran(plan(seed)));

    reports.iter().for_each(assert_well);
    let sum = |count: fn(&torture::Row) -> u64| {
        reports.iter().flat_map(|report| &report.rows).map(count).sum::<u64>()
    };
    for (what, count) in [
        ("answers are destroyed", sum(|row| row.destroyed)),
        ("attempts are recovered", sum(|row| row.recoveries)),
        ("token sets go to the recovery queue", sum(|row| row.spilled)),
        ("and come from there", sum(|row| row.completed)),
        ("workers are killed", reports.iter().map(|report| report.totals.kills).sum()),
        ("clocks are wrong", reports.iter().map(|report| report.totals.skew_ms).sum()),
        ("messages come twice", reports.iter().map(|report| report.totals.duplicates).sum()),
    ] {
        assert!(count > 0, "{what}");
    }
}

#[test]
fn with_faults_at_their_usual_rates_hardly_any_refresh_needs_a_second_call() {
    let report = ran(Plan { strain: 1.0, ..plan(2) });

    assert_well(&report);
    assert!(report.totals.failed_calls > 0);
}

#[test]
fn without_faults_every_refresh_is_one_call() {
    let report = ran(Plan { faults: vec![], ..plan(3) });

    assert_well(&report);
    assert_eq!(report.rows.map(|row| row.calls), report.rows.map(|row| row.cycles));
    assert_eq!(report.totals.unserved, 0);
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let short = |seed| ran(Plan { cycles: 600, trace: Some(7), ..plan(seed) });
    let (once, again, other) = (short(4), short(4), short(5));

    assert_eq!(once, again);
    assert_ne!(once.digest, other.digest);
}

/// Whether a flaw is found out, for what it does, in a short run under some seed: only the faults that bring it to light
/// happen, and those all the time.
fn is_found(flaw: Flaw, faults: &[FaultKind], guilty: fn(&Report) -> bool) -> bool {
    (1..=8).any(|seed| {
        let faults = faults.to_vec();
        let report = ran(Plan { flaw: Some(flaw), faults, strain: 5.0 * STRAIN, cycles: 1000, ..plan(seed) });
        guilty(&report) && !report.failures().is_empty()
    })
}

#[test]
fn workers_that_go_by_their_own_clocks_are_found_out() {
    let faults = [FaultKind::Clocks, FaultKind::Duplicates];
    assert!(is_found(Flaw::UncorrectedClocks, &faults, |report| {
        report.rows.iter().any(|row| row.overlaps > 0 && row.dropped > 0)
    }));
}

#[test]
fn connections_that_only_the_grace_saved_are_missed() {
    assert!(is_found(Flaw::NoGrace, &[FaultKind::Answers], |report| {
        report.of(Kind::Grace30).lost > 0 && report.of(Kind::Grace24h).lost > 0
    }));
}

#[test]
fn a_table_that_ignores_the_fence_is_found_out() {
    assert!(is_found(Flaw::IgnoredFence, &[FaultKind::Reconnects], |report| {
        report.rows.iter().any(|row| row.unexplained > 0)
    }));
}

#[test]
fn a_recovery_queue_that_loses_what_it_is_given_is_found_out() {
    assert!(is_found(Flaw::LostRecovery, &[FaultKind::Table], |report| {
        report.of(Kind::Strict).unexplained > 0
    }));
}

#[test]
fn every_kind_of_fault_can_be_had_alone() {
    for kind in [FaultKind::Answers, FaultKind::Table, FaultKind::Kills] {
        assert_well(&ran(Plan { faults: vec![kind], cycles: 600, ..plan(6) }));
    }
}

//! Where jobs begin, after every kind of cursor that they may find.

use super::*;
use crate::{
    connection::ConnectionKey,
    id::JobId,
    sync::{Entity, JOB_VERSION},
};

const HOUR: Duration = Duration::from_hours(1);
const FACTS: Facts = Facts { told: Told::Changes, whole_every: None };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn id(name: &str) -> JobId {
    name.parse().unwrap()
}

fn job(name: &str, mode: SyncMode) -> SyncJob {
    let key = ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() };
    SyncJob {
        v: JOB_VERSION,
        job_id: id(name),
        key,
        company_id: "xero_1".parse().unwrap(),
        entities: vec![Entity::Invoices],
        mode,
        correlation_id: None,
        origin: None,
    }
}

/// The cursor that job `a` left behind at its end.
fn completed() -> SyncCursor {
    SyncCursor {
        job: Some(id("a")),
        after: Some(at(50)),
        records: 7,
        began_at: Some(at(60)),
        completed_at: Some(at(70)),
        ..SyncCursor::default()
    }
}

fn begun(name: &str, mode: SyncMode, found: SyncCursor, facts: Facts) -> SyncCursor {
    begin(&job(name, mode), Some(found), facts, at(100)).unwrap().cursor
}

fn is_whole(cursor: &SyncCursor, name: &str) -> bool {
    cursor.walk == Walk::Whole { name: id(name), pages: 0 } && cursor.after.is_none() && cursor.skip == 0
}

#[test]
fn the_first_job_of_a_company_reads_everything_whatever_its_mode() {
    for mode in [SyncMode::Full, SyncMode::Incremental] {
        let Begin { cursor, known } = begin(&job("a", mode), None, FACTS, at(100)).unwrap();

        assert!(is_whole(&cursor, "a"));
        assert_eq!((cursor.job, cursor.began_at, known), (Some(id("a")), Some(at(100)), None));
    }
}

#[test]
fn an_incremental_job_begins_a_little_before_the_cursor_and_knows_when_the_last_one_began() {
    let Begin { cursor, known } =
        begin(&job("b", SyncMode::Incremental), Some(completed()), FACTS, at(100)).unwrap();

    assert_eq!(cursor.after, Some(earlier(at(50), OVERLAP)));
    assert_eq!((cursor.walk, cursor.records, cursor.completed_at), (Walk::Changes, 0, None));
    assert_eq!(known, Some(at(60)));
}

#[test]
fn a_full_job_begins_anew_wherever_another_is() {
    let amid =
        SyncCursor { walk: Walk::Whole { name: id("a"), pages: 3 }, completed_at: None, ..completed() };
    for found in [completed(), amid] {
        assert!(is_whole(&begun("b", SyncMode::Full, found, FACTS), "b"));
    }
}

#[test]
fn an_incremental_job_goes_on_with_a_whole_walk_that_was_left_unfinished() {
    let whole = Walk::Whole { name: id("a"), pages: 3 };
    let sweep = Walk::Sweep { name: id("a"), pages: 9, from: Some("77".to_owned()) };
    for walk in [whole, sweep] {
        let amid = SyncCursor { walk: walk.clone(), completed_at: None, skip: 4, ..completed() };

        let cursor = begun("b", SyncMode::Incremental, amid, FACTS);

        assert_eq!((cursor.walk, cursor.after, cursor.skip), (walk, Some(at(50)), 4));
        assert_eq!((cursor.job, cursor.records), (Some(id("b")), 0));
        assert_eq!(cursor.began_at, Some(at(60)), "it is still the walk that began then");
    }
}

#[test]
fn a_job_that_comes_back_is_where_it_was() {
    let amid = SyncCursor { walk: Walk::Count, completed_at: None, ..completed() };

    assert_eq!(begun("a", SyncMode::Full, amid.clone(), FACTS), amid);
}

#[test]
fn a_full_job_that_waited_while_a_newer_one_read_what_changed_reads_everything_all_the_same() {
    let at_the_time = |second| JobId::of_walk(at(second), "x");
    let (older, newer) = (at_the_time(100), at_the_time(150));
    let full = SyncJob { job_id: older.clone(), ..job("a", SyncMode::Full) };
    let found = SyncCursor { job: Some(newer.clone()), whole_at: Some(at(90)), ..completed() };

    let begun = begin(&full, Some(found.clone()), FACTS, at(300)).unwrap().cursor;

    assert!(is_whole(&begun, older.as_str()));
    assert_eq!((&begun.job, begun.completed_at), (&Some(newer), None), "the newer one's is not set back");
    let back = begin(&full, Some(begun.clone()), FACTS, at(400)).unwrap().cursor;
    assert_eq!(back, begun, "it goes on when it comes back");
    for (job, found, why) in [
        (SyncJob { mode: SyncMode::Incremental, ..full.clone() }, found.clone(), "what changed is read"),
        (full.clone(), SyncCursor { whole_at: Some(at(120)), ..found.clone() }, "all was read since"),
        (full, SyncCursor { completed_at: None, ..found }, "the newer one is at it"),
    ] {
        assert_eq!(begin(&job, Some(found), FACTS, at(300)), None, "{why}");
    }
}

#[test]
fn a_job_steps_back_from_what_a_newer_one_walks() {
    assert_eq!(begin(&job("B", SyncMode::Full), Some(completed()), FACTS, at(100)), None);
}

#[test]
fn what_pages_since_a_moment_leave_out_is_read_whole_when_it_is_time() {
    let nothing = Facts { told: Told::Nothing, whole_every: None };
    let hourly = Facts { told: Told::All, whole_every: Some(HOUR) };
    let lately = SyncCursor { whole_at: Some(at(90)), ..completed() };
    let long_ago = SyncCursor { whole_at: Some(earlier(at(100), HOUR)), ..completed() };
    for (found, facts, expected, why) in [
        (completed(), nothing, true, "nothing is told"),
        (lately.clone(), nothing, true, "nothing is told, however lately"),
        (completed(), hourly, true, "never"),
        (long_ago, hourly, true, "an hour ago"),
        (lately, hourly, false, "lately"),
        (SyncCursor { after: None, ..completed() }, FACTS, true, "without a moment to begin from"),
    ] {
        assert_eq!(is_whole(&begun("b", SyncMode::Incremental, found, facts), "b"), expected, "{why}");
    }
}

#[test]
fn a_sweep_ends_with_the_time_at_which_its_walk_began() {
    let walk = Walk::Sweep { name: id("a"), pages: 2, from: None };

    let cursor = done(SyncCursor { walk, completed_at: None, ..completed() }, at(200));

    assert_eq!((cursor.whole_at, cursor.completed_at), (Some(at(60)), Some(at(200))));
    assert_eq!(done(completed(), at(300)).whole_at, None, "no other walk says that all was read");
}

#[test]
fn changes_are_counted_where_the_provider_leaves_out_deletions_and_once_a_day_everywhere() {
    let told = |told, origin| {
        let job = SyncJob { origin, ..job("a", SyncMode::Incremental) };
        behind_changes(SyncCursor { completed_at: None, ..completed() }, &job, told, at(200)).walk
    };

    assert_eq!(told(Told::All, None), Walk::Changes);
    assert_eq!(told(Told::Changes, None), Walk::Count);
    assert_eq!(told(Told::All, Some(JobOrigin::CatchUp)), Walk::Count);
}

#[test]
fn what_is_counted_wrong_is_walked_over_whole_once_a_day() {
    let counted = SyncCursor { walk: Walk::Count, completed_at: None, ..completed() };

    let job = job("a", SyncMode::Incremental);
    let again = miscounted(counted.clone(), &job, at(200));
    assert!(is_whole(&again, "a"));
    assert_eq!(again.miscounted_at, Some(at(200)));

    let tried = SyncCursor { miscounted_at: Some(at(200)), ..counted };
    assert_eq!(
        miscounted(tried.clone(), &job, later(at(200), HOUR)).completed_at,
        Some(later(at(200), HOUR))
    );
    assert!(is_whole(&miscounted(tried, &job, later(at(200), RECOUNT)), "a"));
}

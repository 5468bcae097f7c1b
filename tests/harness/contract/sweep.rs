//! What the sweep's marks keep.

use domain::{
    provider::Provider,
    refresh::{ClaimOutcome, SweepLog, SweepProgress},
};
use futures::future::join_all;
use jiff::Timestamp;

use super::RACERS;
use crate::sample::at;

/// What a log of the sweep keeps; nobody else may use it.
pub async fn sweep_log_contract(log: &dyn SweepLog) {
    the_last_run_is_the_one_noted_last(log).await;
    a_walk_is_of_one_owner_until_a_time(log).await;
    who_goes_on_with_a_walk_goes_on_where_it_was(log).await;
    an_end_gives_the_walk_back_once_or_twice(log).await;
    one_of_ten_sweeps_claims_a_walk(log).await;
}

/// A walk of which nothing is done yet.
fn begun() -> SweepProgress {
    SweepProgress { through: at(0), target: None, step: 0, from: None }
}

/// The progress of a claim, which must succeed.
async fn claimed(
    log: &dyn SweepLog,
    (provider, owner): (Provider, &str),
    times: (Timestamp, Timestamp),
) -> Option<SweepProgress> {
    let claim = log.claim(provider, owner, times).await.unwrap();
    let ClaimOutcome::Claimed(progress) = claim else { panic!("{owner} at {times:?}: {claim:?}") };
    progress
}

async fn the_last_run_is_the_one_noted_last(log: &dyn SweepLog) {
    assert_eq!(log.last().await.unwrap(), None);
    for second in [1, 2] {
        log.note(at(second)).await.unwrap();
        assert_eq!(log.last().await.unwrap(), Some(at(second)));
    }
}

async fn a_walk_is_of_one_owner_until_a_time(log: &dyn SweepLog) {
    let provider = Provider::QuickBooks;
    assert!(!log.advance(provider, "first", (&begun(), false)).await.unwrap(), "nothing was claimed");

    assert_eq!(claimed(log, (provider, "first"), (at(0), at(100))).await, None);
    assert_eq!(log.claim(provider, "second", (at(99), at(199))).await.unwrap(), ClaimOutcome::Held);
    assert_eq!(claimed(log, (Provider::Xero, "second"), (at(0), at(100))).await, None, "of one provider");
    assert_eq!(claimed(log, (provider, "first"), (at(50), at(120))).await, None, "its owner may again");
    assert_eq!(log.claim(provider, "second", (at(119), at(219))).await.unwrap(), ClaimOutcome::Held);
    assert_eq!(claimed(log, (provider, "second"), (at(120), at(220))).await, None, "its time is over");

    assert!(!log.advance(provider, "first", (&begun(), false)).await.unwrap());
    assert!(!log.advance(provider, "first", (&begun(), true)).await.unwrap());
    assert_eq!(claimed(log, (provider, "second"), (at(130), at(230))).await, None, "and noted nothing");
}

async fn who_goes_on_with_a_walk_goes_on_where_it_was(log: &dyn SweepLog) {
    let provider = Provider::QuickBooks;
    let under_way =
        SweepProgress { target: Some(at(60)), step: 3, from: Some("a page".to_owned()), ..begun() };
    let further = SweepProgress { target: Some(at(60)), step: 4, ..begun() };
    for (number, progress) in (1..).zip([begun(), under_way, further, begun()]) {
        assert!(log.advance(provider, "second", (&progress, false)).await.unwrap());

        let times = (at(200), at(200 + number));
        assert_eq!(claimed(log, (provider, "second"), times).await, Some(progress));
    }
}

async fn an_end_gives_the_walk_back_once_or_twice(log: &dyn SweepLog) {
    let provider = Provider::QuickBooks;
    let end = SweepProgress { through: at(60), ..begun() };
    assert!(log.advance(provider, "second", (&end, true)).await.unwrap());

    assert!(log.advance(provider, "second", (&end, true)).await.unwrap(), "its answer may have been lost");

    assert!(!log.advance(provider, "second", (&end, false)).await.unwrap(), "there is nothing to go on with");
    assert_eq!(claimed(log, (provider, "third"), (at(130), at(230))).await, Some(end));
}

async fn one_of_ten_sweeps_claims_a_walk(log: &dyn SweepLog) {
    let owners: Vec<_> = (0..RACERS).map(|number| format!("sweep-{number}")).collect();

    let claims = owners.iter().map(|owner| log.claim(Provider::Zoho, owner, (at(0), at(100))));
    let claims: Vec<_> = join_all(claims).await.into_iter().map(Result::unwrap).collect();

    let held = claims.iter().filter(|claim| **claim == ClaimOutcome::Held).count();
    assert_eq!(held, RACERS - 1, "{claims:?}");
    assert!(claims.contains(&ClaimOutcome::Claimed(None)));
}

//! What a store of leases on companies keeps.

use domain::sync::{CompanyLeases, Holder, Kept, Lane, Taken};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{self, at, ids};

/// What a store of leases on companies keeps.
pub async fn company_leases_contract(leases: &dyn CompanyLeases) {
    of_many_takers_one_wins(leases).await;
    a_company_is_held_until_its_time_and_no_longer(leases).await;
    what_is_given_back_is_free_and_only_its_holder_gives_it_back(leases).await;
    a_holder_learns_when_a_higher_lane_waits(leases).await;
    a_lost_company_is_not_kept(leases).await;
}

fn holder(lane: Lane) -> Holder {
    Holder { name: ids().write(), lane }
}

async fn of_many_takers_one_wins(leases: &dyn CompanyLeases) {
    let place = sample::place();
    let takers: Vec<_> = (0..RACERS).map(|_| holder(Lane::Normal)).collect();

    let taken = join_all(takers.iter().map(|taker| leases.take(&place, taker, (at(0), at(60))))).await;

    let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken.iter().filter(|taken| **taken == Taken::Mine).count(), 1);
    assert_eq!(taken.iter().filter(|taken| **taken == Taken::Busy { until: at(60) }).count(), RACERS - 1);
}

async fn a_company_is_held_until_its_time_and_no_longer(leases: &dyn CompanyLeases) {
    let (place, first, second) = (sample::place(), holder(Lane::Normal), holder(Lane::Normal));
    let take = async |who: &Holder, now, until| leases.take(&place, who, (at(now), at(until))).await.unwrap();

    assert_eq!(take(&first, 0, 60).await, Taken::Mine);
    assert_eq!(take(&first, 1, 61).await, Taken::Mine, "its own again");
    assert_eq!(take(&second, 60, 120).await, Taken::Busy { until: at(61) });
    assert_eq!(leases.keep(&place, &first, at(90)).await.unwrap(), Kept::Mine);
    assert_eq!(take(&second, 89, 120).await, Taken::Busy { until: at(90) });
    assert_eq!(take(&second, 90, 120).await, Taken::Mine, "it ended");
    let elsewhere = sample::place();
    assert_eq!(
        leases.take(&elsewhere, &first, (at(0), at(60))).await.unwrap(),
        Taken::Mine,
        "another company"
    );
}

async fn what_is_given_back_is_free_and_only_its_holder_gives_it_back(leases: &dyn CompanyLeases) {
    let (place, first, second) = (sample::place(), holder(Lane::Normal), holder(Lane::Normal));
    let take = async |who: &Holder| leases.take(&place, who, (at(0), at(60))).await.unwrap();
    leases.release(&place, &first).await.unwrap();

    assert_eq!(take(&first).await, Taken::Mine);
    leases.release(&place, &second).await.unwrap();
    assert_eq!(take(&second).await, Taken::Busy { until: at(60) });
    leases.release(&place, &first).await.unwrap();
    assert_eq!(take(&second).await, Taken::Mine);
    leases.release(&place, &first).await.unwrap();
    assert_eq!(take(&first).await, Taken::Busy { until: at(60) });
}

async fn a_holder_learns_when_a_higher_lane_waits(leases: &dyn CompanyLeases) {
    let place = sample::place();
    let [low, other, normal, high] = [Lane::Low, Lane::Low, Lane::Normal, Lane::High].map(holder);
    let take = async |who: &Holder| leases.take(&place, who, (at(0), at(60))).await.unwrap();
    let keep = async |who: &Holder| leases.keep(&place, who, at(60)).await.unwrap();

    assert_eq!(take(&low).await, Taken::Mine);
    assert_eq!(take(&other).await, Taken::Busy { until: at(60) });
    assert_eq!(keep(&low).await, Kept::Mine, "one of its own lane waits");
    for _ in 0..2 {
        assert_eq!(take(&normal).await, Taken::Busy { until: at(60) });
        assert_eq!(keep(&low).await, Kept::Wanted);
    }
    assert_eq!(keep(&low).await, Kept::Wanted, "until it gives way");

    leases.release(&place, &low).await.unwrap();
    assert_eq!(take(&high).await, Taken::Mine);
    assert_eq!(keep(&high).await, Kept::Mine, "whom nobody waits for");
    assert_eq!(take(&normal).await, Taken::Busy { until: at(60) });
    assert_eq!(keep(&high).await, Kept::Mine, "a lower lane waits");
}

async fn a_lost_company_is_not_kept(leases: &dyn CompanyLeases) {
    let (place, first, second) = (sample::place(), holder(Lane::Normal), holder(Lane::Normal));
    assert_eq!(leases.keep(&place, &first, at(60)).await.unwrap(), Kept::Lost, "never taken");
    leases.take(&place, &first, (at(0), at(60))).await.unwrap();
    assert_eq!(
        leases.keep(&place, &first, at(70)).await.unwrap(),
        Kept::Mine,
        "kept late, and nobody took it"
    );
    leases.take(&place, &second, (at(70), at(130))).await.unwrap();

    assert_eq!(leases.keep(&place, &first, at(140)).await.unwrap(), Kept::Lost);

    assert_eq!(leases.keep(&place, &second, at(140)).await.unwrap(), Kept::Mine);
    leases.release(&place, &second).await.unwrap();
    assert_eq!(leases.keep(&place, &second, at(150)).await.unwrap(), Kept::Lost, "given back");
}

//! What shared budgets and meters keep.

use std::collections::BTreeMap;

use domain::{
    limits::{Budget, BudgetPlace, BudgetStore, Counts, Slots, Span, Usage, UsageStore},
    provider::Provider,
};
use futures::future::join_all;
use jiff::civil::date;

use super::{RACERS, endings};
use crate::sample::{self, at, provider_company};

/// What a store of budgets keeps; nobody else may use its budgets of apps.
pub async fn budget_store_contract(store: &dyn BudgetStore) {
    a_budget_reads_back_as_it_was_stored(store).await;
    whoever_did_not_see_the_last_change_is_given_it(store).await;
    of_those_who_change_it_at_once_one_is_stored(store).await;
}

/// A budget with everything in it.
fn full(version: u64) -> Budget {
    let counts = |pairs: &[(i64, u32)]| Counts(pairs.iter().copied().collect());
    Budget {
        version,
        counts: BTreeMap::from([
            (Span::Second, counts(&[(17_950_000_000, 1), (17_950_000_009, 9)])),
            (Span::Minute, counts(&[(359_000_000, 500)])),
            (Span::BlockMinute, counts(&[(359_000_000, 10_000), (359_000_013, 1)])),
            (Span::Month, counts(&[(20_775, 499_999)])),
        ]),
        slots: vec![
            Slots { holder: u64::MAX, count: 4, until: at(60) },
            Slots { holder: 1, count: 1, until: at(59) },
        ],
        throttled_until: Some(at(86_400)),
        day_limit: Some(1000),
        day_ends_at: Some(at(38_445)),
    }
}

async fn a_budget_reads_back_as_it_was_stored(store: &dyn BudgetStore) {
    let (company, other) = (provider_company(), provider_company());
    let places = [
        BudgetPlace::Company(Provider::Zoho, company.clone()),
        BudgetPlace::Company(Provider::QuickBooks, company),
        BudgetPlace::App(Provider::Zoho),
    ];
    for (version, place) in (7..).zip(&places) {
        assert_eq!(store.load(place).await.unwrap(), Budget::default());
        assert_eq!(store.replace(place, 0, &full(version)).await.unwrap(), None);
    }

    for (version, place) in (7..).zip(&places) {
        assert_eq!(store.load(place).await.unwrap(), full(version));
    }
    let other = BudgetPlace::Company(Provider::Zoho, other);
    assert_eq!(store.load(&other).await.unwrap(), Budget::default());
    let plain = Budget { version: 5, day_limit: Some(0), ..Budget::default() };
    assert_eq!(store.replace(&other, 0, &plain).await.unwrap(), None);
    assert_eq!(store.load(&other).await.unwrap(), plain);
}

async fn whoever_did_not_see_the_last_change_is_given_it(store: &dyn BudgetStore) {
    let place = BudgetPlace::Company(Provider::Xero, provider_company());
    let (first, second) = (full(11), Budget { slots: vec![], ..full(12) });
    assert_eq!(store.replace(&place, 0, &first).await.unwrap(), None);
    assert_eq!(store.replace(&place, 11, &second).await.unwrap(), None);

    for before in [0, 11, 13] {
        let late = Budget { version: 14, ..Budget::default() };
        assert_eq!(store.replace(&place, before, &late).await.unwrap(), Some(second.clone()));
    }
    assert_eq!(store.replace(&place, 11, &second).await.unwrap(), None, "its own, whose answer was lost");
    let gone = BudgetPlace::Company(Provider::Xero, provider_company());
    assert_eq!(
        store.replace(&gone, 12, &full(13)).await.unwrap(),
        Some(Budget::default()),
        "it was forgotten"
    );
}

async fn of_those_who_change_it_at_once_one_is_stored(store: &dyn BudgetStore) {
    let place = BudgetPlace::Company(Provider::Xero, provider_company());
    let versions: Vec<_> = (1..=RACERS).map(|racer| full(racer as u64)).collect();

    let stored = join_all(versions.iter().map(|next| store.replace(&place, 0, next))).await;

    let stored: Vec<_> = stored.into_iter().map(Result::unwrap).collect();
    assert_eq!(stored.iter().filter(|theirs| theirs.is_none()).count(), 1, "{stored:?}");
    let winner = store.load(&place).await.unwrap();
    assert!(stored.iter().flatten().all(|theirs| *theirs == winner), "{stored:?}");
}

/// What a store of usage keeps.
pub async fn usage_store_contract(store: &dyn UsageStore) {
    let (tenant, other) = (sample::tenant(), sample::tenant());
    let days = [date(2026, 11, 9), date(2026, 11, 10), date(2026, 12, 1)];
    let usage = |calls, bytes| Usage { calls, bytes };
    for (tenant, provider, day, calls) in [
        (&tenant, Provider::Zoho, days[0], 1),
        (&tenant, Provider::QuickBooks, days[0], 2),
        (&tenant, Provider::Zoho, days[0], 4),
        (&tenant, Provider::Xero, days[1], 8),
        (&tenant, Provider::Xero, days[2], 16),
        (&other, Provider::Xero, days[1], 32),
    ] {
        store.add(tenant, (provider, day), &usage(calls, calls * 10_000_000_000)).await.unwrap();
    }

    let of = |day, provider, calls| (day, provider, usage(calls, calls * 10_000_000_000));
    let first = [of(days[0], Provider::QuickBooks, 2), of(days[0], Provider::Zoho, 5)];
    let both = [first.as_slice(), &[of(days[1], Provider::Xero, 8)]].concat();
    assert_eq!(store.list(&tenant, (days[0], days[0])).await.unwrap(), first);
    assert_eq!(store.list(&tenant, (days[0], date(2026, 11, 30))).await.unwrap(), both);
    assert_eq!(store.list(&tenant, (date(2026, 11, 11), date(2026, 11, 30))).await.unwrap(), []);
    assert_eq!(store.list(&other, (days[0], days[2])).await.unwrap(), [of(days[1], Provider::Xero, 32)]);
    endings::of_usage(store).await;
}

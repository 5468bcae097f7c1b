//! What a budget promises over any sequence of requests, workers and clocks.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_assert, proptest},
};

use super::*;
use crate::limits::{PlanSettings, Plans};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap()
}

fn allowed(limits: &[(Span, u32)], at_once: Option<u32>) -> Allowed {
    Allowed { limits: limits.to_vec(), at_once }
}

fn ask(purpose: Purpose) -> Ask {
    Ask { purpose, kind: Kind::Read, requests: 1, slots: None }
}

/// What a worker does: how long after the one before, how far its clock is ahead, what for, and how much at once.
type Step = (u16, i8, bool, u8);

/// Steps of workers whose clocks differ by less than two seconds.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec((0..4_000_u16, -9..9_i8, any::<bool>(), 1..30_u8), 1..600)
}

/// The moments at which requests were granted, by real time.
fn granted(steps: &[Step], allowed: &Allowed, kind: Kind) -> Vec<i64> {
    let (mut budget, mut now, mut sent) = (Budget::default(), 0_i64, Vec::new());
    for &(pause, ahead, is_background, requests) in steps {
        now += i64::from(pause) / 8;
        let purpose = if is_background { Purpose::Background } else { Purpose::Interactive };
        let ask = Ask { purpose, kind, requests: u32::from(requests), slots: None };
        if let Asked::Granted(next, requests) = budget.take(allowed, &ask, at(now + i64::from(ahead) * 100)) {
            assert!(requests >= 1, "a grant is of something");
            budget = next;
            sent.extend((0..requests).map(|_| now));
        }
    }
    sent
}

/// The most requests within any window of this length, wherever it begins; they come in the order of their time.
fn busiest(sent: &[i64], length: Duration) -> usize {
    let length = i64::try_from(length.as_millis()).unwrap();
    let (mut first, mut most) = (0, 0);
    for (last, &at) in sent.iter().enumerate() {
        while sent[first] + length <= at {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

proptest! {
    #[test]
    fn no_minute_wherever_it_begins_has_more_requests_than_are_allowed(steps in steps(), most in 1..200_u32) {
        for span in [Span::Minute, Span::BatchMinute, Span::BlockMinute] {
            let sent = granted(&steps, &allowed(&[(span, most)], None), Kind::Batch);
            prop_assert!(busiest(&sent, span.length()) <= most as usize);
        }
    }

    #[test]
    fn no_second_has_more_than_are_allowed_where_clocks_agree(steps in steps(), most in 1..20_u32) {
        let steps: Vec<_> = steps.into_iter().map(|(pause, _, purpose, requests)| (pause, 0, purpose, requests)).collect();
        let sent = granted(&steps, &allowed(&[(Span::Second, most)], None), Kind::Read);
        prop_assert!(busiest(&sent, Span::Second.length()) <= most as usize);
    }

    #[test]
    fn no_day_or_month_has_more_than_are_allowed(steps in steps(), most in 1..200_u32) {
        for span in [Span::Day, Span::Month] {
            // The same steps, so much further apart that they fill three of the spans.
            let stretch = i64::try_from(span.length().as_millis()).unwrap() * 3 / 75_000;
            let (mut budget, mut now, mut sent) = (Budget::default(), 0_i64, Vec::new());
            for &(pause, ..) in &steps {
                now += i64::from(pause) / 8 * stretch;
                if let Asked::Granted(next, _) = budget.take(&allowed(&[(span, most)], None), &ask(Purpose::Webhook), at(now)) {
                    budget = next;
                    sent.push(now);
                }
            }
            prop_assert!(busiest(&sent, span.length()) <= most as usize);
        }
    }

    #[test]
    fn whatever_clocks_did_a_right_one_waits_no_longer_than_the_span(leaps in vec(-400_000..400_000_i64, 1..100), most in 1..20_u32) {
        let allowed = allowed(&[(Span::Minute, most)], Some(2));
        let mut budget = Budget::default();
        for (holder, leap) in (1..).zip(leaps) {
            let ask = Ask { slots: Some((holder, 1)), ..ask(Purpose::Interactive) };
            if let Asked::Granted(next, _) = budget.take(&allowed, &ask, at(leap)) {
                budget = next;
            }
        }
        let seen = budget.as_of(at(0));
        let ends = seen.ends_at().unwrap_or(at(0));
        prop_assert!(ends <= at(0) + SignedDuration::from_secs(60 + 2 + 2 + 5), "{ends}");
    }

    #[test]
    fn who_waits_until_told_is_granted_then(steps in steps(), most in 1..50_u32) {
        let allowed = allowed(&[(Span::Second, most.min(7)), (Span::Minute, most)], None);
        let (mut budget, mut now) = (Budget::default(), at(0));
        for (pause, ..) in steps {
            now = later(now, Duration::from_millis(u64::from(pause) / 16));
            match budget.take(&allowed, &ask(Purpose::Background), now) {
                Asked::Granted(next, _) => budget = next,
                Asked::Wait(Held { until, .. }) => {
                    prop_assert!(until > now);
                    let then = budget.take(&allowed, &ask(Purpose::Background), until);
                    prop_assert!(matches!(then, Asked::Granted(..)), "{then:?}");
                    now = until;
                }
                Asked::Full(_) => unreachable!("nothing is limited that way"),
            }
        }
    }
}

/// A budget from which so many were taken.
fn used(allowed: &Allowed, purpose: Purpose, requests: u32) -> Budget {
    let ask = Ask { requests, ..ask(purpose) };
    match Budget::default().take(allowed, &ask, at(0)) {
        Asked::Granted(next, granted) => {
            assert_eq!(granted, requests);
            next
        }
        refused => panic!("{refused:?}"),
    }
}

#[test]
fn background_work_stops_at_its_share_and_those_who_wait_go_on() {
    let plan = Plans::default().of(Provider::Xero).company.clone();
    let budget = used(&plan, Purpose::Background, 48);

    let refused = budget.take(&plan, &ask(Purpose::Background), at(1000));
    assert!(matches!(refused, Asked::Wait(Held { by: HeldBy::Budget, .. })), "{refused:?}");
    let Asked::Granted(_, 12) =
        budget.take(&plan, &Ask { requests: 30, ..ask(Purpose::Interactive) }, at(1000))
    else {
        panic!("a fifth is left to those who wait");
    };
}

#[test]
fn each_kind_of_request_is_counted_where_its_provider_counts_it() {
    let plans = Plans::new(PlanSettings { quickbooks_monthly_reads: 2, ..PlanSettings::default() });
    let plan = plans.of(Provider::QuickBooks);
    let take = |budget: &Budget, allowed, kind| match budget.take(
        allowed,
        &Ask { kind, ..ask(Purpose::Webhook) },
        at(0),
    ) {
        Asked::Granted(next, _) => Ok(next),
        refused => Err(refused),
    };
    let mut month = Budget::default();
    for kind in [Kind::Write, Kind::Read, Kind::Write, Kind::Batch, Kind::Write] {
        month = take(&month, &plan.app, kind).unwrap();
    }
    assert!(take(&month, &plan.app, Kind::Read).is_err(), "reads are metered");

    let mut company = Budget::default();
    for second in 0..40 {
        let ask = Ask { kind: Kind::Batch, ..ask(Purpose::Webhook) };
        let Asked::Granted(next, _) = company.take(&plan.company, &ask, at(second * 1000)) else {
            panic!("{second}")
        };
        company = next;
    }
    let ask = Ask { kind: Kind::Batch, ..ask(Purpose::Webhook) };
    assert!(matches!(company.take(&plan.company, &ask, at(40_000)), Asked::Wait(_)), "40 batches a minute");
    let ask = Ask { kind: Kind::Read, ..ask };
    assert!(matches!(company.take(&plan.company, &ask, at(40_000)), Asked::Granted(..)));
}

#[test]
fn places_of_a_worker_that_died_are_free_after_a_minute() {
    let allowed = allowed(&[], Some(5));
    let ask = |holder, count| Ask { slots: Some((holder, count)), ..ask(Purpose::Background) };
    let Asked::Granted(budget, _) = Budget::default().take(&allowed, &ask(1, 3), at(0)) else { panic!() };
    let Asked::Granted(budget, _) = budget.take(&allowed, &ask(2, 1), at(0)) else { panic!() };

    assert_eq!(budget.take(&allowed, &ask(3, 1), at(59_999)), Asked::Full(at(60_999)));
    assert!(matches!(budget.take(&allowed, &ask(2, 1), at(0)), Asked::Granted(..)), "its own are its own");
    assert!(matches!(budget.take(&allowed, &ask(3, 1), at(60_000)), Asked::Granted(..)));
    let interactive = Ask { purpose: Purpose::Interactive, ..ask(3, 1) };
    assert!(
        matches!(budget.take(&allowed, &interactive, at(0)), Asked::Granted(..)),
        "one is left to those who wait"
    );
    assert!(matches!(budget.without(1, at(0)).take(&allowed, &ask(3, 1), at(0)), Asked::Granted(..)));
}

#[test]
fn a_throttle_stops_everybody_until_it_ends_and_a_shorter_one_changes_nothing() {
    let budget = Budget::default().throttled(at(60_000), at(0)).unwrap();

    assert_eq!(budget.throttled(at(30_000), at(0)), None);
    let held = Asked::Wait(Held { until: at(60_000), by: HeldBy::Throttle });
    assert_eq!(budget.take(&Allowed::default(), &ask(Purpose::Interactive), at(59_999)), held);
    let after = budget.take(&Allowed::default(), &ask(Purpose::Interactive), at(60_000));
    assert!(matches!(after, Asked::Granted(..)));
    assert_eq!(budget.throttled(at(0), at(0)), None, "nor one that is over");
}

#[test]
fn what_a_provider_says_of_its_day_puts_the_count_right() {
    let plan = Plans::default().of(Provider::Zoho).company.clone();
    let told = |left, ends_in| DayTold { limit: Some(2000), left, ends_in };
    let day = |budget: &Budget| budget.counts.get(&Span::Day).map_or(0, Counts::used);
    let budget = used(&plan, Purpose::Webhook, 100);

    let others_used =
        budget.told((told(500, Some(Duration::from_hours(2))), at(60_000 * 2)), &plan, at(60_000 * 2));
    assert_eq!(day(&others_used), 1500, "other apps use the same day");
    let refused = others_used.told((told(400, None), at(120_000)), &plan, at(120_000));
    let refused = refused.take(&plan, &ask(Purpose::Background), at(120_000));
    assert_eq!(
        refused,
        Asked::Wait(Held { until: at(7_320_000), by: HeldBy::Budget }),
        "until its day begins anew"
    );
    assert!(matches!(others_used.take(&plan, &ask(Purpose::Background), at(7_320_000)), Asked::Granted(..)));
    assert_eq!(
        day(&others_used.told((told(550, None), at(120_000)), &plan, at(120_000))),
        1500,
        "some were under way"
    );
    assert_eq!(
        day(&others_used.told((told(1990, None), at(120_000)), &plan, at(120_000))),
        10,
        "its day began anew"
    );
}

#[test]
fn what_was_taken_and_not_sent_is_given_back() {
    let allowed = allowed(&[(Span::BlockMinute, 20), (Span::Month, 20)], None);
    let budget = used(&allowed, Purpose::Webhook, 20);

    let back = budget.with_back((at(0), 15), Kind::Read, at(8_000));

    assert_eq!(back.counts.values().map(Counts::used).collect::<Vec<_>>(), [5, 5]);
    assert!(matches!(back.take(&allowed, &ask(Purpose::Background), at(8_000)), Asked::Granted(..)));
    let written = BTreeMap::from([(Span::BlockMinute, 5), (Span::Month, 20)]);
    let back = budget.with_back((at(0), 15), Kind::Write, at(0));
    assert_eq!(
        back.counts.iter().map(|(span, counts)| (*span, counts.used())).collect::<BTreeMap<_, _>>(),
        written
    );
}

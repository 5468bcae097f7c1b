//! Customers change their books, and the provider tells of it.

use std::{sync::Arc, time::Duration};

use domain::provider::Provider;

use super::{
    books::{POISON, words},
    company::{Company, PROVIDERS},
    door::bring,
    shop::{Expected, Shop},
    wire::{OnTheWire, Said, written},
};
use crate::{executor::ENVIRONMENT, provider::ms};

/// Time between two deliveries on average.
const PACE_MS: i64 = 100;
/// How often a delivery is spoilt.
const SPOILT: f64 = 0.04;
/// How often a delivery that was accepted comes once more.
const REPEATED: f64 = 0.06;
/// How often it has as many events as Intuit sends at most.
const LARGE: f64 = 0.01;
/// How late deliveries come, so that they come in another order.
const LATE: [Duration; 2] = [Duration::from_millis(50), Duration::from_mins(5)];
/// How often an event is of another company than the first of its delivery.
const OTHER_COMPANY: f64 = 0.2;
/// How long before it comes an event that is stale happened.
const STALE: Duration = Duration::from_hours(40 * 24);

/// Sends as many deliveries as the plan says.
pub(super) async fn changes(shop: Arc<Shop>) {
    for _ in 0..shop.plan.deliveries {
        let pause = shop.chance.within(0..=2 * PACE_MS);
        shop.time.sleep(Duration::from_millis(pause.unsigned_abs())).await;
        let is_spoilt = shop.chance.happens(SPOILT);
        let wire = delivery(&shop, is_spoilt);
        let of = shop.clone();
        shop.time.spawn(ENVIRONMENT, async move { send(&of, wire, is_spoilt).await });
    }
}

async fn send(shop: &Arc<Shop>, wire: OnTheWire, is_spoilt: bool) {
    shop.time.sleep(shop.chance.lasting(LATE[0]..=LATE[1])).await;
    let wire = if is_spoilt { wire.spoilt(shop) } else { wire };
    let is_accepted = bring(shop, &wire).await;
    {
        let mut told = shop.told();
        told.sent += 1;
        told.spoilt += u64::from(is_spoilt);
        if is_accepted == is_spoilt {
            told.incidents.push(format!("a delivery is answered wrongly, spoilt: {is_spoilt}"));
        }
    }
    if is_accepted && shop.chance.happens(REPEATED) {
        shop.time.sleep(shop.chance.lasting(Duration::from_millis(1)..=Duration::from_hours(2))).await;
        bring(shop, &wire).await;
    }
}

/// A delivery, of whose events nobody may ever hear where it is spoilt.
fn delivery(shop: &Shop, is_spoilt: bool) -> OnTheWire {
    let first = Company(shop.chance.below(shop.plan.companies));
    let count = match first.provider() {
        Provider::Zoho => 1,
        _ if shop.chance.happens(LARGE) => 100,
        _ => 1 + shop.chance.below(4),
    };
    let events = (0..count).map(|_| {
        let is_other = first.provider() != Provider::Zoho && shop.chance.happens(OTHER_COMPANY);
        let other = || PROVIDERS.len() * shop.chance.below(shop.plan.companies / PROVIDERS.len());
        let company = if is_other { Company(other() + first.place_of_provider()) } else { first };
        event(shop, company, is_spoilt)
    });
    let (said, expected): (Vec<_>, Vec<_>) = events.unzip();
    // A form can be spoilt so that its fields are the same.
    let (wire, keys) = written(shop, first, (&said, !is_spoilt));
    let mut told = shop.told();
    for (key, expected) in keys.into_iter().zip(expected) {
        told.events.extend(key.map(|key| (key, (first.provider(), expected))));
    }
    wire
}

/// What one event says, if it can be understood, and what is expected of it.
fn event(shop: &Shop, company: Company, is_spoilt: bool) -> (Option<Said>, Expected) {
    let number = shop.number();
    let word = words(company.provider())[shop.chance.below(2)];
    let now_ms = shop.time.now_ms();
    let said = |company, word, (id, version): (String, u64)| {
        Some(Said { company, number, word, id, version, time_ms: now_ms })
    };
    let any = || ("1".to_owned(), 1);
    match shop.chance.below(200) {
        _ if is_spoilt => (said(company, word, unheard(shop, company, word)), Expected::Nothing),
        0 => {
            let poison = format!("{POISON}{}", shop.chance.below(3));
            (said(company, word, (poison, 1)), Expected::Refused)
        }
        1..=4 => (said(company, "budget", any()), Expected::Nothing),
        5..=8 => (said(company.unknown(), word, any()), Expected::Nothing),
        9..=10 => (said(company.released(), word, any()), Expected::Nothing),
        11..=14 => {
            let stale = said(company, word, unheard(shop, company, word));
            let time_ms = now_ms - ms(STALE);
            (stale.map(|said| Said { time_ms, ..said }), Expected::Nothing)
        }
        15..=17 => (None, Expected::Nothing),
        _ => (said(company, word, change(shop, company, word)), Expected::Effect),
    }
}

/// An object that is in the books and that nobody may ask for.
fn unheard(shop: &Shop, company: Company, word: &'static str) -> (String, u64) {
    let id = format!("unheard{}", shop.chance.below(5));
    let mut all = shop.books.all();
    all.get_mut(company.id().as_str()).unwrap().entry((word, id.clone())).or_default();
    (id, 0)
}

/// Something happens to an object; what is deleted stays so. Its id and version.
fn change(shop: &Shop, company: Company, word: &'static str) -> (String, u64) {
    let now_ms = shop.time.now_ms();
    let mut all = shop.books.all();
    let objects = all.get_mut(company.id().as_str()).unwrap();
    let id = format!("{}", shop.chance.below(shop.plan.objects));
    let deletes = shop.chance.below(400) == 0;
    let object = objects.entry((word, id.clone())).or_default();
    object.is_told = true;
    // One event in ten tells of nothing that is new.
    if !object.is_deleted && (object.version == 0 || shop.chance.below(10) > 0) {
        object.version += 1;
        object.changed_ms = now_ms;
        object.is_deleted = deletes;
    }
    let version = object.version;
    (id, version)
}

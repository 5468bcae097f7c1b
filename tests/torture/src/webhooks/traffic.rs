//! Customers change their books, and the provider tells of it.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::refresh::policy::earlier;
use sha2::{Digest as _, Sha256};

use super::{
    books::POISON,
    door::{OnTheWire, bring},
    shop::{Expected, RELEASED, Shop, realm},
};
use crate::{executor::ENVIRONMENT, world::at};

/// Time between two deliveries on average.
const PACE_MS: i64 = 100;
/// Objects of a company that change again and again.
const OBJECTS: usize = 40;
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

/// The events of a delivery, of which nobody may ever hear where it is spoilt.
fn delivery(shop: &Shop, is_spoilt: bool) -> OnTheWire {
    let count = if shop.chance.happens(LARGE) { 100 } else { 1 + shop.chance.below(4) };
    let first = shop.chance.below(shop.plan.companies);
    let events: Vec<_> = (0..count)
        .map(|_| {
            let is_other = shop.chance.happens(OTHER_COMPANY);
            let company = if is_other { shop.chance.below(shop.plan.companies) } else { first };
            event(shop, company, is_spoilt)
        })
        .collect();
    OnTheWire::signed(format!("[{}]", events.join(",")))
}

/// One event, by the provider's rules of writing it.
fn event(shop: &Shop, company: usize, is_spoilt: bool) -> String {
    let number = shop.number();
    let (mut realm, mut time_ms) = (realm(company), shop.time.now_ms());
    let mut expected = if is_spoilt { Expected::Nothing } else { Expected::Effect };
    let mut word = ["invoice", "customer"][shop.chance.below(2)];
    let id = match shop.chance.below(200) {
        _ if is_spoilt => unheard(shop, &realm, word),
        0 => {
            expected = Expected::Refused;
            format!("{POISON}{}", shop.chance.below(3))
        }
        1..=4 => {
            expected = Expected::Nothing;
            word = "budget";
            "1".to_owned()
        }
        5..=8 => {
            (realm, expected) = ("404".to_owned(), Expected::Nothing);
            "1".to_owned()
        }
        9..=10 => {
            (realm, expected) = (RELEASED.to_owned(), Expected::Nothing);
            "1".to_owned()
        }
        11..=14 => {
            expected = Expected::Nothing;
            time_ms -= crate::provider::ms(STALE);
            unheard(shop, &realm, word)
        }
        15..=17 => return "{\"specversion\":\"1.0\"}".to_owned(),
        _ => change(shop, &realm, word),
    };
    let (kind, time) = (format!("qbo.{word}.updated.v1"), earlier(at(time_ms), Duration::ZERO).to_string());
    let key = key(&["intuit.torture", &number.to_string(), &kind, &realm, &id, &time]);
    shop.told().events.insert(key, expected);
    format!(
        r#"{{"specversion":"1.0","id":"{number}","source":"intuit.torture","type":"{kind}","time":"{time}","intuitentityid":"{id}","intuitaccountid":"{realm}","data":{{}}}}"#
    )
}

/// What makes an event the same event: the hash of what it says, each part with its length before it.
fn key(parts: &[&str]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// An object that is in the books and that nobody may ask for.
fn unheard(shop: &Shop, realm: &str, word: &'static str) -> String {
    let id = format!("unheard{}", shop.chance.below(5));
    shop.books.all().get_mut(realm).unwrap().entry((word, id.clone())).or_default();
    id
}

/// Something happens to an object; what is deleted stays so.
fn change(shop: &Shop, realm: &str, word: &'static str) -> String {
    let now_ms = shop.time.now_ms();
    let mut all = shop.books.all();
    let objects = all.get_mut(realm).unwrap();
    let id = format!("{}", shop.chance.below(OBJECTS));
    let deletes = shop.chance.below(400) == 0;
    let object = objects.entry((word, id.clone())).or_default();
    object.is_told = true;
    // One event in ten tells of nothing that is new.
    if !object.is_deleted && (object.version == 0 || shop.chance.below(10) > 0) {
        object.version += 1;
        object.changed_ms = now_ms;
        object.is_deleted = deletes;
    }
    id
}

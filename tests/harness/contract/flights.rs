//! What the table of requests under way keeps.

use domain::{
    provider::Provider,
    proxy::{Begun, FlightKey, Flights, Landed, Method, ProxyAnswer, ProxyPath, ProxyRequest, Target},
};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{self, at, ids};

/// What the table of requests under way keeps.
pub async fn flights_contract(flights: &dyn Flights) {
    one_of_ten_asks_and_the_others_wait_for_it(flights).await;
    what_nobody_waits_for_leaves_nothing_behind(flights).await;
    what_is_waited_for_is_left_as_it_came(flights).await;
    an_answer_that_cannot_be_shared_is_told_as_such(flights).await;
    a_flight_that_never_ends_gives_way_and_does_not_end_the_next(flights).await;
}

/// A question that nobody else asks.
fn new_key() -> FlightKey {
    let target =
        Target { key: sample::key(), provider: Provider::QuickBooks, company: sample::provider_company() };
    let request = ProxyRequest {
        method: Method::Get,
        path: ProxyPath::parse("invoice/1").unwrap(),
        query: vec![],
        accept: None,
        content_type: None,
        if_modified_since: None,
        key: None,
        body: vec![],
    };
    FlightKey::of(&target, &request)
}

fn answer() -> ProxyAnswer {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    ProxyAnswer {
        status: 404,
        headers: vec![header("content-type", "application/pdf"), header("retry-after", "1")],
        body: vec![0, 0xff, b'"', b'\n'],
    }
}

async fn begin(flights: &dyn Flights, key: &FlightKey, name: &str, second: i64) -> Begun {
    flights.begin(key, name, (at(second), at(second + 30))).await.unwrap()
}

async fn one_of_ten_asks_and_the_others_wait_for_it(flights: &dyn Flights) {
    let key = new_key();
    let names: Vec<_> = (0..RACERS).map(|_| ids().write()).collect();

    let begun = join_all(names.iter().map(|name| begin(flights, &key, name, 0))).await;

    let first = begun.iter().position(|begun| *begun == Begun::Mine).expect("one of them asks");
    let others = begun.iter().filter(|begun| **begun == Begun::Theirs { name: names[first].clone() });
    assert_eq!(others.count(), RACERS - 1, "{begun:?}");
    assert_eq!(begin(flights, &key, &names[first], 0).await, Begun::Mine, "its answer may have been lost");
}

async fn what_nobody_waits_for_leaves_nothing_behind(flights: &dyn Flights) {
    let key = new_key();
    let (first, second) = (ids().write(), ids().write());
    assert_eq!(begin(flights, &key, &first, 0).await, Begun::Mine);
    assert_eq!(flights.find(&key, &first).await.unwrap(), None);

    flights.land(&key, (&first, Some(&answer())), at(60)).await.unwrap();

    assert_eq!(flights.find(&key, &first).await.unwrap(), None);
    assert_eq!(begin(flights, &key, &second, 1).await, Begun::Mine);
}

async fn what_is_waited_for_is_left_as_it_came(flights: &dyn Flights) {
    let key = new_key();
    let (first, second) = (ids().write(), ids().write());
    begin(flights, &key, &first, 0).await;
    begin(flights, &key, &second, 0).await;
    assert_eq!(flights.find(&key, &first).await.unwrap(), None, "it is still under way");

    flights.land(&key, (&first, Some(&answer())), at(60)).await.unwrap();

    assert_eq!(flights.find(&key, &first).await.unwrap(), Some(Landed { answer: Some(answer()) }));
    assert_eq!(flights.find(&new_key(), &first).await.unwrap(), None, "it answers one question");
    assert_eq!(begin(flights, &key, &second, 1).await, Begun::Mine, "whoever comes later asks anew");
}

async fn an_answer_that_cannot_be_shared_is_told_as_such(flights: &dyn Flights) {
    let key = new_key();
    let (first, second) = (ids().write(), ids().write());
    begin(flights, &key, &first, 0).await;
    begin(flights, &key, &second, 0).await;

    flights.land(&key, (&first, None), at(60)).await.unwrap();

    assert_eq!(flights.find(&key, &first).await.unwrap(), Some(Landed { answer: None }));
}

async fn a_flight_that_never_ends_gives_way_and_does_not_end_the_next(flights: &dyn Flights) {
    let key = new_key();
    let (dead, next, third) = (ids().write(), ids().write(), ids().write());
    begin(flights, &key, &dead, 0).await;
    assert!(matches!(begin(flights, &key, &next, 29).await, Begun::Theirs { .. }));

    assert_eq!(begin(flights, &key, &next, 30).await, Begun::Mine);
    flights.land(&key, (&dead, Some(&answer())), at(60)).await.unwrap();

    assert_eq!(begin(flights, &key, &third, 31).await, Begun::Theirs { name: next });
}

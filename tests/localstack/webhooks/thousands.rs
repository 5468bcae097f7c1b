//! Two thousand deliveries of all providers, repeated, out of order and spoiled: the effects are those of the distinct valid
//! events, no more and no less.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{clock::Clock as _, clock::SystemClock, provider::Provider};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::driver::{Address, Books, Bundle, Connected, Signed, Told, correlation, eventually};

const DELIVERIES: usize = 2_000;
/// One of so many is spoiled on its way.
const SPOILED_OF: u32 = 6;
/// Changes of each object, in two halves between which it is told of the first.
const CHANGES: usize = 4;
const OBJECTS: usize = 6;
/// Requests under way at once, as from several providers.
const AT_ONCE: usize = 8;
/// Two thousand requests through the local gateway, and what follows from them, beside other tests.
const PATIENCE: Duration = Duration::from_mins(4);
const SEED: u64 = 2_000;

/// A company whose objects change.
struct Company<'a> {
    connection: Connected<'a>,
    address: Address,
    objects: Vec<String>,
}

/// One request, and how it must be answered.
struct Request {
    signed: Signed,
    status: u16,
    /// How many events it has.
    events: usize,
}

impl Company<'_> {
    async fn new(bundle: &Bundle, provider: Provider) -> Company<'_> {
        let books = match provider {
            Provider::QuickBooks => Books::realm(&bundle.simulator.company(1, OBJECTS).await),
            Provider::Xero | Provider::Zoho => bundle.simulator.books(provider).await,
        };
        let connection = bundle.tenant().await.connect_to(&books, false).await;
        let address = connection.address().await;
        let mut objects = vec![];
        for number in 1..=OBJECTS {
            objects.push(made(bundle, &connection.books, number).await);
        }
        Company { connection, address, objects }
    }

    /// A person writes a note into an object.
    async fn change(&self, object: &str, note: &str) {
        let (simulator, company) = (&self.connection.bundle().simulator, self.connection.realm());
        let (path, change) = match self.address.provider {
            Provider::QuickBooks => (
                format!("/intuit/companies/{company}/entities/invoice/{object}"),
                json!({ "PrivateNote": note }),
            ),
            Provider::Xero => {
                (format!("/xero/organizations/{company}/entities/contacts/{object}"), json!({ "Name": note }))
            }
            Provider::Zoho => (
                format!("/zoho/organizations/{company}/records/contact/{object}"),
                json!({ "contact_name": note }),
            ),
        };
        simulator.control(Method::PUT, &path, Some(change)).await;
    }

    fn entity(&self) -> &'static str {
        if self.address.provider == Provider::QuickBooks { "invoices" } else { "customers" }
    }
}

/// An object that is there to be changed; gives its id.
async fn made(bundle: &Bundle, books: &Books, number: usize) -> String {
    let (company, name) = (books.company(), format!("Number {number}"));
    match books.provider {
        // The one customer is number 1.
        Provider::QuickBooks => (number + 1).to_string(),
        Provider::Xero => {
            let path = format!("/xero/organizations/{company}/entities/contacts");
            let made = bundle.simulator.control(Method::POST, &path, Some(json!({ "Name": name }))).await;
            made["ContactID"].as_str().unwrap().to_owned()
        }
        Provider::Zoho => {
            let path = format!("/zoho/organizations/{company}/records/contact");
            let contact = json!({ "contact_name": name, "contact_type": "customer" });
            let made = bundle.simulator.control(Method::POST, &path, Some(contact)).await;
            made["contact_id"].as_str().unwrap().to_owned()
        }
    }
}

/// Everything that is to be told through one address, of however many companies.
struct Source {
    address: Address,
    told: Vec<Told>,
}

/// Changes every object a few times; gives what there is to tell, by address.
async fn change_all(
    companies: &[Company<'_>],
    changes: std::ops::Range<usize>,
    start: Timestamp,
) -> Vec<Source> {
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    for company in companies {
        let address = company.address.clone();
        let source = sources.entry(address.path.clone()).or_insert(Source { address, told: vec![] });
        for change in changes.clone() {
            for (number, object) in company.objects.iter().enumerate() {
                company.change(object, &note(object, change)).await;
                let at = start + Duration::from_secs((change * OBJECTS + number).try_into().unwrap());
                let realm = company.connection.realm().to_owned();
                source.told.push(Told { company: realm, id: object.clone(), at });
            }
        }
    }
    sources.into_values().collect()
}

fn note(object: &str, change: usize) -> String {
    format!("{object} changed {change}")
}

/// Requests that tell everything at least once, and much of it again, some of it spoiled; in no order.
fn requests(sources: &[Source], count: usize, rng: &mut StdRng) -> Vec<Request> {
    let mut requests = vec![];
    for Source { address, told } in sources {
        let mut told = told.clone();
        told.shuffle(rng);
        requests.extend(told.chunks(most_of(address)).map(|some| request(address, some)));
    }
    assert!(requests.len() < count, "there is room for more than what must be told");
    while requests.len() < count {
        let Source { address, told } = &sources[rng.random_range(0..sources.len())];
        let some = 1..=rng.random_range(1..=most_of(address));
        let some: Vec<_> = some.map(|_| told[rng.random_range(0..told.len())].clone()).collect();
        let good = request(address, &some);
        requests.push(if rng.random_ratio(1, SPOILED_OF) { spoiled(good, rng) } else { good });
    }
    requests.shuffle(rng);
    requests
}

/// How many events a delivery has at most.
fn most_of(address: &Address) -> usize {
    if address.provider == Provider::Zoho { 1 } else { 5 }
}

fn request(address: &Address, some: &[Told]) -> Request {
    Request { signed: address.sign(address.body(some)), status: 200, events: some.len() }
}

/// One bit of the body or the signature is another, or the signature is another's.
fn spoiled(good: Request, rng: &mut StdRng) -> Request {
    let mut signed = good.signed;
    match rng.random_range(0..3) {
        0 => {
            let at = rng.random_range(0..signed.body.len());
            let mut bytes = signed.body.into_bytes();
            bytes[at] ^= 1;
            signed.body = String::from_utf8(bytes).unwrap();
        }
        1 => {
            let at = rng.random_range(0..signed.signature.len() - 1);
            let other = if signed.signature.as_bytes()[at] == b'1' { "2" } else { "1" };
            signed.signature.replace_range(at..=at, other);
        }
        _ => signed.body.push(' '),
    }
    Request { signed, status: 401, events: 0 }
}

/// Brings all requests, some at once; gives the ids that were taken.
async fn bring(bundle: &Bundle, requests: &[Request]) -> BTreeSet<String> {
    let answers = stream::iter(requests).map(async |request| {
        let id = correlation();
        let brought = bundle.bringing(&request.signed).header("x-correlation-id", &id);
        let answer = bundle.send(brought).await;
        assert_eq!(answer.status, request.status, "{}: {}", request.signed.body, answer.text());
        (request.status == 200).then_some(id)
    });
    answers.buffer_unordered(AT_ONCE).filter_map(async |id| id).collect().await
}

/// The log's entries of certain deliveries.
async fn logged(bundle: &Bundle, ids: &BTreeSet<String>) -> Vec<Value> {
    let mut found = vec![];
    let mut cursor = String::new();
    loop {
        let path = format!("/api/webhooks/deliveries?limit=100{cursor}");
        let page = bundle.get(&path).await.expect(200);
        let deliveries = page["deliveries"].as_array().unwrap().iter();
        found.extend(deliveries.filter(|one| ids.contains(one["correlationId"].as_str().unwrap())).cloned());
        match page["nextCursor"].as_str() {
            Some(next) if found.len() < ids.len() => cursor = format!("&cursor={next}"),
            _ => return found,
        }
    }
}

#[tokio::test]
async fn the_effects_of_two_thousand_deliveries_are_those_of_the_distinct_valid_events() {
    let bundle = Bundle::deployed().await;
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut companies = vec![];
    for provider in
        [Provider::QuickBooks, Provider::QuickBooks, Provider::Xero, Provider::Xero, Provider::Zoho]
    {
        companies.push(Company::new(&bundle, provider).await);
    }
    let start = SystemClock.now() - Duration::from_hours(1);

    let first = change_all(&companies, 0..CHANGES / 2, start).await;
    let mut all = requests(&first, DELIVERIES / 2, &mut rng);
    let mut taken = bring(&bundle, &all).await;
    let mut second = change_all(&companies, CHANGES / 2..CHANGES, start).await;
    for (later, earlier) in second.iter_mut().zip(&first) {
        later.told.extend(earlier.told.iter().cloned());
    }
    let rest = requests(&second, DELIVERIES / 2, &mut rng);
    taken.append(&mut bring(&bundle, &rest).await);
    all.extend(rest);

    assert_eq!(taken.len(), all.iter().filter(|request| request.status == 200).count());
    let entries = eventually("every delivery has had its effect", PATIENCE, async || {
        if !bundle.is_empty(bundle.stack.value("EVENTS_QUEUE_URL")).await {
            return None;
        }
        let entries = logged(&bundle, &taken).await;
        let is_done = |entry: &Value| entry["status"] == "processed" || entry["status"] == "duplicate";
        (entries.len() == taken.len() && entries.iter().all(is_done)).then_some(entries)
    })
    .await;
    let sum =
        |outcome: &str| entries.iter().map(|entry| entry["events"][outcome].as_u64().unwrap()).sum::<u64>();
    let (distinct, told) =
        (companies.len() * OBJECTS * CHANGES, all.iter().map(|request| request.events).sum::<usize>());
    assert_eq!((sum("applied"), sum("total")), (distinct as u64, told as u64), "applied, and told at all");
    assert_eq!(sum("duplicate"), (told - distinct) as u64);
    for company in &companies {
        let records = company.connection.records(company.entity(), 200).await;
        for object in &company.objects {
            let record = records.iter().find(|record| record["id"] == object.as_str());
            let record = record.unwrap_or_else(|| panic!("there is no record of {object}"));
            assert!(record["raw"].to_string().contains(&note(object, CHANGES - 1)), "{record}");
        }
        assert_eq!(records.len(), company.objects.len());
    }
}

//! The reckoning: what came of every event, record and delivery.

use std::{collections::BTreeSet, fmt};

use domain::{
    refresh::policy::later,
    sync::{Entity, RecordPlace, RecordStore as _},
    webhook::{Begin, DeliveryLog as _, DeliveryStatus, IN_PROGRESS_LIFE, IdempotencyStore as _},
};
use futures::FutureExt as _;

use super::{
    WebhookPlan,
    books::{Objects, lists},
    company::Company,
    queue::DeadLetter,
    shop::{Expected, Shop},
};

/// Failures of one sort that are told; one is enough to see it again.
const TOLD: usize = 20;

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookReport {
    /// What was run.
    pub plan: WebhookPlan,
    /// Deliveries that were sent, the spoilt among them, and how often one was brought.
    pub deliveries: (u64, u64, u64),
    /// Events that have an effect, and fetches that it took.
    pub events: (u64, u64),
    /// Records that changed, and how many were announced.
    pub changes: (u64, u64),
    /// Doors and workers that were killed.
    pub kills: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Dead letters that were put back when nothing failed any more, and those that remain.
    pub dead_letters: (u64, u64),
    /// Follows from everything that happened.
    pub digest: u64,
    /// What must not be.
    pub failures: Vec<String>,
}

impl fmt::Display for WebhookReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, spoilt, attempts) = self.deliveries;
        let (put_back, remain) = self.dead_letters;
        writeln!(
            f,
            "webhooks, seed {}: {sent} deliveries, {spoilt} of them spoilt, brought {attempts} times",
            self.plan.seed
        )?;
        writeln!(f, "  {} events with an effect, {} fetches", self.events.0, self.events.1)?;
        writeln!(f, "  {} changes of records, {} announced", self.changes.0, self.changes.1)?;
        writeln!(
            f,
            "  {} killed, {} calls failed, {put_back} dead letters put back, {remain} remain",
            self.kills, self.failed_calls
        )?;
        write!(f, "  {} failures, digest {:016x}", self.failures.len(), self.digest)
    }
}

pub(super) fn reckoned(shop: &Shop, put_back: u64) -> WebhookReport {
    let (waiting, dead) = shop.queue.rest();
    let mut failures = std::mem::take(&mut shop.told().incidents);
    if waiting > 0 {
        failures.push(format!("{waiting} messages still wait"));
    }
    failures.truncate(TOLD);
    // Of each sort, lest one hides another.
    for of_sort in [events(shop), dead_letters(shop, &dead), records(shop), deliveries(shop)] {
        failures.extend(of_sort.into_iter().take(TOLD));
    }
    let told = shop.told();
    let sums = told.changes.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let untold = told.changes.iter().filter(|(_, (changed, announced))| announced < changed).take(TOLD);
    failures.extend(untold.map(|(place, (changed, announced))| {
        format!("of {} {announced} of {changed} changes are announced", place.company)
    }));
    WebhookReport {
        plan: shop.plan.clone(),
        deliveries: (told.sent, told.spoilt, told.attempts),
        events: (told.events.values().filter(|(_, of)| *of == Expected::Effect).count() as u64, told.fetches),
        changes: sums,
        kills: told.kills,
        failed_calls: told.failed_calls,
        dead_letters: (put_back, dead.len() as u64),
        digest: told.digest,
        failures,
    }
}

/// Every event is complete that has an effect, through one delivery, and nothing is known of any other.
fn events(shop: &Shop) -> Vec<String> {
    let (told, now) = (shop.told(), later(shop.now(), IN_PROGRESS_LIFE));
    let mut failures = vec![];
    for (key, (provider, expected)) in &told.events {
        let begin = shop.seen.begin(*provider, key, now).now_or_never().unwrap().unwrap();
        let is_well = match expected {
            Expected::Effect => matches!(begin, Begin::Completed { .. }),
            Expected::Nothing => begin == Begin::Started { again: false },
            Expected::Refused => matches!(begin, Begin::Started { .. }),
        };
        if !is_well {
            failures.push(format!("event {key}: {expected:?} is expected, it is {begin:?}"));
        }
        if told.completed.get(key).is_some_and(|by| by.len() > 1) {
            failures.push(format!("event {key} was done by {:?}", told.completed[key]));
        }
    }
    failures
}

/// Only what the provider refuses is dead, and all of that.
fn dead_letters(shop: &Shop, dead: &[DeadLetter]) -> Vec<String> {
    let told = shop.told();
    let is_refused = |key: &str| told.events.get(key).is_some_and(|(_, of)| *of == Expected::Refused);
    let mut failures = vec![];
    let mut found = BTreeSet::new();
    for letter in dead {
        let refused = letter.body.events.iter().map(|event| event.key.as_str()).filter(|key| is_refused(key));
        let before = found.len();
        let count = refused.map(|key| found.insert(key.to_owned())).count();
        if letter.reason.as_deref().is_none_or(|reason| !reason.starts_with("PROVIDER_API_ERROR"))
            || count == 0
        {
            failures.push(format!("{} is dead: {:?}, {before}", letter.body.delivery_id, letter.reason));
        }
    }
    let missing = told.events.keys().filter(|key| is_refused(key) && !found.contains(*key));
    failures.extend(missing.map(|key| format!("event {key} is refused and no dead letter has it")));
    failures
}

/// Every tenant's records are what its books hold, as far as anybody was told of it.
fn records(shop: &Shop) -> Vec<String> {
    let all = shop.books.all();
    let mut failures = vec![];
    for company in 0..shop.plan.companies {
        let company = Company(company);
        for tenant in 0..company.tenants() {
            failures.extend(copy(shop, &company.place(tenant), &all[company.id().as_str()]));
        }
    }
    failures
}

fn copy(shop: &Shop, place: &RecordPlace, objects: &Objects) -> Vec<String> {
    let company = &place.company;
    let mut failures = vec![];
    for entity in [Entity::Invoices, Entity::Customers, Entity::Vendors] {
        let list = shop.records.list(place, entity, u32::MAX, None);
        let stored = list.now_or_never().unwrap().unwrap().records;
        let listed =
            objects.iter().filter(|((word, id), object)| lists(word, id, **object).contains(&entity));
        let mut expected: BTreeSet<_> = listed
            .filter(|(_, object)| object.is_told && !object.is_deleted)
            .map(|((_, id), object)| (id.as_str(), object.version))
            .collect();
        for record in stored.iter().filter(|record| !record.deleted) {
            if !expected.remove(&(record.id.as_str(), record.version)) {
                failures.push(format!(
                    "{entity} {} of {company} is {} in the records",
                    record.id, record.version
                ));
            }
        }
        failures.extend(
            expected.into_iter().map(|(id, _)| format!("{entity} {id} of {company} is not in the records")),
        );
    }
    failures
}

/// Every delivery that was accepted has come to an end.
fn deliveries(shop: &Shop) -> Vec<String> {
    let told = shop.told();
    let ended = |id| {
        let found = shop.log.find(id).now_or_never().unwrap().unwrap();
        found.is_some_and(|delivery| delivery.status() != DeliveryStatus::Enqueued)
    };
    let lost = told.accepted.iter().filter(|id| !ended(id));
    lost.map(|id| format!("delivery {id} has not come to an end")).collect()
}

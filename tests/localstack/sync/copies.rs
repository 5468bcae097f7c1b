//! A copy of large books, whose workers are killed, and what keeps it equal to the provider's, object by object.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    provider::Provider,
    sync::{Entity, JobState, Lane, SyncJob, SyncMode},
};
use futures::{StreamExt as _, stream};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Bundle, Connected, FunctionCopy, Lanes, PATIENCE, eventually};

/// A number that fills no page of any provider.
const INVOICES: usize = 12_345;
/// More than QuickBooks' feed of changes tells at once.
const CHANGED: usize = 1_500;
const DELETED: usize = 20;
const VOIDED: usize = 5;
/// After how many pages workers are killed.
const KILLED_AFTER: [usize; 3] = [3, 4, 2];
/// Changes on their way at once.
const AT_ONCE: usize = 16;
/// Nothing comes again by itself.
const INVISIBLE: Duration = Duration::from_mins(30);

/// Large books at a provider, connected and not synced.
async fn large(bundle: &Bundle, provider: Provider) -> Connected<'_> {
    // One in five of Xero's is a bill.
    let made = if provider == Provider::Xero { INVOICES + 3_086 } else { INVOICES };
    let books = bundle.simulator.books_of(provider, (3, made)).await;
    bundle.tenant().await.connect_to(&books, false).await
}

/// How many pages of invoices were asked for so far.
async fn pages(connection: &Connected<'_>) -> usize {
    let path = match connection.books.provider {
        Provider::QuickBooks => "/query",
        Provider::Xero => "/Invoices",
        Provider::Zoho => "/invoices",
    };
    let filter = [("company", connection.realm()), ("pathContains", path)];
    let calls = connection.bundle().simulator.calls(&filter).await;
    calls.iter().filter(|call| call["finished"] == true).count()
}

/// Works on a job with a worker that is killed once it has read that many pages.
async fn killed_after(lanes: &Lanes<'_>, connection: &Connected<'_>, job: &SyncJob, more: usize) {
    let worker = lanes.worker().await;
    let from = pages(connection).await;
    let killing = async {
        eventually("the worker reads", PATIENCE * 3, async || {
            (pages(connection).await >= from + more).then_some(())
        })
        .await;
        worker.kill();
    };

    let (ended, ()) = tokio::join!(lanes.hand(&worker, Lane::Low, job), killing);

    let error = ended.expect_err("the worker was killed");
    assert!(error.contains("Runtime.ExitError"), "{error}");
    worker.remove().await;
    connection.bundle().end_lease(connection).await;
}

/// Works on a job until it is done.
async fn finished(lanes: &Lanes<'_>, worker: &FunctionCopy<'_>, connection: &Connected<'_>, job: &SyncJob) {
    for _ in 0..20 {
        lanes.hand(worker, Lane::Low, job).await.unwrap();
        let record = connection.bundle().job(job).await.unwrap();
        match record.state {
            JobState::Completed => return,
            // Its time was over: its message is on the lane.
            JobState::Waiting => drop(connection.bundle().next_from(lanes.queue(Lane::Low)).await),
            JobState::Delayed => connection.bundle().end_lease(connection).await,
            JobState::Active | JobState::Failed => panic!("{record:?}"),
        }
    }
    panic!("the job does not end");
}

/// Everything that is stored of the invoices that are not deleted, by id, as the provider gave it.
async fn stored(connection: &Connected<'_>) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let (mut live, mut deleted) = (BTreeMap::new(), BTreeSet::new());
    for record in connection.records("invoices", 200).await {
        let id = record["id"].as_str().unwrap().to_owned();
        if record["deleted"] == true {
            deleted.insert(id);
        } else {
            assert!(live.insert(id, record["raw"].clone()).is_none(), "twice");
        }
    }
    (live, deleted)
}

/// Changes, deletes and voids; gives the ids of what is gone.
async fn change(connection: &Connected<'_>, ids: &[&String]) -> BTreeSet<String> {
    let (provider, company) = (connection.books.provider, connection.realm());
    let simulator = &connection.bundle().simulator;
    let path = |id: &str| match provider {
        Provider::QuickBooks => format!("/intuit/companies/{company}/entities/invoice/{id}"),
        Provider::Xero => format!("/xero/organizations/{company}/entities/invoices/{id}"),
        Provider::Zoho => format!("/zoho/organizations/{company}/records/invoice/{id}"),
    };
    let member = match provider {
        Provider::QuickBooks => "PrivateNote",
        Provider::Xero => "Reference",
        Provider::Zoho => "reference_number",
    };
    // All over the books, not at their end.
    let spread: Vec<_> = ids.iter().step_by(ids.len() / (CHANGED + DELETED + VOIDED)).collect();
    let (changed, rest) = spread.split_at(CHANGED);
    let (deleted, voided) = (&rest[..DELETED], &rest[DELETED..DELETED + VOIDED]);
    let changes = changed.iter().enumerate().map(|(number, id)| {
        let note = json!({ member: format!("Änderung {number}") });
        (Method::PUT, path(id), Some(note))
    });
    let deletions = deleted.iter().map(|id| match provider {
        Provider::Xero => (Method::PUT, path(id), Some(json!({ "Status": "DELETED" }))),
        _ => (Method::DELETE, path(id), None),
    });
    let voids = voided.iter().map(|id| match provider {
        Provider::QuickBooks => (Method::POST, format!("{}/void", path(id)), None),
        Provider::Xero => (Method::PUT, path(id), Some(json!({ "Status": "VOIDED" }))),
        Provider::Zoho => (Method::POST, format!("{}/status/void", path(id)), None),
    });
    let all: Vec<_> = changes.chain(deletions).chain(voids).collect();
    stream::iter(all)
        .for_each_concurrent(AT_ONCE, async |(method, path, body)| {
            simulator.control(method, &path, body).await;
        })
        .await;
    deleted.iter().map(|id| (**id).to_owned()).collect()
}

/// That what is stored is what the provider has.
async fn is_equal(connection: &Connected<'_>, gone: &BTreeSet<String>) {
    let theirs = connection.bundle().simulator.all_invoices(&connection.books).await;
    let (ours, deleted) = stored(connection).await;
    assert_eq!(ours.len(), theirs.len());
    for (id, object) in &theirs {
        assert_eq!(ours.get(id), Some(object), "{id}");
    }
    assert_eq!(&deleted, gone);
}

#[rstest]
#[tokio::test]
async fn large_books_whose_workers_die_are_copied_without_gaps_and_stay_equal_to_the_providers(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let connection = large(&bundle, provider).await;
    let lanes = Lanes::open(&bundle, INVISIBLE).await;
    let job = connection.job(SyncMode::Full, &[Entity::Invoices]);

    for more in KILLED_AFTER {
        killed_after(&lanes, &connection, &job, more).await;
    }
    let worker = lanes.worker().await;
    finished(&lanes, &worker, &connection, &job).await;
    is_equal(&connection, &BTreeSet::new()).await;
    let (ours, _) = stored(&connection).await;
    assert_eq!(ours.len(), INVOICES);

    let gone = change(&connection, &ours.keys().collect::<Vec<_>>()).await;
    let job = connection.job(SyncMode::Incremental, &[Entity::Invoices]);
    finished(&lanes, &worker, &connection, &job).await;
    is_equal(&connection, &gone).await;

    let before = pages(&connection).await;
    let job = connection.job(SyncMode::Incremental, &[Entity::Invoices]);
    finished(&lanes, &worker, &connection, &job).await;
    is_equal(&connection, &gone).await;
    // What changed lately is read again, and nothing else.
    let again = pages(&connection).await - before;
    assert!(again <= 10, "{again} pages");
    worker.remove().await;
}

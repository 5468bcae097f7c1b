//! A copy of large books, whose workers are killed, and what keeps it equal to the provider's, object by object.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    provider::Provider,
    sync::{Entity, JobState, Lane, SyncJob, SyncMode},
};
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

/// How many invoices a page has.
fn page_size(provider: Provider) -> usize {
    match provider {
        Provider::QuickBooks | Provider::Xero => 1000,
        Provider::Zoho => 200,
    }
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
    connection.bundle().end_waits(connection).await;
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
            JobState::Delayed => connection.bundle().end_waits(connection).await,
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

/// Changes, deletes and voids all over the books; gives the ids of the invoices that are gone.
async fn change(connection: &Connected<'_>, ids: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let company = connection.realm();
    let path = match connection.books.provider {
        Provider::QuickBooks => format!("/intuit/companies/{company}/entities/invoice/bulk"),
        Provider::Xero => format!("/xero/organizations/{company}/entities/invoices/bulk"),
        Provider::Zoho => format!("/zoho/organizations/{company}/records/invoice/bulk"),
    };
    let bulk = json!({ "update": CHANGED, "delete": DELETED, "void": VOIDED });
    let touched = connection.bundle().simulator.control(Method::POST, &path, Some(bulk)).await;
    let ids_of = |what: &str| touched[what].as_array().unwrap().clone();
    assert_eq!((ids_of("updated").len(), ids_of("voided").len()), (CHANGED, VOIDED));
    let deleted = ids_of("deleted").into_iter().map(|id| id.as_str().unwrap().to_owned());
    deleted.filter(|id| ids.contains_key(id)).collect()
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

    let gone = change(&connection, &ours).await;
    assert!(gone.len() > DELETED / 2, "{gone:?}");
    let job = connection.job(SyncMode::Incremental, &[Entity::Invoices]);
    finished(&lanes, &worker, &connection, &job).await;
    is_equal(&connection, &gone).await;

    let before = pages(&connection).await;
    let job = connection.job(SyncMode::Incremental, &[Entity::Invoices]);
    finished(&lanes, &worker, &connection, &job).await;
    // What changed lately is read again, and not everything. A page that ends amid a second is followed by one from a little
    // before that second, so that how many there are depends on how long the changes took.
    let again = pages(&connection).await - before;
    assert!(again < INVOICES.div_ceil(page_size(provider)), "{again} pages");
    is_equal(&connection, &gone).await;
    worker.remove().await;
}

//! The books of each provider: walks over pages, objects by id, and what each refusal means.

mod changes;
mod counts;
mod quickbooks;
mod xero;
mod zoho;

use std::{collections::BTreeMap, time::Duration};

use domain::{
    id::RecordId,
    store::chain,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, PageQuery, Record, Told},
};
use jiff::Timestamp;
use providers::{
    http,
    quickbooks::QuickBooksLedger,
    xero::XeroLedger,
    zoho::{DataCentres, ZohoLedger},
};
use serde_json::json;

use crate::{
    responder::{Responder, Script},
    support::{access_token, free_gate},
};

/// What a walk over the pages of a kind brought.
pub(crate) struct Walk {
    /// The newest of each object.
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) pages: u64,
    /// From where an incremental walk may follow.
    pub(crate) after: Option<Timestamp>,
}

/// Walks over the pages as a sync job does: on to the last moment of each page, or further within that moment.
pub(crate) async fn walk(
    ledger: &dyn Ledger,
    call: LedgerCall<'_>,
    entity: Entity,
    after: Option<Timestamp>,
) -> Walk {
    let mut walk = Walk { records: BTreeMap::new(), pages: 0, after };
    let mut skip = 0;
    loop {
        let page = ledger.page(call, PageQuery { entity, after: walk.after, skip }).await.unwrap();
        walk.pages += 1;
        assert!(walk.pages < 100, "the walk does not end");
        assert_eq!(page.unreadable, 0);
        let seen = page.records.len() as u64 + page.passed_over;
        (walk.after, skip) =
            if page.newest > walk.after { (page.newest, 0) } else { (walk.after, skip + seen) };
        for record in page.records {
            let known = walk.records.get(record.id.as_str());
            if known.is_none_or(|known| known.updated_at <= record.updated_at) {
                walk.records.insert(record.id.to_string(), record);
            }
        }
        if !page.more {
            return walk;
        }
    }
}

/// The error that asking for one object came to.
pub(crate) fn alone(fetched: Result<Fetched, LedgerError>) -> LedgerError {
    match fetched {
        Ok(mut fetched) => fetched.failed.remove(0).1,
        Err(error) => error,
    }
}

/// The class of an error, in a word.
pub(crate) fn class(error: &LedgerError) -> &'static str {
    match error {
        LedgerError::Unauthorized => "unauthorized",
        LedgerError::Forbidden => "forbidden",
        LedgerError::Throttled { .. } => "throttled",
        LedgerError::Refused { .. } => "refused",
        LedgerError::Unavailable(_) => "unavailable",
        LedgerError::Held(_) => "held",
    }
}

fn ids(ids: &[&str]) -> Vec<RecordId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// What came of each id: those that were found, are missing, and failed, in their order.
fn sorted(fetched: &Fetched) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    let mut found: Vec<_> = fetched.records.iter().map(|record| record.id.as_str()).collect();
    found.sort_unstable();
    (
        found,
        fetched.missing.iter().map(RecordId::as_str).collect(),
        fetched.failed.iter().map(|(id, _)| id.as_str()).collect(),
    )
}

/// The ledgers of all providers before one server.
fn ledgers(server: &Responder) -> [Box<dyn Ledger>; 3] {
    let (http, url) = (http::client().unwrap(), server.url(""));
    let server = server.url("/zoho");
    let table = json!({ "us": { "accountsServer": server.as_str(), "apiDomain": server.as_str() } });
    let centres = DataCentres::parse(&table.to_string()).unwrap();
    [
        Box::new(QuickBooksLedger::new(http.clone(), url.clone())),
        Box::new(XeroLedger::new(http.clone(), url)),
        Box::new(ZohoLedger::new(http, centres)),
    ]
}

#[tokio::test]
async fn an_answer_that_is_cut_endless_or_compressed_to_be_is_bounded_at_every_provider() {
    let bomb = include_bytes!("../bomb.json.gz");
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    for (server, of_page, of_object) in [
        (
            Responder::answering(200, &[("content-encoding", "gzip")], bomb).await,
            "the answer is longer than 33554432 bytes",
            "the answer is longer than 2097152 bytes",
        ),
        (Responder::start(Script::Bytes(cut)).await, "the answer was cut", "the answer was cut"),
    ] {
        for ledger in ledgers(&server) {
            let (token, company) = (access_token(), "1".parse().unwrap());
            let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
            let query = PageQuery { entity: Entity::Invoices, after: None, skip: 0 };

            let page = ledger.page(call, query).await.unwrap_err();
            let object = alone(ledger.fetch(call, "invoice", &ids(&["1"])).await);

            assert!(chain(&page).contains(of_page), "{page:?}");
            assert!(chain(&object).contains(of_object), "{object:?}");
        }
    }
}

#[tokio::test]
async fn every_provider_knows_what_it_tells_and_its_own_word_for_every_kind() {
    let server = Responder::answering(500, &[], "").await;
    let [quickbooks, xero, zoho] = ledgers(&server);
    let documents = [Entity::Invoices, Entity::Bills, Entity::CreditNotes];
    for &entity in Entity::ALL {
        let is_unpaged = matches!(entity, Entity::Items | Entity::Accounts);
        let of_zoho = if documents.contains(&entity) { Told::Changes } else { Told::Nothing };

        assert_eq!(quickbooks.told(entity), Told::Changes, "{entity}");
        assert_eq!(xero.told(entity), if is_unpaged { Told::Nothing } else { Told::All }, "{entity}");
        assert_eq!(zoho.told(entity), of_zoho, "{entity}");
        for ledger in [&quickbooks, &xero, &zoho] {
            assert!(ledger.entities(ledger.word(entity)).contains(&entity), "{entity}");
        }
    }
    let days = |time: Option<Duration>| time.map(|time| time.as_secs() / 86_400);
    let reaches = [&quickbooks, &xero, &zoho].map(|ledger| days(ledger.changes_reach()));
    let whole = [&quickbooks, &xero, &zoho].map(|ledger| days(ledger.whole_every()));
    assert_eq!((reaches, whole), ([Some(29), None, None], [None, Some(7), None]));
}

#[tokio::test]
async fn every_provider_names_its_own_scope_and_knows_its_own_words() {
    let server = Responder::answering(500, &[], "").await;
    let scopes = ["com.intuit.quickbooks.accounting", "accounting.invoices.read", "ZohoBooks.invoices.READ"];
    for (ledger, scope) in ledgers(&server).into_iter().zip(scopes) {
        assert_eq!(ledger.missing_scope(Entity::Invoices, &[]), Some(scope));
        assert_eq!(ledger.missing_scope(Entity::Invoices, &[scope.to_owned()]), None);
        assert_eq!(ledger.entities("invoice").first(), Some(&Entity::Invoices));
        let (token, company) = (access_token(), "1".parse().unwrap());
        let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
        let unknown = ledger.fetch(call, "mood", &ids(&["1"])).await;
        assert!(matches!(unknown, Err(LedgerError::Refused { .. })), "{unknown:?}");
    }
    assert!(server.requests().is_empty());
}

//! The books of each provider: walks over pages, objects by id, and what each refusal means.

mod quickbooks;
mod xero;
mod zoho;

use std::collections::BTreeMap;

use domain::{
    id::RecordId,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, PageQuery, Record},
};
use jiff::Timestamp;

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

//! What webhook events cost once they are durable: calls and write units of the consumer.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    clock::{Clock as _, SystemClock},
    id::{DeliveryId, ProviderCompanyId, RecordId},
    provider::Provider,
    refresh::policy::later,
    sync::{Entity, Fetched, Incoming, Ledger, LedgerCall, LedgerError, LedgerPage, Next, PageQuery, Told},
    webhook::{EVENTS_VERSION, EventMessage, Operation, WebhookEvent},
};
use tests::sample::{self, ids};

use crate::{
    measured::Measured,
    refresh::{COLUMNS, Kind, Visit, cells},
    table::Table,
};

/// An invoice as Intuit gives it out, with a few lines.
const OBJECT_BYTES: usize = 2_500;

/// Books that have every invoice.
struct Books;

#[async_trait]
impl Ledger for Books {
    async fn page(&self, _: LedgerCall<'_>, _: PageQuery) -> Result<LedgerPage, LedgerError> {
        Ok(LedgerPage::default())
    }

    async fn fetch(&self, _: LedgerCall<'_>, _: &str, ids: &[RecordId]) -> Result<Fetched, LedgerError> {
        let invoice = |id: &RecordId| {
            let mut record = sample::invoice(id.as_str(), SystemClock.now(), 1);
            record.raw = "x".repeat(OBJECT_BYTES);
            record
        };
        Ok(Fetched { records: ids.iter().map(invoice).collect(), ..Fetched::default() })
    }

    async fn miscounted(&self, _: LedgerCall<'_>, _: &[(Entity, u64)]) -> Result<Vec<Entity>, LedgerError> {
        Ok(Vec::new())
    }

    fn told(&self, _: Entity) -> Told {
        Told::All
    }

    fn word(&self, _: Entity) -> &'static str {
        "invoice"
    }

    fn missing_scope(&self, _: Entity, _: &[String]) -> Option<&'static str> {
        None
    }

    fn entities(&self, _: &str) -> &'static [Entity] {
        &[Entity::Invoices]
    }
}

/// A delivery about `events` invoices of a company.
fn delivery(company: &ProviderCompanyId, id: DeliveryId, events: usize, name: &str) -> Incoming {
    let event = |number: usize| WebhookEvent {
        key: format!("{name}-{number}"),
        provider_company_id: company.clone(),
        connection_id: None,
        entity: "invoice".to_owned(),
        id: format!("{name}{number}").parse().unwrap(),
        operation: Operation::Updated,
        occurred_at: Some(SystemClock.now()),
    };
    let message = EventMessage {
        v: EVENTS_VERSION,
        delivery_id: id,
        part: 1,
        parts: 1,
        provider: Provider::QuickBooks,
        received_at: SystemClock.now(),
        correlation_id: ids().correlation(),
        events: (0..events).map(event).collect(),
        unknown: 0,
        unreadable: None,
        refused: vec![],
    };
    Incoming { message, receives: 1 }
}

#[tokio::test]
async fn an_event_costs_six_write_units_and_its_delivery_two_and_the_rest_is_shared() {
    let measured = Measured::new().await;
    let (worker, mut reader) = (measured.worker(), measured.reader());
    let connection = Kind::of(Provider::QuickBooks).connection(&worker, Visit::NotDue).await;
    let key = measured.store(connection).await;
    let company = reader.consumer.connections.list_companies(&key).await.unwrap().remove(0).provider_id;
    reader.consumer.ledgers.insert(Provider::QuickBooks, Arc::new(Books));
    let consume = async |batch: &[Incoming]| {
        let deadline = later(SystemClock.now(), std::time::Duration::from_mins(4));
        let consumed = reader.consumer.consume(batch, deadline).await;
        assert!(consumed.iter().all(|consumed| consumed.next == Next::Done), "{consumed:?}");
        measured.meter.take()
    };
    consume(&[delivery(&company, ids().delivery(), 1, "warm")]).await;
    let one = [delivery(&company, ids().delivery(), 1, "one")];
    let ten: Vec<_> = (0..10).map(|n| delivery(&company, ids().delivery(), 1, &format!("ten{n}-"))).collect();
    let hundred = [delivery(&company, ids().delivery(), 100, "hundred")];
    let nobody = [delivery(&"404".parse().unwrap(), ids().delivery(), 1, "nobody")];

    let mut table = Table::new(&[&["of one event"], &COLUMNS[..]].concat());
    let mut used = vec![];
    for (name, batch, events) in [
        ("alone", &one[..], 1),
        ("of ten deliveries at once", &ten[..], 10),
        ("of a delivery of a hundred", &hundred[..], 100),
        ("again, through the same delivery", &one[..], 1),
        ("of a company that nobody connected", &nobody[..], 1),
    ] {
        let usage = consume(batch).await;
        table.row(std::iter::once(name.to_owned()).chain(cells(&usage, events)));
        used.push(usage);
    }
    table.print("Applying a webhook's event");
    let [alone, ten, hundred, again, nobody] = used.try_into().unwrap();
    assert!(
        alone.writes <= 8.0 && ten.writes <= 80.0 && hundred.writes <= 602.0,
        "{alone:?} {ten:?} {hundred:?}"
    );
    assert!(
        alone.total() <= 8 && ten.total() <= 36 && hundred.total() <= 210,
        "{alone:?} {ten:?} {hundred:?}"
    );
    assert_eq!((alone.calls("AWSEvents"), hundred.calls("AWSEvents")), (1, 1), "{alone:?} {hundred:?}");
    assert_eq!((again.calls("AWSEvents"), nobody.calls("AWSEvents")), (0, 0), "{again:?} {nobody:?}");
    assert!(nobody.writes <= 2.0, "a stranger's company costs an entry of the log: {nobody:?}");
    assert_eq!(alone.calls("TrentService"), 0, "{alone:?}");
}

//! What it costs to have an access token.

use std::time::Duration;

use domain::{
    clock::{Clock as _, SystemClock},
    connection::Connection,
    provider::Provider,
    refresh::policy::earlier,
};

use crate::{
    measured::Measured,
    refresh::{COLUMNS, Kind, Visit, cells},
    table::Table,
};

/// After which a use is noted again.
const NOTED_AGAIN: Duration = Duration::from_hours(7);

#[tokio::test]
async fn a_warm_access_token_costs_one_read_and_nothing_else() {
    let measured = Measured::new().await;
    let (worker, reader) = (measured.worker(), measured.reader());
    let connection = Kind::of(Provider::Xero).connection(&worker, Visit::NotDue).await;
    let of_old = Kind::of(Provider::Xero).connection(&worker, Visit::NotDue).await;
    let of_old = Connection { used_at: earlier(SystemClock.now(), NOTED_AGAIN), ..of_old };
    let (key, of_old) = (measured.store(connection).await, measured.store(of_old).await);
    let access = &reader.runner.access;
    let mut table = Table::new(&[&["an access token"], &COLUMNS[..]].concat());
    measured.meter.take();

    access.access_token(&key).await.unwrap();
    let cold = measured.meter.take();
    access.access_token(&key).await.unwrap();
    let warm = measured.meter.take();
    access.access_token(&of_old).await.unwrap();
    let noted = measured.meter.take();

    for (name, used) in
        [("first of its process", &cold), ("warm", &warm), ("first, and its use is noted", &noted)]
    {
        table.row(std::iter::once(name.to_owned()).chain(cells(used, 1)));
    }
    table.print("Having an access token");
    assert_eq!((cold.total(), cold.calls("TrentService")), (2, 1), "{cold:?}");
    assert_eq!((warm.total(), warm.calls("DynamoDB_20120810.GetItem")), (1, 1), "{warm:?}");
    assert!(warm.reads <= 1.0 && warm.writes <= 0.0, "{warm:?}");
    assert_eq!((noted.total(), noted.calls("DynamoDB_20120810.UpdateItem")), (3, 1), "{noted:?}");
}

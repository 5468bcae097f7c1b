//! Drives the deployed bundle as its users do: the product's backend, a browser, the provider, an operator.

mod audit;
mod books;
mod browser;
mod bundle;
mod callback;
mod copy;
mod http;
mod lanes;
mod observe;
mod room;
mod simulator;
mod storage;
mod tenant;
mod way;
mod webhooks;

use std::time::Duration;

use domain::clock::{Clock as _, SystemClock};
use serde_json::Value;

pub(crate) use audit::{as_audited, audited};
pub(crate) use books::Books;
pub(crate) use browser::Browser;
pub(crate) use bundle::Bundle;
pub(crate) use callback::{parameter, with};
pub(crate) use copy::FunctionCopy;
pub(crate) use http::Answer;
pub(crate) use lanes::Lanes;
pub(crate) use room::{Resident, Room};
pub(crate) use simulator::Simulator;
pub(crate) use storage::in_slot;
pub(crate) use tenant::{Connected, Tenant, connection_of};
pub(crate) use way::{Fate, Request, Way};
pub(crate) use webhooks::{Address, Signed, Told, correlation, sums};

/// Time for what takes seconds: a cold function of a development build on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(200);

/// Looks again and again until there is something to see; the one place that waits.
pub(crate) async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let give_up = SystemClock.now() + patience;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(SystemClock.now() < give_up, "not within {patience:?}: {what}");
        SystemClock.sleep(POLL).await;
    }
}

/// The same JSON with what differs from run to run replaced by its name.
pub(crate) fn redacted(mut value: Value, names: &[&str]) -> Value {
    redact(&mut value, names);
    value
}

fn redact(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if names.contains(&name.as_str()) && !member.is_null() {
                    *member = format!("[{name}]").into();
                } else {
                    redact(member, names);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, names)),
        _ => {}
    }
}

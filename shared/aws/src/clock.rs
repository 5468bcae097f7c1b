//! The table's clock: each answer of `DynamoDB` says what time it is there.

use std::sync::Arc;

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use domain::clock::CorrectedClock;
use jiff::{Timestamp, fmt::rfc2822};

/// Tells a clock the `Date` of every answer, errors included.
#[derive(Debug)]
pub(crate) struct DateObserver(pub(crate) Arc<CorrectedClock>);

/// When the attempt that is under way was sent, by the machine's own clock.
#[derive(Clone, Copy, Debug)]
struct Sent(Timestamp);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl Intercept for DateObserver {
    fn name(&self) -> &'static str {
        "DateObserver"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        attempt: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        attempt.interceptor_state().store_put(Sent(self.0.machine_now()));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        attempt: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let received = self.0.machine_now();
        let date = context.response().headers().get("date").and_then(parsed);
        if let (Some(date), Some(&Sent(sent))) = (date, attempt.load::<Sent>()) {
            self.0.observe(date, sent, received);
        }
        Ok(())
    }
}

/// The instant of an [HTTP date](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7).
fn parsed(date: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{clock::STAMP, refresh::policy::DEFAULT_LEASE};

    use crate::sdk::ATTEMPT_TIMEOUT;

    /// After which the function that works under a lease is stopped.
    const FUNCTION_LIFE: Duration = Duration::from_secs(75);

    #[test]
    fn two_workers_clocks_differ_by_less_than_a_lease_outlives_its_worker() {
        let error = STAMP + ATTEMPT_TIMEOUT;

        assert!(error * 2 < DEFAULT_LEASE.checked_sub(FUNCTION_LIFE).unwrap());
    }
}

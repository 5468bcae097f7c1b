//! Telling of an attempt: history, events and the provider's health, after everything that matters is stored. What fails
//! here is logged and nothing more.

use super::{
    FailureClass, LeasePurpose, RefreshAttempt, Refresher, breakers::Heard, engine::Held, settle::Told,
};
use crate::{
    event::{Event, EventKind, announce},
    store::chain,
};

impl Refresher {
    pub(super) async fn tell(&self, held: &Held, (record, told): (&RefreshAttempt, Told), counts: bool) {
        for attempt in told.lost.iter().chain([record]) {
            if let Err(error) = self.attempts.record(attempt).await {
                tracing::error!(error = chain(&error), "Attempt is not in the history");
            }
        }
        self.tell_of_provider(held, record, counts).await;
        let class = record.failure.as_ref().map(|failure| failure.class);
        let event = |kind| Event::new(kind, &record.key, record.provider, record.completed_at);
        let mut events = vec![match class {
            None => Event { expires_at: told.expires_at, ..event(EventKind::TokenRefreshed) },
            Some(class) => {
                Event { error_code: Some(class.as_str().to_owned()), ..event(EventKind::TokenRefreshFailed) }
            }
        }];
        // Nobody is asked to do anything about a connection that is being ended.
        if held.lease.purpose == LeasePurpose::Refresh {
            if class == Some(FailureClass::Dead) {
                let error_code = Some(FailureClass::Dead.as_str().to_owned());
                events.push(Event { error_code, ..event(EventKind::ConnectionReconnectRequired) });
            }
            if told.expired {
                events.push(event(EventKind::TokenExpired));
            }
            events.extend(told.near.into_iter().map(|(limit, ends_at)| Event {
                limit: Some(limit.as_str()),
                ends_at: Some(ends_at),
                ..event(EventKind::TokenNearExpiry)
            }));
        }
        for event in &events {
            announce(&*self.bus, event).await;
        }
    }

    /// What an attempt says of the provider as a whole; a lost race, or a failure of our own side, says nothing.
    async fn tell_of_provider(&self, held: &Held, record: &RefreshAttempt, counts: bool) {
        let provider = record.provider;
        let failed = match record.failure.as_ref().map(|failure| failure.class) {
            None => {
                self.breakers.heard(provider, Heard::Answer).await;
                false
            }
            Some(FailureClass::LostRace | FailureClass::Sealing) => return,
            Some(_) => true,
        };
        if counts {
            self.breakers.count(provider, &held.before.key.connection, failed).await;
        }
    }
}

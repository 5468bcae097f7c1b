//! Request limits per organization: in flight, per minute, and per day of the organization.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{answers::ApiFault, homes::Home, settings::Settings};
use crate::{window::Window, world::World};

/// What each organization used.
#[derive(Debug, Default)]
pub(crate) struct Limits(HashMap<String, Usage>);

#[derive(Debug, Default)]
struct Usage {
    in_flight: u32,
    minute: Window,
    day: String,
    today: u32,
}

/// What an answer tells about the daily quota.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    pub(crate) reset_seconds: i64,
}

/// A request that counts as in process until this is dropped.
pub(crate) struct InProcess<'a> {
    world: &'a World,
    organization_id: String,
    pub(crate) quota: Quota,
}

impl<'a> InProcess<'a> {
    /// Counts a request, or refuses the one that is too many.
    pub(crate) fn begin(
        world: &'a World,
        (organization_id, home): (&str, Home),
        settings: &Settings,
    ) -> Result<Self, ApiFault> {
        let now = world.clock.now();
        let quota = world.zoho.limits.lock().begin((organization_id, home), settings, now)?;
        Ok(Self { world, organization_id: organization_id.to_owned(), quota })
    }
}

impl Drop for InProcess<'_> {
    fn drop(&mut self) {
        if let Some(usage) = self.world.zoho.limits.lock().0.get_mut(&self.organization_id) {
            usage.in_flight = usage.in_flight.saturating_sub(1);
        }
    }
}

impl Limits {
    fn begin(
        &mut self,
        (organization_id, home): (&str, Home),
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Quota, ApiFault> {
        let usage = self.0.entry(organization_id.to_owned()).or_default();
        let today = home.date(now);
        if usage.day != today {
            usage.day = today;
            usage.today = 0;
        }
        let last_minute = usage.minute.count(now, SignedDuration::from_mins(1));
        if settings.enforce_limits {
            if usage.in_flight >= settings.concurrent_requests {
                return Err(ApiFault::too_many_in_process());
            }
            if last_minute >= settings.requests_per_minute as usize {
                return Err(ApiFault::too_many_per_minute());
            }
            if usage.today >= settings.requests_per_day {
                return Err(ApiFault::too_many_per_day(settings.requests_per_day));
            }
        }
        usage.minute.note(now);
        usage.in_flight += 1;
        usage.today += 1;
        Ok(Quota {
            limit: settings.requests_per_day,
            remaining: settings.requests_per_day.saturating_sub(usage.today),
            reset_seconds: home.seconds_left_today(now),
        })
    }
}

//! Request limits, counted over fixed windows of the virtual clock that begin at another time in each organization.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{answers::Problem, settings::Settings};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// How much was asked in the current windows.
#[derive(Debug, Default)]
pub(crate) struct Limits(HashMap<(String, i64), Window>);

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    number: i64,
    requests: u32,
}

/// What is left of each limit, as every answer tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remaining {
    /// Of the day and the minute of one organization; absent where no organization is asked.
    pub(crate) tenant: Option<(u32, u32)>,
    pub(crate) app_minute: u32,
}

impl Limits {
    /// Counts a request of an app, perhaps about an organization, or refuses it.
    pub(crate) fn admit(
        &mut self,
        (client_id, tenant_id): (&str, Option<&str>),
        concurrent: usize,
        settings: &Settings,
        now: Timestamp,
    ) -> (Remaining, Result<(), Problem>) {
        let place = tenant_id.map(|tenant_id| format!("{client_id}/{tenant_id}"));
        let mut windows = vec![(client_id.to_owned(), MINUTE, settings.app_requests_per_minute, "appminute")];
        if let Some(place) = &place {
            windows.push((place.clone(), DAY, settings.requests_per_day, "day"));
            windows.push((place.clone(), MINUTE, settings.requests_per_minute, "minute"));
        }
        let full = windows.iter().find(|(place, length, limit, _)| self.used(place, *length, now) >= *limit);
        let refusal = match full {
            Some((place, length, _, limit)) => {
                Some(Problem::Throttled { limit, retry_after: Some(seconds_left(place, *length, now)) })
            }
            // The request itself is among the concurrent ones.
            None if concurrent > settings.concurrent_requests as usize => {
                Some(Problem::Throttled { limit: "concurrent", retry_after: None })
            }
            None => None,
        };
        let refusal = refusal.filter(|_| settings.enforce_limits);
        if refusal.is_none() {
            for (place, length, ..) in &windows {
                self.window(place, *length, now).requests += 1;
            }
        }
        let mut left = windows
            .iter()
            .map(|(place, length, limit, _)| limit.saturating_sub(self.used(place, *length, now)));
        let app_minute = left.next().unwrap_or_default();
        let remaining = Remaining { tenant: left.next().zip(left.next()), app_minute };
        (remaining, refusal.map_or(Ok(()), Err))
    }

    fn used(&mut self, place: &str, length: i64, now: Timestamp) -> u32 {
        self.window(place, length, now).requests
    }

    fn window(&mut self, place: &str, length: i64, now: Timestamp) -> &mut Window {
        let number = (now.as_second() + offset(place, length)).div_euclid(length);
        let window = self.0.entry((place.to_owned(), length)).or_default();
        if window.number != number {
            *window = Window { number, requests: 0 };
        }
        window
    }
}

/// Returns by how much earlier than others the windows of a place begin.
fn offset(place: &str, length: i64) -> i64 {
    let mixed = place.bytes().fold(7_i64, |sum, byte| sum.wrapping_mul(31).wrapping_add(i64::from(byte)));
    mixed.rem_euclid(length)
}

fn seconds_left(place: &str, length: i64, now: Timestamp) -> i64 {
    length - (now.as_second() + offset(place, length)).rem_euclid(length)
}

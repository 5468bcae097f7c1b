//! Request limits per company, counted over sliding windows of the virtual clock.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::settings::Settings;

/// When each company was last asked.
#[derive(Debug, Default)]
pub(crate) struct Limits(HashMap<String, VecDeque<Timestamp>>);

impl Limits {
    /// Counts a request; false if it is one too many.
    pub(crate) fn admit(&mut self, realm_id: &str, settings: &Settings, now: Timestamp) -> bool {
        if !settings.enforce_limits {
            return true;
        }
        let asked = self.0.entry(realm_id.to_owned()).or_default();
        let age = |at: &Timestamp| now.duration_since(*at);
        while asked.front().is_some_and(|at| age(at) >= SignedDuration::from_mins(1)) {
            asked.pop_front();
        }
        let last_second = asked.iter().rev().take_while(|at| age(at) < SignedDuration::from_secs(1)).count();
        let minute_full = asked.len() >= settings.requests_per_minute as usize;
        if minute_full || last_second >= settings.requests_per_second as usize {
            return false;
        }
        asked.push_back(now);
        true
    }
}

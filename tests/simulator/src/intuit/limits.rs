//! Request limits per company, counted over sliding windows of the virtual clock.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::settings::Settings;

/// When each company was last asked, for anything and for batches.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    requests: HashMap<String, VecDeque<Timestamp>>,
    batches: HashMap<String, VecDeque<Timestamp>>,
}

impl Limits {
    /// Counts a request; false if it is one too many.
    pub(crate) fn admit(
        &mut self,
        realm_id: &str,
        is_batch: bool,
        settings: &Settings,
        now: Timestamp,
    ) -> bool {
        if !settings.enforce_limits {
            return true;
        }
        let requests = recent(&mut self.requests, realm_id, now);
        let last_second = requests
            .iter()
            .rev()
            .take_while(|at| now.duration_since(**at) < SignedDuration::from_secs(1))
            .count();
        if requests.len() >= settings.requests_per_minute as usize
            || last_second >= settings.requests_per_second as usize
        {
            return false;
        }
        if is_batch {
            let batches = recent(&mut self.batches, realm_id, now);
            if batches.len() >= settings.batches_per_minute as usize {
                return false;
            }
            batches.push_back(now);
        }
        recent(&mut self.requests, realm_id, now).push_back(now);
        true
    }
}

/// Returns a company's requests of the last minute.
fn recent<'a>(
    asked: &'a mut HashMap<String, VecDeque<Timestamp>>,
    realm_id: &str,
    now: Timestamp,
) -> &'a mut VecDeque<Timestamp> {
    let asked = asked.entry(realm_id.to_owned()).or_default();
    while asked.front().is_some_and(|at| now.duration_since(*at) >= SignedDuration::from_mins(1)) {
        asked.pop_front();
    }
    asked
}

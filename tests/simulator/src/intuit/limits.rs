//! Request limits per company, counted over sliding windows of the virtual clock.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::settings::Settings;
use crate::window::Window;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// When each company was last asked, for anything and for batches.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    requests: HashMap<String, Window>,
    batches: HashMap<String, Window>,
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
        let requests = self.requests.entry(realm_id.to_owned()).or_default();
        if requests.count(now, MINUTE) >= settings.requests_per_minute as usize
            || requests.latest(now, SECOND) >= settings.requests_per_second as usize
        {
            return false;
        }
        if is_batch {
            let batches = self.batches.entry(realm_id.to_owned()).or_default();
            if batches.count(now, MINUTE) >= settings.batches_per_minute as usize {
                return false;
            }
            batches.note(now);
        }
        requests.note(now);
        true
    }
}

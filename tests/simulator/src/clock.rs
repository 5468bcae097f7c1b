//! The virtual clock: every expiry and every rotation window of the simulator follows it.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::guarded::Guarded;

/// How far a clock may be moved from real time; beyond it, dates stop making sense to any client.
const MAX_OFFSET: SignedDuration = SignedDuration::from_hours(24 * 365 * 50);

/// Real time plus an offset, or an instant that stands still.
#[derive(Debug, Default)]
pub(crate) struct VirtualClock(Guarded<Setting>);

#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    offset: SignedDuration,
    frozen_at: Option<Timestamp>,
}

/// The clock was asked to leave the range it supports.
#[derive(Debug, thiserror::Error)]
#[error("the clock can be moved at most 50 years from real time")]
pub(crate) struct ClockOutOfRange;

impl VirtualClock {
    /// Returns the virtual time.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.lock().now(real_now())
    }

    /// Returns how many seconds the virtual time is ahead of real time.
    pub(crate) fn offset_seconds(&self) -> i64 {
        let real = real_now();
        self.0.lock().now(real).duration_since(real).as_secs()
    }

    /// Tells whether time stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        self.0.lock().frozen_at.is_some()
    }

    /// Moves the clock to an instant; it goes on ticking unless it is frozen.
    pub(crate) fn set(&self, now: Timestamp) -> Result<(), ClockOutOfRange> {
        let real = real_now();
        self.0.lock().set(now, real)
    }

    /// Moves the clock by a number of seconds, backwards if negative.
    pub(crate) fn advance(&self, seconds: i64) -> Result<(), ClockOutOfRange> {
        let real = real_now();
        let mut setting = self.0.lock();
        let now = setting.now(real);
        let moved = now.checked_add(SignedDuration::from_secs(seconds)).map_err(|_| ClockOutOfRange)?;
        setting.set(moved, real)
    }

    /// Stops the clock where it is, or lets it tick again from there.
    pub(crate) fn freeze(&self, frozen: bool) {
        let real = real_now();
        let mut setting = self.0.lock();
        let now = setting.now(real);
        setting.frozen_at = frozen.then_some(now);
        setting.offset = now.duration_since(real);
    }

    /// Goes back to real time.
    pub(crate) fn reset(&self) {
        *self.0.lock() = Setting::default();
    }
}

impl Setting {
    fn now(&self, real: Timestamp) -> Timestamp {
        self.frozen_at.unwrap_or_else(|| real.saturating_add(self.offset).unwrap_or(real))
    }

    fn set(&mut self, now: Timestamp, real: Timestamp) -> Result<(), ClockOutOfRange> {
        let offset = now.duration_since(real);
        if offset.abs() > MAX_OFFSET {
            return Err(ClockOutOfRange);
        }
        self.offset = offset;
        if self.frozen_at.is_some() {
            self.frozen_at = Some(now);
        }
        Ok(())
    }
}

/// Returns the instant some seconds later.
pub(crate) fn later(from: Timestamp, seconds: u32) -> Timestamp {
    from.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

/// Reads a time with an offset, or a date and time (or a date) of a zone.
pub(crate) fn read(text: &str, zone: impl FnOnce() -> TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let midnight = || text.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0));
    let local = text.parse::<civil::DateTime>().or_else(|_| midnight()).ok()?;
    local.to_zoned(zone()).ok().map(|zoned| zoned.timestamp())
}

#[expect(clippy::disallowed_methods, reason = "the one place where the simulator reads real time")]
fn real_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_it_is_told_to() {
        let clock = VirtualClock::default();
        clock.freeze(true);
        let before = clock.now();

        clock.advance(3600).unwrap();

        assert_eq!(clock.now(), before + SignedDuration::from_secs(3600));
        assert!(clock.is_frozen());
    }

    #[test]
    fn a_ticking_clock_keeps_its_offset() {
        let clock = VirtualClock::default();

        clock.advance(86_400).unwrap();

        assert!((86_398..=86_400).contains(&clock.offset_seconds()));
        assert!(!clock.is_frozen());
    }

    #[test]
    fn thawing_goes_on_from_the_frozen_instant() {
        let clock = VirtualClock::default();
        clock.set("2030-01-01T00:00:00Z".parse().unwrap()).unwrap();
        clock.freeze(true);
        let frozen = clock.now();

        clock.freeze(false);

        assert!(clock.now() >= frozen);
        assert!(clock.now() < frozen + SignedDuration::from_secs(60));
    }

    #[test]
    fn a_move_out_of_range_changes_nothing() {
        let clock = VirtualClock::default();
        clock.freeze(true);
        let before = clock.now();

        assert!(clock.advance(i64::MAX).is_err());
        assert!(clock.set("2500-01-01T00:00:00Z".parse().unwrap()).is_err());

        assert_eq!(clock.now(), before);
    }
}

//! Settings of refreshing: their defaults, and what is refused.

use super::*;
use crate::config::ConfigError;

type Settings = (RefreshPolicy, (BreakerSettings, OutageSettings), Duration);

fn read(table: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let lookup =
        |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let mut variables = Variables::new(&lookup);
    let policy = variables.refresh_policy();
    let settings = (policy, variables.breakers(&policy), variables.history_retention());
    variables.finish(Some(settings))
}

/// The names of the variables that are refused.
fn refused(table: &[(&str, &str)]) -> Vec<String> {
    read(table).err().map(|error| error.problems.into_keys().collect()).unwrap_or_default()
}

#[test]
fn nothing_needs_to_be_set() {
    let (policy, (breaker, outage), history) = read(&[]).unwrap();

    assert_eq!((policy.warmth, policy.keep_alive), (Warmth::Adaptive, Duration::from_hours(24)));
    assert_eq!((policy.lead, policy.post_timeout), (DEFAULT_LEAD, DEFAULT_POST_TIMEOUT));
    assert_eq!((breaker.failures, breaker.reset), (3, Duration::from_mins(1)));
    assert_eq!((outage.share, outage.minimum, outage.window), (0.5, 10, Duration::from_mins(5)));
    assert_eq!(history, Duration::from_hours(24 * 400));
}

#[test]
fn what_is_set_is_heeded() {
    let (policy, (breaker, outage), history) = read(&[
        ("REFRESH_POLICY", "always"),
        ("KEEP_ALIVE_HOURS", "48"),
        ("REFRESH_LEASE_SECONDS", "80"),
        ("BREAKER_FAILURES", "5"),
        ("BREAKER_RESET_SECONDS", "2"),
        ("OUTAGE_SHARE", "0.25"),
        ("OUTAGE_MINIMUM", "4"),
        ("OUTAGE_WINDOW_SECONDS", "3600"),
        ("HISTORY_DAYS", "30"),
    ])
    .unwrap();

    assert_eq!((policy.warmth, policy.keep_alive), (Warmth::Always, Duration::from_hours(48)));
    assert_eq!((breaker.failures, breaker.reset), (5, Duration::from_secs(2)));
    assert_eq!(breaker.probe, Duration::from_secs(80), "whoever tries has the time of a lease");
    assert_eq!((outage.share, outage.minimum, outage.window), (0.25, 4, Duration::from_hours(1)));
    assert_eq!(history, Duration::from_hours(24 * 30));
}

#[test]
fn everything_that_is_out_of_its_bounds_is_refused_at_once() {
    let error = read(&[
        ("REFRESH_POLICY", "sometimes"),
        ("KEEP_ALIVE_HOURS", "721"),
        ("REFRESH_LEASE_SECONDS", "601"),
        ("REFRESH_POST_TIMEOUT_SECONDS", "61"),
        ("BREAKER_FAILURES", "0"),
        ("BREAKER_RESET_SECONDS", "soon"),
        ("OUTAGE_SHARE", "1.01"),
        ("OUTAGE_MINIMUM", "0"),
        ("OUTAGE_WINDOW_SECONDS", "3601"),
        ("HISTORY_DAYS", "-1"),
    ])
    .unwrap_err();

    insta::assert_snapshot!(error.to_string().replace("; ", "\n"), @r"
    the configuration has 10 problem(s)
    BREAKER_FAILURES must be a whole number, 1 to 1000
    BREAKER_RESET_SECONDS must be a whole number, 1 to 3600
    HISTORY_DAYS must be a whole number, 1 to 3660
    KEEP_ALIVE_HOURS must be a whole number, 1 to 720
    OUTAGE_MINIMUM must be a whole number, 1 to 200
    OUTAGE_SHARE must be a number above 0, and at most 1
    OUTAGE_WINDOW_SECONDS must be a whole number, 1 to 3600
    REFRESH_LEASE_SECONDS must be at most 600, for a lost worker to be followed soon enough
    REFRESH_POLICY must be adaptive or always
    REFRESH_POST_TIMEOUT_SECONDS must be at most 60, within the function's timeout of 75
    ");
}

#[test]
fn the_bounds_themselves_are_allowed() {
    for (name, bounds) in [
        ("KEEP_ALIVE_HOURS", ["1", "720"]),
        ("REFRESH_LEASE_SECONDS", ["50", "600"]),
        ("OUTAGE_SHARE", ["0.001", "1"]),
        ("OUTAGE_WINDOW_SECONDS", ["1", "3600"]),
    ] {
        for bound in bounds {
            assert_eq!(refused(&[(name, bound)]), Vec::<String>::new(), "{name} {bound}");
        }
    }
}

#[test]
fn a_share_that_is_no_share_is_refused() {
    for share in ["0", "-0.5", "NaN", "inf", "half"] {
        assert_eq!(refused(&[("OUTAGE_SHARE", share)]), ["OUTAGE_SHARE"], "{share}");
    }
}

#[test]
fn a_lease_that_could_run_out_under_a_live_worker_is_refused() {
    let table = [("REFRESH_LEASE_SECONDS", "40"), ("REFRESH_POST_TIMEOUT_SECONDS", "45")];

    assert_eq!(refused(&table), ["REFRESH_LEASE_SECONDS"]);
}

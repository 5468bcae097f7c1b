//! Fault switches: what goes wrong with the next requests of an endpoint, set over the control API.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    guarded::Guarded,
    issued::fingerprint,
    provider::{Endpoint, Presented, Provider},
};

/// Longer than the slowest provider (Intuit allows itself 120 s), shorter than a forgotten test.
const MAX_DELAY_MS: u64 = 300_000;
/// Larger than any limit a client should have.
const MAX_HUGE_BODY: usize = 64 * 1024 * 1024;
const DEFAULT_HUGE_BODY: usize = 16 * 1024 * 1024;
/// More switches at once than any test needs.
const MAX_FAULTS: usize = 1_000;

/// The switches that are set, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    switches: Guarded<Switches>,
    /// Counts releases, so that waiting requests notice one.
    releases: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Switches {
    next_id: u64,
    set: Vec<Fault>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FaultKind {
    /// The request is carried out, then the connection is reset without an answer.
    LostResponse,
    /// The connection is reset and nothing is carried out.
    Reset,
    /// Only slow.
    Delay,
    /// Answered truly, but not before `POST /_control/faults/release` (or the longest delay).
    Hold,
    /// Another status and body.
    Status,
    /// 504 with the plain text `stream timeout`.
    StreamTimeout,
    /// 200 with a body that is not what was promised.
    Unparsable,
    /// The true answer, cut in the middle of its body.
    Truncated,
    /// The true answer without its `access_token` member.
    WithoutAccessToken,
    /// 302 to somewhere else.
    Redirect,
    /// 200 with a body that no client should read to its end.
    HugeBody,
}

/// One switch, as it is set and listed over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(skip_deserializing)]
    id: u64,
    provider: Provider,
    /// Every endpoint when absent.
    endpoint: Option<Endpoint>,
    pub(crate) kind: FaultKind,
    /// How many requests it hits.
    #[serde(default = "once")]
    times: u32,
    #[serde(default)]
    until_cleared: bool,
    #[serde(default)]
    delay_ms: u64,
    /// Whether the request is carried out before the false answer; each kind has its default.
    after_commit: Option<bool>,
    pub(crate) status: Option<u16>,
    pub(crate) body: Option<String>,
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) location: Option<String>,
    bytes: Option<usize>,
    grant_type: Option<String>,
    company: Option<String>,
    token_fingerprint: Option<String>,
    path_contains: Option<String>,
}

/// A switch that cannot be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultRefused {
    #[error("delayMs may be at most {MAX_DELAY_MS}")]
    Delay,
    #[error("status must be between 200 and 599")]
    Status,
    #[error("bytes may be at most {MAX_HUGE_BODY}")]
    Bytes,
    #[error("a header name or value is not valid")]
    Header,
    #[error("at most {MAX_FAULTS} faults can be set at once")]
    TooMany,
}

impl Faults {
    /// Sets a switch and returns it with its id.
    pub(crate) fn set(&self, mut fault: Fault) -> Result<Fault, FaultRefused> {
        fault.check()?;
        let mut switches = self.switches.lock();
        if switches.set.len() >= MAX_FAULTS {
            return Err(FaultRefused::TooMany);
        }
        switches.next_id += 1;
        fault.id = switches.next_id;
        switches.set.push(fault.clone());
        Ok(fault)
    }

    /// Takes the oldest switch that fits a request, counting it down.
    pub(crate) fn take(&self, provider: Provider, path: &str, presented: &Presented) -> Option<Fault> {
        let mut switches = self.switches.lock();
        let at = switches.set.iter().position(|fault| fault.hits(provider, path, presented))?;
        let fault = &mut switches.set[at];
        if !fault.until_cleared {
            fault.times = fault.times.saturating_sub(1);
        }
        let taken = fault.clone();
        if taken.times == 0 && !taken.until_cleared {
            switches.set.remove(at);
        }
        Some(taken)
    }

    /// Lets every delayed or held request go on now.
    pub(crate) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Returns a receiver that changes with the next release.
    pub(crate) fn next_release(&self) -> watch::Receiver<u64> {
        self.releases.subscribe()
    }

    /// Returns the switches that are still set.
    pub(crate) fn list(&self) -> Vec<Fault> {
        self.switches.lock().set.clone()
    }

    /// Clears one switch, or all of them; returns how many were cleared.
    pub(crate) fn clear(&self, id: Option<u64>) -> usize {
        let mut switches = self.switches.lock();
        let before = switches.set.len();
        switches.set.retain(|fault| id.is_some_and(|id| fault.id != id));
        before - switches.set.len()
    }
}

impl Fault {
    /// Returns the name under which the call log shows this fault.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            FaultKind::LostResponse => "lostResponse",
            FaultKind::Reset => "reset",
            FaultKind::Delay => "delay",
            FaultKind::Hold => "hold",
            FaultKind::Status => "status",
            FaultKind::StreamTimeout => "streamTimeout",
            FaultKind::Unparsable => "unparsable",
            FaultKind::Truncated => "truncated",
            FaultKind::WithoutAccessToken => "withoutAccessToken",
            FaultKind::Redirect => "redirect",
            FaultKind::HugeBody => "hugeBody",
        }
    }

    /// Tells whether the request is carried out in spite of the fault.
    pub(crate) fn commits(&self) -> bool {
        let by_kind = match self.kind {
            FaultKind::Reset
            | FaultKind::Status
            | FaultKind::StreamTimeout
            | FaultKind::Redirect
            | FaultKind::HugeBody => false,
            FaultKind::LostResponse
            | FaultKind::Delay
            | FaultKind::Hold
            | FaultKind::Unparsable
            | FaultKind::Truncated
            | FaultKind::WithoutAccessToken => true,
        };
        self.after_commit.unwrap_or(by_kind)
    }

    pub(crate) fn delay(&self) -> Duration {
        let held = self.kind == FaultKind::Hold && self.delay_ms == 0;
        Duration::from_millis(if held { MAX_DELAY_MS } else { self.delay_ms })
    }

    pub(crate) fn body_bytes(&self) -> usize {
        self.bytes.unwrap_or(DEFAULT_HUGE_BODY)
    }

    fn check(&self) -> Result<(), FaultRefused> {
        if self.delay_ms > MAX_DELAY_MS {
            return Err(FaultRefused::Delay);
        }
        if self.status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err(FaultRefused::Status);
        }
        if self.bytes.is_some_and(|bytes| bytes > MAX_HUGE_BODY) {
            return Err(FaultRefused::Bytes);
        }
        let sendable = |value: &String| axum::http::HeaderValue::from_str(value).is_ok();
        let named = |name: &String| axum::http::HeaderName::try_from(name).is_ok();
        if self.headers.keys().all(named)
            && self.headers.values().chain(&self.location).chain(&self.content_type).all(sendable)
        {
            return Ok(());
        }
        Err(FaultRefused::Header)
    }

    fn hits(&self, provider: Provider, path: &str, presented: &Presented) -> bool {
        fn agrees<T: PartialEq>(wanted: Option<&T>, is: Option<&T>) -> bool {
            wanted.is_none_or(|wanted| is == Some(wanted))
        }
        self.provider == provider
            && agrees(self.endpoint.as_ref(), Some(&presented.endpoint))
            && agrees(self.grant_type.as_ref(), presented.grant_type.as_ref())
            && agrees(self.company.as_ref(), presented.company.as_ref())
            && self.path_contains.as_deref().is_none_or(|part| path.contains(part))
            && self
                .token_fingerprint
                .as_deref()
                .is_none_or(|wanted| presented.token.as_deref().map(fingerprint).as_deref() == Some(wanted))
    }
}

fn once() -> u32 {
    1
}

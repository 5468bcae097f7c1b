//! Writes with an `Idempotency-Key`: the first answer is repeated for six minutes, refusals too.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::answers::{Problem, Reply};

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_mins(6);
const MAX_KEY: usize = 128;
/// Answers kept at once; old ones are forgotten beyond it.
const MAX_KEPT: usize = 10_000;

/// The answers by app and key.
#[derive(Debug, Default)]
pub(crate) struct Idempotency(HashMap<(String, String), Answered>);

#[derive(Debug)]
struct Answered {
    request: String,
    outcome: Result<Reply, Problem>,
    at: Timestamp,
}

/// A write with a key.
#[derive(Debug)]
pub(crate) struct Attempt {
    client_id: String,
    key: String,
    request: String,
}

/// What is known about a key.
pub(crate) enum Known {
    Nothing,
    Answer(Result<Reply, Problem>),
    Misuse(String),
}

impl Attempt {
    pub(crate) fn new(client_id: &str, key: &str, place: &[&str], body: &[u8]) -> Self {
        let mut digest = Sha256::new();
        for part in place {
            digest.update(part);
            digest.update([0]);
        }
        digest.update(body);
        let request = hex::encode(digest.finalize());
        Self { client_id: client_id.to_owned(), key: key.to_owned(), request }
    }
}

impl Idempotency {
    pub(crate) fn find(&self, attempt: &Attempt, now: Timestamp) -> Known {
        if attempt.key.len() > MAX_KEY {
            return Known::Misuse(format!("Idempotency Key must be at most {MAX_KEY} characters"));
        }
        let place = (attempt.client_id.clone(), attempt.key.clone());
        match self.0.get(&place).filter(|known| now.duration_since(known.at) < KEPT) {
            None => Known::Nothing,
            Some(known) if known.request == attempt.request => Known::Answer(known.outcome.clone()),
            Some(_) => {
                Known::Misuse(format!("Idempotency Key {} is used with a different request", attempt.key))
            }
        }
    }

    pub(crate) fn remember(&mut self, attempt: Attempt, outcome: Result<Reply, Problem>, at: Timestamp) {
        if self.0.len() >= MAX_KEPT {
            self.0.retain(|_, known| at.duration_since(known.at) < KEPT);
        }
        let answered = Answered { request: attempt.request, outcome, at };
        self.0.insert((attempt.client_id, attempt.key), answered);
    }
}

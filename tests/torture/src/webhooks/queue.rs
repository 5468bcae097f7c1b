//! The events queue: first in, first out within a line; a line waits behind its head; dead letters after the last receive.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{
    sync::{Incoming, Next},
    webhook::EventMessage,
};

use super::{WebhookFlaw, shop::Shop};
use crate::provider::ms;

/// A message that nobody was done with comes again after this time: above the life of the function, as the template says.
const VISIBILITY: Duration = Duration::from_secs(1801);
/// So often a message is received, then it goes to the dead letters.
const RECEIVES: u32 = domain::sync::EVENT_RECEIVES;
/// Messages that a worker gets at once at most.
const BATCH: usize = 10;
/// The first wait of a message that is to come again.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// By how much each wait exceeds the one before.
const WAIT_GROWTH: u32 = 4;
/// The longest wait.
const MAX_WAIT: Duration = Duration::from_hours(1);

struct Message {
    id: u64,
    body: Arc<EventMessage>,
    receives: u32,
    hidden_until_ms: i64,
}

/// A message that was handed out.
pub(super) struct Received {
    line: String,
    id: u64,
    pub(super) incoming: Incoming,
}

/// A message that is dead.
pub(super) struct DeadLetter {
    pub(super) body: Arc<EventMessage>,
    pub(super) reason: Option<String>,
}

#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    lines: BTreeMap<String, VecDeque<Message>>,
    dead: Vec<DeadLetter>,
}

impl Queue {
    /// Takes a message in; now and then twice.
    pub(super) fn put(&self, shop: &Shop, message: &EventMessage) {
        let body = Arc::new(message.clone());
        for _ in 0..if shop.faults.duplicates() { 2 } else { 1 } {
            let message = Message { id: shop.number(), body: body.clone(), receives: 0, hidden_until_ms: 0 };
            self.0.lock().unwrap().lines.entry(body.line()).or_default().push_back(message);
        }
    }

    /// Hands out a batch: the heads of lines of which nothing is out.
    pub(super) fn receive(&self, shop: &Shop) -> Vec<Received> {
        let now_ms = shop.time.now_ms();
        let mut state = self.0.lock().unwrap();
        let State { lines, dead } = &mut *state;
        let mut batch = vec![];
        for (line, messages) in lines.iter_mut() {
            if messages.iter().any(|message| message.hidden_until_ms > now_ms) {
                continue;
            }
            while messages.front().is_some_and(|head| head.receives == RECEIVES) {
                dead.extend(messages.pop_front().map(|head| DeadLetter { body: head.body, reason: None }));
            }
            for message in messages.iter_mut().take_while(|message| message.receives < RECEIVES) {
                if batch.len() == BATCH {
                    break;
                }
                message.receives += 1;
                message.hidden_until_ms = now_ms + ms(VISIBILITY);
                let incoming = Incoming { message: (*message.body).clone(), receives: message.receives };
                batch.push(Received { line: line.clone(), id: message.id, incoming });
            }
        }
        if shop.has_flaw(WebhookFlaw::AtMostOnce) {
            for received in &batch {
                remove(lines, received);
            }
        }
        lines.retain(|_, messages| !messages.is_empty());
        batch
    }

    /// A worker has ended its work on a message.
    pub(super) fn handled(&self, shop: &Shop, received: &Received, next: Next) {
        let mut state = self.0.lock().unwrap();
        let State { lines, dead } = &mut *state;
        match next {
            Next::Done => remove(lines, received),
            Next::Bury(reason) => {
                let body = Arc::new(received.incoming.message.clone());
                dead.push(DeadLetter { body, reason: Some(reason) });
                remove(lines, received);
            }
            Next::Again { after } => {
                let messages = lines.get_mut(&received.line).into_iter().flatten();
                for message in messages.filter(|message| message.id == received.id) {
                    let times = message.receives.saturating_sub(1);
                    let wait = after
                        .unwrap_or(FIRST_WAIT.saturating_mul(WAIT_GROWTH.saturating_pow(times)))
                        .min(MAX_WAIT);
                    message.hidden_until_ms = shop.time.now_ms() + ms(wait);
                }
            }
        }
    }

    /// Puts every dead letter back, as an operator does when what was broken is repaired; how many there were.
    pub(super) fn put_back(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        let dead = std::mem::take(&mut state.dead);
        let count = dead.len() as u64;
        for (number, letter) in (0..).zip(dead) {
            let message =
                Message { id: u64::MAX - number, body: letter.body, receives: 0, hidden_until_ms: 0 };
            state.lines.entry(message.body.line()).or_default().push_back(message);
        }
        count
    }

    /// How many messages wait, and what is dead.
    pub(super) fn rest(&self) -> (usize, Vec<DeadLetter>) {
        let mut state = self.0.lock().unwrap();
        (state.lines.values().map(VecDeque::len).sum(), std::mem::take(&mut state.dead))
    }
}

fn remove(lines: &mut BTreeMap<String, VecDeque<Message>>, received: &Received) {
    if let Some(messages) = lines.get_mut(&received.line) {
        messages.retain(|message| message.id != received.id);
    }
}

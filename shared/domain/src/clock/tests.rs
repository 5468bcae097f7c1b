//! What a corrected clock promises.

use proptest::prelude::*;

use super::*;

/// A machine's clock that always shows its beginning.
struct Stopped;

#[async_trait]
impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        at(0)
    }

    async fn sleep(&self, _: Duration) {}
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn clock() -> CorrectedClock {
    CorrectedClock::new(Arc::new(Stopped))
}

#[test]
fn a_clock_is_set_once_an_answer_said_what_time_it_is() {
    let clock = clock();
    assert!(!clock.is_set());

    clock.observe(at(0), at(1000), at(0));
    assert!(!clock.is_set(), "nothing follows from an answer that came before its question");

    clock.observe(at(0), at(0), at(1000));
    assert!(clock.is_set());
}

fn offset(clock: &CorrectedClock) -> i64 {
    clock.now().as_millisecond()
}

/// One question and its answer: when it was asked by the server's clock, and how long each way took; in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    asked: i64,
    there: i64,
    back: i64,
}

impl Exchange {
    fn round_trip(self) -> i64 {
        self.there + self.back
    }

    /// Tells a clock whose machine is so many milliseconds behind the server.
    fn tell(self, clock: &CorrectedClock, behind: i64) {
        let stamped = (self.asked + self.there).div_euclid(1000) * 1000;
        let sent = self.asked - behind;
        clock.observe(at(stamped), at(sent), at(sent + self.round_trip()));
    }
}

/// Any round trip of up to five seconds, split in any way, at any moment of a day.
fn exchange() -> impl Strategy<Value = Exchange> {
    (0..DAY_MS, 0..=5000_i64)
        .prop_flat_map(|(asked, round_trip)| (Just(asked), Just(round_trip), 0..=round_trip))
        .prop_map(|(asked, round_trip, there)| Exchange { asked, there, back: round_trip - there })
}

proptest! {
    #[test]
    fn after_an_answer_the_error_is_at_most_a_second_and_the_round_trip(
        behind in -DAY_MS..DAY_MS,
        answer in exchange(),
    ) {
        let clock = clock();

        answer.tell(&clock, behind);

        prop_assert!(offset(&clock).abs_diff(behind) <= 1000 + answer.round_trip().unsigned_abs());
    }

    #[test]
    fn whatever_was_believed_before_a_machines_clock_was_set_is_forgotten_with_the_next_answer(
        (behind_before, behind) in (-DAY_MS..DAY_MS, -DAY_MS..DAY_MS),
        (before, answer) in (exchange(), exchange()),
    ) {
        let clock = clock();
        before.tell(&clock, behind_before);

        answer.tell(&clock, behind);

        prop_assert!(offset(&clock).abs_diff(behind) <= 1000 + answer.round_trip().unsigned_abs());
    }

    #[test]
    fn no_answer_takes_a_steady_clock_further_from_the_server(
        behind in -DAY_MS..DAY_MS,
        answers in prop::collection::vec(exchange(), 1..20),
    ) {
        let clock = clock();
        let mut error = offset(&clock).abs_diff(behind);

        for answer in answers {
            answer.tell(&clock, behind);
            let now = offset(&clock).abs_diff(behind);
            prop_assert!(now <= error, "{now} > {error}");
            error = now;
        }
    }

    #[test]
    fn a_clock_that_is_right_is_left_alone(answers in prop::collection::vec(exchange(), 1..20)) {
        let clock = clock();

        for answer in answers {
            answer.tell(&clock, 0);
        }

        prop_assert_eq!(offset(&clock), 0);
    }
}

#[test]
fn quick_answers_at_every_tenth_of_a_second_put_a_clock_right_to_a_tenth() {
    for behind in [-3_600_000, 120_000] {
        let clock = clock();

        for tenth in 0..10 {
            Exchange { asked: tenth * 1100, there: 2, back: 2 }.tell(&clock, behind);
        }

        assert!(offset(&clock).abs_diff(behind) <= 104, "off by {}", offset(&clock) - behind);
    }
}

#[test]
fn nothing_is_learned_while_the_machines_clock_is_set_back() {
    let clock = clock();

    clock.observe(at(3_600_000), at(10_000), at(9_999));

    assert_eq!(offset(&clock), 0);
}

#[test]
fn an_instant_of_the_machine_moves_with_its_clock() {
    let clock = clock();
    clock.observe(at(3_600_000), at(0), at(0));

    assert_eq!(clock.of_machine(at(75_000)), at(3_675_000));
}

#[test]
fn the_ends_of_time_are_survived() {
    let clock = clock();

    clock.observe(Timestamp::MAX, Timestamp::MIN, Timestamp::MIN);
    assert_eq!(clock.now(), Timestamp::MAX);
    clock.observe(Timestamp::MIN, Timestamp::MAX, Timestamp::MAX);
    assert_eq!(clock.now(), Timestamp::MIN);
}

//! AWS's list prices in us-east-1, in dollars, as `docs/costs.md` dates them.

use crate::meter::Usage;

/// A million write request units of a table or an index, on demand.
const WRITES: f64 = 0.625;
/// A million read request units, on demand.
const READS: f64 = 0.125;
/// A million KMS requests, at $0.03 for ten thousand.
const KMS: f64 = 3.0;
/// A million requests to a standard queue.
const SQS: f64 = 0.40;
/// A million custom events on an EventBridge bus.
const EVENTS: f64 = 1.0;

/// What a million times this usage costs, without the function that it is used by.
pub(crate) fn of_a_million(usage: &Usage) -> f64 {
    let calls = |target, price: f64| f64::from(u32::try_from(usage.calls(target)).unwrap()) * price;
    usage.writes * WRITES
        + usage.reads * READS
        + calls("TrentService", KMS)
        + calls("AmazonSQS", SQS)
        + calls("AWSEvents", EVENTS)
}

//! Logs as flat JSON lines, metrics as CloudWatch EMF lines.

mod refreshing;

use std::{io, sync::OnceLock};

use domain::error::ErrorCode;
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config::environment;

pub use refreshing::{count_recovered, count_refresh, count_sweep, measure_breaker};

/// The crates whose lines are ours.
const OURS: [&str; 9] = ["api", "aws", "domain", "edge", "oauth", "providers", "refresh", "sync", "webhook"];

/// Gathers the metrics of this process, as the recorder does for which there is one place in a process.
static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Logs and metrics of one process.
#[derive(Clone, Copy)]
pub struct Telemetry(());

impl Telemetry {
    /// Starts logs and metrics for a function, once per process: `service` names it in both.
    ///
    /// `AWS_LAMBDA_LOG_LEVEL` sets the level of our own lines (default `info`), `POWERTOOLS_METRICS_NAMESPACE` the
    /// namespace of metrics (default `Ledgerbridge`); libraries speak from `warn` on, since
    /// some of them log whole requests below it.
    #[must_use]
    pub fn start(service: &'static str) -> Self {
        let level = environment("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default().to_lowercase();
        // Lambda knows a level that tracing does not.
        let level =
            if level == "fatal" { LevelFilter::ERROR } else { level.parse().unwrap_or(LevelFilter::INFO) };
        let filter = OURS.iter().fold(Targets::new().with_default(LevelFilter::WARN), |filter, krate| {
            filter.with_target(*krate, level)
        });
        let started = tracing_subscriber::registry().with(filter).with(layer(service, io::stdout)).try_init();
        if started.is_err() {
            // Another test of this process was first; its lines serve as well.
            return Self(());
        }
        let namespace =
            environment("POWERTOOLS_METRICS_NAMESPACE").unwrap_or_else(|| "Ledgerbridge".to_owned());
        let builder = Builder::new().cloudwatch_namespace(namespace).with_dimension("service", service);
        if let Ok(collector) = builder.init() {
            COLLECTOR.get_or_init(|| collector);
        }
        Self(())
    }

    /// Writes the metrics gathered since the last flush; called at the end of each invocation, while the process lives.
    pub fn flush(&self) {
        flush(&mut io::stdout());
    }
}

fn flush(writer: &mut dyn io::Write) {
    if let Some(Err(error)) = COLLECTOR.get().map(|collector| collector.flush(writer)) {
        tracing::warn!(%error, "Metrics could not be written");
    }
}

/// The layer that writes one flat JSON object a line: what the span knows stands beside what the event says.
fn layer<S, W>(service: &'static str, writer: W) -> json_subscriber::JsonLayer<S, W>
where
    S: tracing::Subscriber + for<'lookup> tracing_subscriber::registry::LookupSpan<'lookup>,
    W: for<'writer> tracing_subscriber::fmt::MakeWriter<'writer> + 'static,
{
    let mut layer = json_subscriber::JsonLayer::new(writer);
    layer.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
    layer.with_level("level");
    layer.add_static_field("service", serde_json::Value::from(service));
    layer.with_top_level_flattened_span_list();
    layer.with_flattened_event();
    layer
}

/// Counts one try to end a connection by how far it came.
pub fn count_disconnect(outcome: &'static str) {
    metrics::counter!("Disconnects", "outcome" => outcome).increment(1);
}

/// Counts one webhook request by what became of it.
pub fn count_webhook(provider: &'static str, outcome: &'static str) {
    metrics::counter!("Webhooks", "provider" => provider, "outcome" => outcome).increment(1);
}

/// Counts events of webhooks by what became of them.
pub fn count_events(provider: &'static str, outcome: &'static str, count: u64) {
    if count > 0 {
        metrics::counter!("WebhookEvents", "provider" => provider, "outcome" => outcome).increment(count);
    }
}

/// Counts one refused request of the API by its error.
pub fn count_error(code: ErrorCode) {
    metrics::counter!("ApiErrors", "code" => code.name()).increment(1);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_flat_object_with_the_fields_of_its_span() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry().with(layer("refresh", move || writer.clone()));

        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("invocation", correlationId = "corr_1", action = "sweep");
            let _entered = span.enter();
            tracing::info!(tenantId = "t1", connectionId = "c1", "Refreshed tokens");
        });

        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(line["timestamp"].is_string());
        line["timestamp"] = "…".into();
        insta::assert_json_snapshot!(line, @r#"
        {
          "action": "sweep",
          "connectionId": "c1",
          "correlationId": "corr_1",
          "level": "INFO",
          "message": "Refreshed tokens",
          "name": "invocation",
          "service": "refresh",
          "tenantId": "t1",
          "timestamp": "…"
        }
        "#);
    }
}

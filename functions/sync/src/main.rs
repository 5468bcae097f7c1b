//! Wiring of the `sync` function.

use aws_lambda_events::sqs::SqsEvent;
use edge::{config::environment, invocation, start, telemetry::Telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sync::{Config, handle, wire};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = Telemetry::start("sync");
    let sdk = aws::sdk_config().await;
    let deps = &wire(start::checked(Config::from_lookup(&environment))?, &sdk)?;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let work = Box::pin(handle(deps, &event.payload, invocation::deadline(event.context.deadline)));
        Ok::<_, Error>(invocation::run(telemetry, &event.context.request_id, ("sync", None), work).await)
    }))
    .await
}

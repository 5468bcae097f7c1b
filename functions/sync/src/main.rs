//! Wiring of the `sync` function.

use edge::{config::environment, invocation, start, telemetry::Telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sync::{Config, handle, wire};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = Telemetry::start("sync");
    let sdk = aws::sdk_config().await;
    let deps = &wire(start::checked(Config::from_lookup(&environment))?, &sdk)?;
    run(service_fn(async |event: LambdaEvent<serde_json::Value>| {
        let deadline = invocation::deadline(event.context.deadline);
        let work = Box::pin(handle(deps, event.payload, deadline));
        let work = async { work.await.map_err(invocation::failed) };
        invocation::run(telemetry, &event.context.request_id, ("sync", None), work).await
    }))
    .await
}

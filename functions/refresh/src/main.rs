//! Wiring of the `refresh` function.

use edge::{invocation, start, telemetry::Telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use refresh::{Config, handle, wire};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = Telemetry::start("refresh");
    let sdk = aws::sdk_config().await;
    let variables = start::variables(&sdk).await?;
    let deps = wire(start::checked(Config::from_lookup(&*variables))?, &sdk)?;
    let deps = &deps;
    run(service_fn(async |event: LambdaEvent<serde_json::Value>| {
        let deadline = invocation::deadline(event.context.deadline);
        let work = async { handle(deps, event.payload, deadline).await.map_err(invocation::failed) };
        invocation::run(telemetry, &event.context.request_id, ("refresh", None), work).await
    }))
    .await
}

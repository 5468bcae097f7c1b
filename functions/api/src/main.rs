//! Wiring of the `api` function.

use std::sync::Arc;

use api::{Config, Outgoing, handle, router, wire};
use edge::{invocation, start, telemetry::Telemetry};
use lambda_http::{Error, Request, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = Telemetry::start("api");
    let sdk = aws::sdk_config().await;
    let variables = start::variables(&sdk).await?;
    let deps = wire(start::checked(Config::from_lookup(&*variables))?, &sdk)?;
    let router = &router(Arc::new(deps));
    invocation::serve(service_fn(async |request: Request| {
        let request_id = invocation::request_id(&request);
        let work = async { Outgoing(handle(router, request).await) };
        Ok::<_, Error>(invocation::run(telemetry, &request_id, ("api", None), work).await)
    }))
    .await
}

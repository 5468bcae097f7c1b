//! Wiring of the `oauth` function.

use edge::{invocation, start, telemetry::Telemetry};
use lambda_http::{Error, Request, service_fn};
use oauth::{Config, correlation_of, handle, wire};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = Telemetry::start("oauth");
    let sdk = aws::sdk_config().await;
    let variables = start::variables(&sdk).await?;
    let deps = &wire(start::checked(Config::from_lookup(&*variables))?, &sdk)?;
    invocation::serve(service_fn(async |request: Request| {
        let correlation = correlation_of(deps, &request);
        let work = handle(deps, &request, &correlation);
        let context = invocation::request_id(&request);
        Ok::<_, Error>(invocation::run(telemetry, &context, ("oauth", Some(&correlation)), work).await)
    }))
    .await
}

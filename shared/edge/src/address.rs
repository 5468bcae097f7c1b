//! Where the bundle is reached from outside.

use domain::error::ErrorCode;
use lambda_http::{RequestExt, request::RequestContext};

use crate::http::ApiError;

/// The address under which `/api`, `/auth` and `/webhooks` are reached, without a slash at its end: `PUBLIC_URL` where it
/// is set, otherwise the gateway's own domain and stage.
///
/// The gateway's word is taken from the request context; the `Host` header is under the caller's control and is not.
pub fn public_url(configured: Option<&str>, request: &impl RequestExt) -> Result<String, ApiError> {
    if let Some(configured) = configured {
        return Ok(configured.to_owned());
    }
    let Some(RequestContext::ApiGatewayV1(context)) = request.request_context_ref() else {
        return Err(unknown());
    };
    let domain = context.domain_name.as_deref().ok_or_else(unknown)?;
    let stage = context.stage.as_deref().ok_or_else(unknown)?;
    Ok(format!("https://{domain}/{stage}"))
}

fn unknown() -> ApiError {
    tracing::error!("The address of the bundle is not known: set PUBLIC_URL");
    ApiError::new(ErrorCode::InternalError, "the address of this service is not configured")
}

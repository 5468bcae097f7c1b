//! Answers that reach the gateway byte for byte.

use std::pin::Pin;

use axum::{body::to_bytes, response::Response};
use domain::{error::ErrorCode, store::chain};
use lambda_http::{Body, IntoResponse};

/// Marks an answer whose body is not ours: `lambda_http` takes a body for text by its type, which would alter what is not
/// UTF-8, and could make six bytes of each that JSON has to escape, more than Lambda hands over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact;

/// An answer on its way to the gateway.
pub struct Outgoing(pub Response);

impl IntoResponse for Outgoing {
    fn into_response(self) -> Pin<Box<dyn Future<Output = lambda_http::Response<Body>> + Send>> {
        if self.0.extensions().get::<Exact>().is_none() {
            return self.0.into_response();
        }
        Box::pin(async {
            let (parts, body) = self.0.into_parts();
            match to_bytes(body, usize::MAX).await {
                Ok(bytes) => lambda_http::Response::from_parts(parts, Body::Binary(bytes.into())),
                Err(error) => {
                    // The body is in memory already; a failure to read it cannot be told from ours.
                    let code = ErrorCode::InternalError;
                    tracing::error!(error = chain(&error), code = code.name(), "Answer could not be read");
                    let mut response = lambda_http::Response::new(Body::Empty);
                    *response.status_mut() = lambda_http::http::StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        })
    }
}

//! Answers that reach the gateway byte for byte.

use std::pin::Pin;

use axum::{body::to_bytes, response::Response};
use domain::{error::ErrorCode, store::chain};
use lambda_http::{Body, IntoResponse};

/// Marks an answer whose body is not ours: `lambda_http` takes a body for text by its type, which would alter what is not
/// UTF-8, and could make six bytes of each that JSON has to escape, more than Lambda hands over. Here it is text where it is
/// some, and that is no longer than base64.
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
                Ok(bytes) => lambda_http::Response::from_parts(parts, body_of(bytes.into())),
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

/// The body as the gateway takes it: text as it is, which every gateway passes on, and all else in base64.
fn body_of(bytes: Vec<u8>) -> Body {
    match String::from_utf8(bytes) {
        Ok(text) if escaped(&text) <= text.len() / 3 * 4 => Body::Text(text),
        Ok(text) => Body::Binary(text.into_bytes()),
        Err(error) => Body::Binary(error.into_bytes()),
    }
}

/// How many bytes a text takes as a JSON string.
fn escaped(text: &str) -> usize {
    let more = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    more.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_where_that_is_shorter_and_bytes_where_it_would_not_survive() {
        let json = r#"{"Invoice":{"Id":"1","Line":"Ürün and more that is no quote"}}"#.repeat(9);
        assert_eq!(body_of(json.clone().into_bytes()), Body::Text(json));

        for bytes in [vec![0x80, 0xff], b"\0\0\0".to_vec(), b"\"\"\"".to_vec()] {
            assert_eq!(body_of(bytes.clone()), Body::Binary(bytes));
        }
    }
}

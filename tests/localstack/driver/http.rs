//! One HTTP answer, and what tests ask of it.

use reqwest::{Response, header::HeaderMap};
use serde_json::Value;

/// A complete answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.expect("the answer is whole").to_vec();
        Self { status, headers, body }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} is no JSON: {}", self.status, self.text()))
    }

    /// The value of a header; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status and hands the JSON out.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Asserts a refusal in the one shape of errors: status and name.
    pub(crate) fn expect_error(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        let error = &body["error"];
        let mut members: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["code", "correlationId", "details", "message", "number"]);
        assert_eq!(error["code"], code, "{body}");
        assert!(error["number"].is_u64() && error["details"].is_object(), "{body}");
        assert_eq!(
            error["correlationId"],
            self.header("x-correlation-id"),
            "the body and the header name one id"
        );
        body
    }

    /// Asserts a page for a person that names the refusal.
    pub(crate) fn expect_page(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert!(self.header("content-type").starts_with("text/html"), "{}", self.text());
        assert!(self.text().contains(code), "{code} is not on the page: {}", self.text());
        assert_eq!(self.header("location"), "", "a refusal sends the browser nowhere");
    }
}

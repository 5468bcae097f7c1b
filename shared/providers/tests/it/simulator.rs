//! A simulator of one provider, as tests speak with it.

use std::collections::HashMap;

use providers::http;
use serde_json::{Value, json};
use simulator::{Options, Simulator};
use url::Url;

/// Where the browser is sent back to.
pub(crate) const CALLBACK: &str = "http://localhost:3000/callback";

/// A running simulator, and which side of it a test is about.
pub(crate) struct Simulated {
    simulator: Simulator,
    provider: &'static str,
    /// A client, ours and the browser's.
    pub(crate) http: http::Client,
}

impl Simulated {
    pub(crate) async fn start(provider: &'static str, options: Options) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        Self { simulator, provider, http: http::client().unwrap() }
    }

    /// An address of the provider.
    pub(crate) fn at(&self, path: &str) -> Url {
        format!("{}/{}{path}", self.simulator.base_url(), self.provider).parse().unwrap()
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/_control/{path}", self.simulator.base_url());
        let answer = self.http.request(method.parse().unwrap(), url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub(crate) async fn fault(&self, endpoint: &str, mut fault: Value) {
        fault["provider"] = json!(self.provider);
        fault["endpoint"] = json!(endpoint);
        self.control("POST", "faults", fault).await;
    }

    /// How many requests an endpoint has received.
    pub(crate) async fn calls(&self, endpoint: &str) -> u64 {
        let path = format!("calls/counts?provider={}&endpoint={endpoint}", self.provider);
        self.control("GET", &path, json!({})).await["total"].as_u64().unwrap()
    }

    pub(crate) async fn patch_settings(&self, settings: Value) {
        self.control("PATCH", &format!("{}/settings", self.provider), settings).await;
    }

    /// Goes to the consent page as a browser would, wherever it is sent on to; gives the parameters of the callback.
    pub(crate) async fn consent(&self, mut url: Url) -> HashMap<String, String> {
        url.query_pairs_mut().append_pair("state", "s");
        while !url.as_str().starts_with(CALLBACK) {
            let answer = self.http.get(url).send().await.unwrap();
            url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
        }
        url.query_pairs().into_owned().collect()
    }
}

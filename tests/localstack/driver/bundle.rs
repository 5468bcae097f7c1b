//! The deployed bundle: its API, its provider, and what it keeps.

use aws::SdkConfig;
use domain::{
    api_key::{ApiKeyStore as _, NewApiKey, Role},
    clock::{Clock as _, SystemClock},
    entropy::{SystemEntropy, one_time_value},
    id::TenantId,
};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, Simulator, Tenant};
use crate::stack::Stack;

/// Everything that a test reaches.
pub(crate) struct Bundle {
    pub(crate) stack: Stack,
    pub(crate) sdk: SdkConfig,
    pub(crate) http: Client,
    pub(crate) simulator: Simulator,
}

impl Bundle {
    /// The bundle on the running stack, before a provider that replaces the refresh token at every refresh: the hardest
    /// kind, where a token spent twice or an answer lost is a customer lost.
    pub(crate) async fn deployed() -> Self {
        let stack = Stack::running();
        let sdk = stack.sdk().await;
        let http = providers::http::client().unwrap();
        let simulator = Simulator::new(http.clone(), stack.value("SIMULATOR_URL"));
        simulator.patch_settings(json!({ "rotateEveryRefresh": true })).await;
        Self { stack, sdk, http, simulator }
    }

    /// An address of the bundle.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stack.value("API_URL"))
    }

    pub(crate) fn admin_key(&self) -> &str {
        self.stack.value("ADMIN_API_KEY")
    }

    /// A request to the bundle that carries nothing yet.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request.send().await.expect("the bundle answers")).await
    }

    /// Asks the API under some key.
    pub(crate) async fn get_as(&self, key: &str, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).header("x-api-key", key)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_as(self.admin_key(), path).await
    }

    /// Orders something of the API under some key.
    pub(crate) async fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).header("x-api-key", key).json(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(self.admin_key(), path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::PATCH, path).header("x-api-key", self.admin_key());
        self.send(request.json(body)).await
    }

    pub(crate) async fn delete_as(&self, key: &str, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path).header("x-api-key", key)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.delete_as(self.admin_key(), path).await
    }

    /// Makes a tenant that no other test has.
    pub(crate) async fn tenant(&self) -> Tenant<'_> {
        let id = format!("e2e-{}", &one_time_value(&SystemEntropy)[..16]);
        let made = self.post("/api/tenants", &json!({ "tenantId": id, "name": "End to end" })).await;
        made.expect(201);
        Tenant { bundle: self, id }
    }

    /// Makes an API key as the command line tool does.
    pub(crate) async fn key(&self, role: Role, tenant: Option<&str>) -> String {
        let tenant: Option<TenantId> = tenant.map(|tenant| tenant.parse().unwrap());
        let new = NewApiKey {
            name: "end to end".to_owned(),
            scopes: role.scopes(),
            tenant,
            user: None,
            expires_at: None,
        };
        self.issue(new).await
    }

    pub(crate) async fn issue(&self, new: NewApiKey) -> String {
        self.issue_into(self.stack.value("CONTROL_TABLE"), new).await
    }

    /// As [`Bundle::issue`], into another table of the stack.
    pub(crate) async fn issue_into(&self, table: &str, new: NewApiKey) -> String {
        let environment = self.stack.value("ENVIRONMENT");
        let (key, text) = new.issue(environment, SystemClock.now(), &SystemEntropy);
        let keys = aws::DynamoApiKeys::new(aws::clients::dynamodb(&self.sdk), table.to_owned());
        assert!(keys.insert(&key).await.unwrap(), "the key's id is taken");
        text.expose().to_owned()
    }
}

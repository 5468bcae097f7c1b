//! A copy of a deployed function for one test alone, whose process can be killed without harm to other tests.

use std::{collections::HashMap, fs, process::Command};

use aws_sdk_lambda::{
    primitives::Blob,
    types::{Environment, FunctionCode, FunctionResponseType, State},
};
use domain::{
    clock::SystemClock,
    connection::ConnectionKey,
    entropy::SystemEntropy,
    id::Ids,
    refresh::{RefreshMessage, Trigger},
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Browser, Bundle, PATIENCE, Signed, eventually};

/// A function with the code of a deployed one, which nothing but its test invokes.
pub(crate) struct FunctionCopy<'a> {
    bundle: &'a Bundle,
    pub(crate) name: String,
}

impl Bundle {
    /// Makes a copy of a function.
    pub(crate) async fn copy_of(&self, function: &str) -> FunctionCopy<'_> {
        self.copy_with(function, self.settings_of(function).await).await
    }

    /// The environment of a deployed function.
    pub(crate) async fn settings_of(&self, function: &str) -> HashMap<String, String> {
        let lambda = aws::clients::lambda(&self.sdk);
        let request = lambda.get_function_configuration().function_name(self.stack.value(function));
        let environment = request.send().await.unwrap().environment.unwrap();
        environment.variables.unwrap()
    }

    /// Makes a copy of a function, with another environment.
    pub(crate) async fn copy_with(
        &self,
        function: &str,
        settings: HashMap<String, String>,
    ) -> FunctionCopy<'_> {
        let lambda = aws::clients::lambda(&self.sdk);
        let found = lambda.get_function().function_name(self.stack.value(function)).send().await.unwrap();
        let (deployed, code) = (found.configuration.unwrap(), found.code.unwrap());
        let package = self.http.get(code.location.unwrap()).send().await.unwrap().bytes().await.unwrap();
        let name = format!("copy-{}", Ids::new(&SystemClock, &SystemEntropy).write());
        let request = lambda
            .create_function()
            .function_name(&name)
            .role(deployed.role.unwrap())
            .set_runtime(deployed.runtime)
            .set_handler(deployed.handler)
            .set_architectures(deployed.architectures)
            .set_timeout(deployed.timeout)
            .environment(Environment::builder().set_variables(Some(settings)).build())
            .code(FunctionCode::builder().zip_file(Blob::new(package)).build());
        request.send().await.expect("the copy is made");
        eventually("the copy is ready", PATIENCE, async || {
            let state = lambda.get_function().function_name(&name).send().await.unwrap();
            (state.configuration.unwrap().state == Some(State::Active)).then_some(())
        })
        .await;
        FunctionCopy { bundle: self, name }
    }
}

impl FunctionCopy<'_> {
    /// Invokes it as the refresh function; gives its answer for each connection, or an error when it was killed.
    pub(crate) async fn refresh(
        &self,
        connections: Vec<ConnectionKey>,
        reason: Trigger,
    ) -> Result<Vec<Value>, String> {
        let message = json!(RefreshMessage::new(connections, reason));
        let answers = self.bundle.invoke(&self.name, &message).await?;
        Ok(answers.as_array().unwrap().clone())
    }

    /// Lets it work on what comes into a queue, as the refresh function does on its own.
    pub(crate) async fn consume(&self, queue: &str) {
        self.consume_by(queue, (5, 1)).await;
    }

    /// Lets it work on what comes into a queue, as the sync function does on a lane of its own.
    pub(crate) async fn consume_one_by_one(&self, queue: &str) {
        self.consume_by(queue, (1, 0)).await;
    }

    async fn consume_by(&self, queue: &str, (batch, window_seconds): (i32, i32)) {
        let lambda = aws::clients::lambda(&self.bundle.sdk);
        let made = lambda
            .create_event_source_mapping()
            .function_name(&self.name)
            .event_source_arn(self.bundle.arn_of(queue).await)
            .batch_size(batch)
            .maximum_batching_window_in_seconds(window_seconds)
            .function_response_types(FunctionResponseType::ReportBatchItemFailures);
        let id = made.send().await.unwrap().uuid.unwrap();
        eventually("the queue is consumed", PATIENCE, async || {
            let mapping = lambda.get_event_source_mapping().uuid(&id).send().await.unwrap();
            (mapping.state.as_deref() == Some("Enabled")).then_some(())
        })
        .await;
    }

    /// Asks it for an address of the API, as the gateway does.
    pub(crate) async fn ask(&self, (method, path): (&str, &str), key: &str, body: Option<&Value>) -> Answer {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/api-breakers.json")).unwrap();
        event["httpMethod"] = method.into();
        event["path"] = path.into();
        event["pathParameters"]["proxy"] = path.trim_start_matches("/api/").into();
        for (name, value) in [("X-API-Key", key), ("Content-Type", "application/json")] {
            event["headers"][name] = value.into();
            event["multiValueHeaders"][name] = vec![value].into();
        }
        event["body"] = body.map(Value::to_string).into();
        self.answered(&event).await
    }

    /// Its answer to a request of the gateway.
    async fn answered(&self, event: &Value) -> Answer {
        let answered = self.bundle.invoke(&self.name, event).await.unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in answered["multiValueHeaders"].as_object().unwrap() {
            let value = HeaderValue::try_from(value[0].as_str().unwrap()).unwrap();
            headers.insert(HeaderName::try_from(name).unwrap(), value);
        }
        Answer {
            status: answered["statusCode"].as_u64().unwrap().try_into().unwrap(),
            headers,
            body: answered["body"].as_str().unwrap_or_default().into(),
        }
    }

    /// Opens an address of the bundle with this function in place of the deployed one; an error when it was killed.
    pub(crate) async fn open(&self, browser: &Browser<'_>, address: &Url) -> Result<Value, String> {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/oauth-callback-forged.json")).unwrap();
        let base = self.bundle.url("/");
        let path = format!("/{}", address.as_str().strip_prefix(&base).unwrap().split('?').next().unwrap());
        event["pathParameters"]["proxy"] = path.trim_start_matches("/auth/").into();
        event["path"] = path.into();
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        event["headers"]["Cookie"] = cookies.join("; ").into();
        event["multiValueHeaders"]["Cookie"] = vec![cookies.join("; ")].into();
        let (mut single, mut multiple) = (serde_json::Map::new(), serde_json::Map::new());
        for (name, value) in address.query_pairs() {
            single.insert(name.to_string(), value.as_ref().into());
            multiple.insert(name.into_owned(), vec![value.into_owned()].into());
        }
        event["queryStringParameters"] = single.into();
        event["multiValueQueryStringParameters"] = multiple.into();
        self.bundle.invoke(&self.name, &event).await
    }

    /// Brings it a webhook, as the gateway does.
    pub(crate) async fn take(&self, signed: &Signed) -> Answer {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/webhook-quickbooks.json")).unwrap();
        event["path"] = signed.path.clone().into();
        event["pathParameters"]["proxy"] = signed.path.trim_start_matches("/webhooks/").into();
        event["headers"] = json!({ "Content-Type": "application/json", signed.header: signed.signature });
        event["multiValueHeaders"] =
            json!({ "Content-Type": ["application/json"], signed.header: [signed.signature] });
        event["body"] = signed.body.clone().into();
        event["isBase64Encoded"] = false.into();
        self.answered(&event).await
    }

    /// Kills its processes as the machine under a function can end: without a last word.
    pub(crate) fn kill(&self) {
        let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={}", self.name);
        let mut killed = 0;
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let id = process.file_name().into_string().unwrap_or_default();
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let is_ours = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
            if is_ours && id.bytes().all(|byte| byte.is_ascii_digit()) {
                assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
                killed += 1;
            }
        }
        assert!(killed > 0, "no process of the function runs");
    }

    /// Takes the copy away.
    pub(crate) async fn remove(self) {
        let lambda = aws::clients::lambda(&self.bundle.sdk);
        lambda.delete_function().function_name(&self.name).send().await.unwrap();
    }
}

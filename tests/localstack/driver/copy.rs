//! A copy of a deployed function for one test alone, whose process can be killed without harm to other tests.

use std::{fs, process::Command};

use aws_sdk_lambda::{
    primitives::Blob,
    types::{Environment, FunctionCode, State},
};
use domain::{clock::SystemClock, entropy::SystemEntropy, id::Ids};
use serde_json::Value;
use url::Url;

use super::{Browser, Bundle, PATIENCE, eventually};

/// A function with the code and the settings of a deployed one, which nothing but its test invokes.
pub(crate) struct FunctionCopy<'a> {
    bundle: &'a Bundle,
    name: String,
}

impl Bundle {
    /// Makes a copy of a function.
    pub(crate) async fn copy_of(&self, function: &str) -> FunctionCopy<'_> {
        let lambda = aws::clients::lambda(&self.sdk);
        let found = lambda.get_function().function_name(self.stack.value(function)).send().await.unwrap();
        let (deployed, code) = (found.configuration.unwrap(), found.code.unwrap());
        let package = self.http.get(code.location.unwrap()).send().await.unwrap().bytes().await.unwrap();
        let variables = deployed.environment.and_then(|environment| environment.variables);
        let name = format!("copy-{}", Ids::new(&SystemClock, &SystemEntropy).write());
        let request = lambda
            .create_function()
            .function_name(&name)
            .role(deployed.role.unwrap())
            .set_runtime(deployed.runtime)
            .set_handler(deployed.handler)
            .set_architectures(deployed.architectures)
            .set_timeout(deployed.timeout)
            .environment(Environment::builder().set_variables(variables).build())
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

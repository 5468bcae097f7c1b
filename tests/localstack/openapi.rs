//! The API as its document has it: every route called with whatever the document allows, and with what it does not.

use std::{path::Path, process::Command};

use domain::{api_key::Role, provider::Provider};
use serde_json::json;

use crate::driver::Bundle;

#[tokio::test]
async fn every_route_answers_whatever_comes_as_the_document_says() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let books = bundle.simulator.books_of(Provider::QuickBooks, (2, 3)).await;
    let connection = tenant.connect_to(&books, true).await;
    let ordered =
        json!({ "tenantId": connection.tenant.id, "provider": "quickbooks", "operation": "sync_all" });
    let job = bundle.post("/api/jobs", &ordered).await.expect(202);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let schemathesis = edge::config::environment("SCHEMATHESIS");
    let schemathesis = schemathesis.expect("SCHEMATHESIS is not set to the program: `make test` installs it");

    let mut command = Command::new(schemathesis);
    command
        .current_dir(root.join("tests/openapi"))
        .args(["--config-file", "schemathesis.toml", "run", "../../docs/openapi.json", "--checks", "all"])
        .env("API_URL", bundle.url(""))
        .env("HOOKS", "hooks.py")
        .env("ADMIN_API_KEY", bundle.key(Role::Admin, None).await)
        .env("CONNECTION", &connection.id)
        .env("COMPANY", connection.realm())
        .env("JOB", job["jobId"].as_str().unwrap());
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();

    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{told}\n{}", String::from_utf8_lossy(&ended.stderr));
}

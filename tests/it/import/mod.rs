//! Rows of other systems, sent as a product's backend or the command line sends them.

mod again;
mod door;
mod formats;
mod grants;
mod rows;
mod verify;

use std::sync::Arc;

use domain::{
    api_key::Role,
    authorization::Companies,
    connection::{Connection, ConnectionKey},
    id::TenantId,
    import::{Importer, Locations},
    provider::Provider,
};
use lambda_http::http::StatusCode;
use providers::zoho::DataCentres;
use serde_json::{Value, json};
use tests::{memory::InProcessRefresh, sample};

use crate::{api_world::ApiWorld, world::World};

/// An organization of Xero's.
pub(crate) const XERO: &str = "5ddf5a2e-3e3b-4e8b-9d3c-1f0c2c7c1a01";
/// Another.
pub(crate) const XERO_TOO: &str = "5ddf5a2e-3e3b-4e8b-9d3c-1f0c2c7c1a02";
const REALM: &str = "4620816365";

impl World {
    /// Brings connections in from other systems, for these tenants.
    pub(crate) fn importer(&self) -> Importer {
        let companies = |name| (name, self.companies.clone() as Arc<dyn Companies>);
        let centres = DataCentres::default();
        Importer {
            placer: self.placer(),
            companies: Provider::ALL.map(companies).into(),
            refresh: Arc::new(InProcessRefresh(self.refresher.clone())),
            bus: self.bus.clone(),
            locations: Locations {
                known: centres.locations().cloned().collect(),
                default: centres.beginning().location.clone(),
            },
        }
    }
}

/// A tenant that other systems' rows are about, and the API for a key of all tenants.
struct Importing {
    world: World,
    tenant: TenantId,
    api: ApiWorld,
}

impl Importing {
    async fn new() -> Self {
        let (world, tenant) = (World::new(), sample::tenant());
        world.tenant(&tenant, |_| {});
        let api = ApiWorld::new(&world, Role::Operator, None).await;
        Self { world, tenant, api }
    }

    /// A row with tokens as they are.
    fn row(&self, refresh: &str) -> Value {
        json!({
            "tenantId": self.tenant, "provider": "quickbooks", "providerCompanyId": REALM,
            "tokens": {"format": "plain", "refreshToken": refresh},
        })
    }

    /// The same, with a key that is bound to the tenant.
    async fn bound() -> Self {
        let importing = Self::new().await;
        let api = ApiWorld::new(&importing.world, Role::Operator, Some(&importing.tenant)).await;
        Self { api, ..importing }
    }

    async fn send(&self, body: Value) -> (StatusCode, Value) {
        self.api.call("POST", "/api/import", Some(body)).await
    }

    /// Sends rows, and gives the report.
    async fn import(&self, rows: Value) -> Value {
        self.import_with(json!({"rows": rows})).await
    }

    async fn import_with(&self, body: Value) -> Value {
        let (status, report) = self.send(body).await;
        assert_eq!(status, StatusCode::OK, "{report}");
        report
    }

    fn key(&self, result: &Value) -> ConnectionKey {
        let connection = result["connectionId"].as_str().unwrap().parse().unwrap();
        ConnectionKey { tenant: self.tenant.clone(), connection }
    }

    async fn connection(&self, report: &Value) -> Connection {
        self.world.find(&self.key(&report["results"][0])).await
    }

    /// The refresh token that a connection holds.
    async fn refresh_token(&self, connection: &Connection) -> String {
        let tokens = connection.tokens.as_ref().unwrap();
        let opened = self.world.refresher.sealer.open_refresh(connection, tokens).await.unwrap();
        opened.token.expose().to_owned()
    }

    /// How many connections the tenant has.
    async fn count(&self) -> usize {
        let (_, body) = self.api.call("GET", "/api/connections", None).await;
        body["connections"].as_array().unwrap().len()
    }
}

/// A row with another value at a place.
fn with(mut row: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    row.pointer_mut(parent).unwrap()[name] = value;
    row
}

/// The status of each row, with the code of those that failed.
fn results(report: &Value) -> Vec<String> {
    let text = |result: &Value| {
        let status = result["status"].as_str().unwrap().to_owned();
        result["code"].as_str().map_or(status.clone(), |code| format!("{status} {code}"))
    };
    report["results"].as_array().unwrap().iter().map(text).collect()
}

//! Companies that several tenants are connected to, where the configuration allows it.

use domain::{
    authorization::{Connector, Placer},
    connection::{ConnectionKey, ConnectionStore as _},
    id::TenantId,
    provider::Provider,
};
use tests::{Revoked, sample};

use crate::{
    grants::company,
    world::{REDIRECT_URI, World},
};

const REALM: &str = "4711";

/// Two tenants connected to one company.
async fn shared(world: &World) -> Vec<ConnectionKey> {
    let mut keys = vec![];
    for tenant in [sample::tenant(), sample::tenant()] {
        keys.push(connect(world, &tenant, true).await);
    }
    keys
}

async fn connect(world: &World, tenant: &TenantId, shared_companies: bool) -> ConnectionKey {
    let state = format!("state of {tenant} {shared_companies}");
    world.begun(tenant, &state, "browser").await;
    let placer = Placer { shared_companies, ..world.placer() };
    let connector = Connector { placer, ..world.connector() };
    let callback = World::callback(Provider::QuickBooks, &state, Some("browser"), Some(REALM));
    connector.complete(callback, REDIRECT_URI).await.unwrap().key
}

async fn live(world: &World) -> Vec<ConnectionKey> {
    let company = company(Provider::QuickBooks, REALM).provider_id;
    let routes = world.connections.find_routes(Provider::QuickBooks, &company).await.unwrap();
    let mut live: Vec<_> =
        routes.into_iter().filter(|route| !route.released).map(|route| route.key).collect();
    live.sort();
    live
}

#[tokio::test]
async fn a_company_is_shared_where_the_configuration_says_so() {
    let world = World::new();
    let mut keys = shared(&world).await;
    keys.sort();

    assert_eq!(live(&world).await, keys);
}

#[tokio::test]
async fn a_tenant_that_leaves_a_shared_company_leaves_it_to_the_others() {
    let world = World::new();
    let keys = shared(&world).await;

    world.disconnect(&keys[0], None).await;

    assert_eq!(live(&world).await, [keys[1].clone()]);
    let asked = world.revocation.asked();
    let [Revoked::Grant { companies, .. }] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(companies, &[], "no company ends at the provider that another tenant is connected to");
}

#[tokio::test]
async fn what_a_tenant_has_stays_its_own_when_sharing_is_no_longer_allowed() {
    let world = World::new();
    let keys = shared(&world).await;

    assert_eq!(connect(&world, &keys[0].tenant, false).await, keys[0]);

    assert_eq!(live(&world).await.len(), 2);
}

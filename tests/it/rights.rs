//! Rights that end: nobody hands on what they have no more, and no two changes at a time leave more than the later one gave.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use api::TenancyStores;
use async_trait::async_trait;
use domain::{
    api_key::{ApiKeyStore as _, NewApiKey, Role},
    id::{TenantId, UserId},
    secret::ApiKeyText,
    store::StoreError,
    user::{PutUser, User, UserStore},
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::{memory::InMemoryUsers, sample};
use tokio::sync::Notify;

use crate::{
    api_world::ApiWorld,
    door::{Door, STATUS, id_of, new_key, request, send},
    world::World,
};

/// What gives rights: a key, a key in place of another, a role.
fn gifts(tenant: &TenantId, own: &ApiKeyText) -> [(&'static str, String, Value); 3] {
    [
        ("POST", "/api/keys".to_owned(), json!({"name": "n", "scopes": ["tokens:read"], "tenantId": tenant})),
        ("POST", format!("/api/keys/{}/rotate", id_of(own)), json!({})),
        ("PUT", format!("/api/tenants/{tenant}/users/ann"), json!({"role": "admin"})),
    ]
}

#[tokio::test]
async fn a_key_gives_nothing_that_it_has_lost_also_where_it_is_remembered() {
    let door = Door::new().await;
    let (tenant, elsewhere) = (door.tenant().await, door.another_instance().await);
    let ann = format!("/api/tenants/{tenant}/users/ann");
    door.admin("PUT", &ann, json!({"role": "admin"})).await.expect(201);
    let body = json!({"name": "n", "role": "admin", "tenantId": tenant, "userId": "ann"});
    let key =
        ApiKeyText::new(door.admin("POST", "/api/keys", body).await.expect(201)["key"].as_str().unwrap());
    send(&elsewhere, request("GET", STATUS, None), Some(key.expose())).await.expect(200);

    door.admin("PUT", &ann, json!({"role": "viewer"})).await.expect(200);
    for (method, path, body) in gifts(&tenant, &key) {
        let refused = send(&elsewhere, request(method, &path, Some(body)), Some(key.expose())).await;
        assert_eq!(refused.refusal(), (403, "AUTH_SCOPE_MISSING"), "{method} {path}");
    }
    assert_eq!(door.keys.find(&id_of(&key)).await.unwrap().unwrap().scopes, Role::Viewer.scopes());
}

#[tokio::test]
async fn a_revoked_key_leaves_no_other_behind_where_it_is_remembered() {
    let door = Door::new().await;
    let (tenant, elsewhere) = (door.tenant().await, door.another_instance().await);
    for (method, path, body) in gifts(&tenant, &door.admin) {
        let key = door.key(Role::Admin, None).await;
        send(&elsewhere, request("GET", STATUS, None), Some(key.expose())).await.expect(200);
        door.admin("DELETE", &format!("/api/keys/{}", id_of(&key)), Value::Null).await.expect(200);

        let refused = send(&elsewhere, request(method, &path, Some(body)), Some(key.expose())).await;
        assert_eq!(refused.refusal(), (401, "AUTH_API_KEY_INVALID"), "{method} {path}");
    }
}

/// Users, where the first who puts one is held up right behind it.
#[derive(Default)]
struct HeldUp {
    users: InMemoryUsers,
    met: AtomicBool,
    is_put: Notify,
    goes_on: Notify,
}

#[async_trait]
impl UserStore for HeldUp {
    async fn put(&self, user: &User, limit: u64) -> Result<PutUser, StoreError> {
        let put = self.users.put(user, limit).await?;
        if !self.met.swap(true, Ordering::Relaxed) {
            self.is_put.notify_one();
            self.goes_on.notified().await;
        }
        Ok(put)
    }

    async fn find(&self, tenant: &TenantId, id: &UserId) -> Result<Option<User>, StoreError> {
        self.users.find(tenant, id).await
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<User>, StoreError> {
        self.users.list(tenant).await
    }

    async fn remove(&self, tenant: &TenantId, id: &UserId) -> Result<bool, StoreError> {
        self.users.remove(tenant, id).await
    }

    async fn clear(&self, tenant: &TenantId) -> Result<(), StoreError> {
        self.users.clear(tenant).await
    }
}

/// A user's key, after somebody gave the user the role of an administrator and was overtaken by another role.
async fn overtaken(from: Role, to: Role) -> Vec<domain::api_key::Scope> {
    let (world, tenant) = (World::new(), sample::tenant());
    world.tenant(&tenant, |_| {});
    let users = Arc::<HeldUp>::default();
    let id: UserId = "ann".parse().unwrap();
    let ann = User { id: id.clone(), tenant: tenant.clone(), role: from, created_at: sample::NOW };
    users.users.put(&ann, 1).await.unwrap();
    let new = NewApiKey {
        scopes: from.scopes(),
        tenant: Some(tenant.clone()),
        user: Some(id.clone()),
        ..new_key()
    };
    let (key, _) = new.issue("test", sample::NOW, &domain::entropy::SystemEntropy);
    assert!(world.api_keys.insert(&key).await.unwrap());
    let stores = TenancyStores { users: users.clone(), ..ApiWorld::stores(&world) };
    let (deps, text) = ApiWorld::deps_over(&world, (Role::Admin, None), stores).await;
    let api = ApiWorld::of(deps, text);
    let path = format!("/api/tenants/{tenant}/users/ann");
    let save = async |role: &str| api.call("PUT", &path, Some(json!({ "role": role }))).await.0;

    let overtakes = async {
        users.is_put.notified().await;
        assert_eq!(save(to.as_str()).await, StatusCode::OK);
        users.goes_on.notify_one();
    };
    let (slow, ()) = tokio::join!(save("admin"), overtakes);

    assert_eq!(slow, StatusCode::OK);
    assert_eq!(users.find(&tenant, &id).await.unwrap().unwrap().role, to);
    world.api_keys.find(&key.id).await.unwrap().unwrap().scopes
}

#[tokio::test]
async fn of_two_roles_at_a_time_a_users_keys_have_no_more_than_the_one_that_stands() {
    assert_eq!(overtaken(Role::Viewer, Role::Viewer).await, Role::Viewer.scopes());
    assert_eq!(overtaken(Role::Operator, Role::Viewer).await, Role::Viewer.scopes());
}

//! Every route: where it is, what it takes and who answers it, and what the OpenAPI document says of it, in one table.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler as _,
    middleware,
    routing::{self, MethodRouter},
};
use domain::api_key::Scope;
use utoipa::OpenApi;

use crate::{
    Deps, audit, breakers, call, confirm, connect_sessions, connection_history, connections, deliveries,
    disconnect, explain, health, history, jobs, keys, openapi::Common, proxy, queues, records,
    tenant_changes, tenants, token_issue, token_refresh, tokens, usage, users,
};

/// A path, its methods with the scope that each takes and who answers it, and behind the path the greatest body where it is
/// not that of all others.
macro_rules! routes {
    ($($path:literal $(up to $limit:path)?: $($method:ident($scope:ident) $module:ident :: $handler:ident),+;)+) => {
        /// Every route that takes a key.
        pub(crate) fn routes() -> Router<Arc<Deps>> {
            Router::new()$(.route(
                $path,
                MethodRouter::new()
                    $(.merge(routing::$method(
                        $module::$handler.layer(middleware::from_fn_with_state(Scope::$scope, call::with_scope)),
                    )))+
                    $(.layer(DefaultBodyLimit::max($limit)))?,
            ))+
        }

        /// The method, in lower case, the path and the scope of every route; `any` for those that take all methods of a
        /// proxy.
        pub const ROUTES: &[(&str, &str, Scope)] =
            &[$($((stringify!($method), $path, Scope::$scope)),+),+];

        /// The OpenAPI document, made from the types of requests and answers.
        #[derive(OpenApi)]
        #[openapi(paths($($($module::$handler),+),+), modifiers(&Common))]
        pub struct Document;
    };
}

routes! {
    "/api/audit": get(AuditRead) audit::list;
    "/api/breakers": get(OperationsRead) breakers::list;
    "/api/tenants": get(TenantsRead) tenants::list, post(TenantsWrite) tenants::create;
    "/api/tenants/{tenant}": get(TenantsRead) tenants::show, patch(TenantsWrite) tenant_changes::update, delete(TenantsWrite) tenant_changes::remove;
    "/api/tenants/{tenant}/users": get(TenantsRead) users::list;
    "/api/tenants/{tenant}/users/{user}": put(TenantsWrite) users::save, delete(TenantsWrite) users::remove;
    "/api/usage": get(UsageRead) usage::show;
    "/api/connect-sessions": post(ConnectionsWrite) connect_sessions::open;
    "/api/connections": get(ConnectionsRead) connections::list;
    "/api/connections/{connection}": get(ConnectionsRead) connections::show, delete(ConnectionsWrite) disconnect::disconnect;
    "/api/connections/{connection}/confirm": post(ConnectionsWrite) confirm::confirm;
    "/api/connections/{connection}/explain": get(ConnectionsRead) explain::show;
    "/api/connections/{connection}/history": get(TokensRead) connection_history::show;
    "/api/connections/{connection}/history/verification": get(TokensRead) connection_history::verify;
    "/api/connections/{connection}/token": get(TokensIssue) token_issue::show;
    "/api/jobs": post(SyncWrite) jobs::create;
    "/api/jobs/{job}": get(SyncRead) jobs::show;
    "/api/keys": get(KeysWrite) keys::list, post(KeysWrite) keys::create;
    "/api/keys/{key}": get(KeysWrite) keys::show, delete(KeysWrite) keys::revoke;
    "/api/keys/{key}/rotate": post(KeysWrite) keys::rotate;
    "/api/proxy/{connection}/{*path}" up to proxy::MAX_BODY: any(ProxyUse) proxy::call;
    "/api/queues": get(OperationsRead) queues::show;
    "/api/records/{entity}": get(SyncRead) records::list;
    "/api/tokens/status": get(TokensRead) tokens::status;
    "/api/tokens/refresh/{provider}": post(TokensWrite) token_refresh::refresh;
    "/api/tokens/history/{provider}": get(TokensRead) history::show;
    "/api/tokens/health": get(TokensRead) health::show;
    "/api/webhooks/deliveries": get(OperationsRead) deliveries::list;
    "/api/webhooks/deliveries/{delivery}": get(OperationsRead) deliveries::show;
}

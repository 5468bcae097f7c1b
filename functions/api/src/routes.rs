//! Every route: where it is, and who answers it, in one table.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{self, MethodRouter},
};

use crate::{
    Deps, audit, breakers, confirm, connect_sessions, connection_history, connections, deliveries,
    disconnect, explain, health, history, jobs, proxy, queues, records, tenants, token_issue, token_refresh,
    tokens,
};

/// A path, its methods with who answers them, and behind the path the greatest body where it is not that of all others.
macro_rules! routes {
    ($($path:literal $(up to $limit:path)?: $($method:ident $module:ident :: $handler:ident),+;)+) => {
        /// Every route that takes a key.
        pub(crate) fn routes() -> Router<Arc<Deps>> {
            Router::new()$(.route(
                $path,
                MethodRouter::new()
                    $(.merge(routing::$method($module::$handler)))+
                    $(.layer(DefaultBodyLimit::max($limit)))?,
            ))+
        }

        /// The method, in lower case, and the path of every route; `any` for those that take all methods of a proxy.
        pub const ROUTES: &[(&str, &str)] = &[$($((stringify!($method), $path)),+),+];
    };
}

routes! {
    "/api/audit": get audit::list;
    "/api/breakers": get breakers::list;
    "/api/tenants": post tenants::create;
    "/api/connect-sessions": post connect_sessions::open;
    "/api/connections": get connections::list;
    "/api/connections/{connection}": get connections::show, delete disconnect::disconnect;
    "/api/connections/{connection}/confirm": post confirm::confirm;
    "/api/connections/{connection}/explain": get explain::show;
    "/api/connections/{connection}/history": get connection_history::show;
    "/api/connections/{connection}/history/verification": get connection_history::verify;
    "/api/connections/{connection}/token": get token_issue::show;
    "/api/jobs": post jobs::create;
    "/api/jobs/{job}": get jobs::show;
    "/api/proxy/{connection}/{*path}" up to proxy::MAX_BODY: any proxy::call;
    "/api/queues": get queues::show;
    "/api/records/{entity}": get records::list;
    "/api/tokens/status": get tokens::status;
    "/api/tokens/refresh/{provider}": post token_refresh::refresh;
    "/api/tokens/history/{provider}": get history::show;
    "/api/tokens/health": get health::show;
    "/api/webhooks/deliveries": get deliveries::list;
    "/api/webhooks/deliveries/{delivery}": get deliveries::show;
}

//! The HTTP server: starts on 127.0.0.1, serves every provider under its prefix, stops when told.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    chance::EntropyError,
    control, intuit,
    options::Options,
    outbound::ClientError,
    traffic,
    wire::{CuttableListener, Wire},
    world::{World, WorldError},
    xero, zoho,
};

/// How long open connections may go on after the simulator was told to stop.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);
/// How often webhook retries that fell due by the ticking clock are looked for.
const RETRY_TICK: Duration = Duration::from_millis(250);

/// A running simulator. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Simulator {
    base_url: String,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

/// A simulator could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The HTTP client for webhooks could not be built.
    #[error(transparent)]
    Client(ClientError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Entropy(EntropyError),
}

impl Simulator {
    /// Starts a simulator on 127.0.0.1; it accepts connections when this returns.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let port = options.port;
        let listening = |source| StartError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let world = Arc::new(World::new(options)?);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(retry_webhooks(Arc::clone(&world), stopped.clone()));
        let app = router(world).into_make_service_with_connect_info::<Wire>();
        let mut until = stopped;
        let server = axum::serve(CuttableListener::new(listener), app).with_graceful_shutdown(async move {
            // An error means that the handle was dropped: a reason to stop as well.
            drop(until.wait_for(|stop| *stop).await);
        });
        let server = tokio::spawn(server.into_future());
        Ok(Self { base_url: format!("http://{address}"), stop, server })
    }

    /// Returns the address of the server, such as `http://127.0.0.1:9400`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Stops accepting connections and waits a short while for the open ones.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(SHUTDOWN_PATIENCE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl From<WorldError> for StartError {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::Client(error) => Self::Client(error),
            WorldError::Entropy(error) => Self::Entropy(error),
        }
    }
}

fn router(world: Arc<World>) -> Router {
    Router::new()
        .nest("/_control", control::router())
        .nest("/intuit", intuit::router())
        .nest("/xero", xero::router())
        .nest("/zoho", zoho::router())
        .layer(from_fn_with_state(Arc::clone(&world), traffic::observe))
        .with_state(world)
}

async fn retry_webhooks(world: Arc<World>, mut stopped: watch::Receiver<bool>) {
    // Ends when the simulator stops or its handle is dropped.
    while tokio::time::timeout(RETRY_TICK, stopped.changed()).await.is_err() {
        world.deliver_due().await;
    }
}

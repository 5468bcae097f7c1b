//! A way to the stack's tables on which a test decides what becomes of each request.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Where a settlement names the token set that it stores; a lease names none.
const NEW_TOKENS: &str = ":tok";
/// What a table answers that fails.
const FAILURE: &str =
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"refused"}"#;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Pass,
    /// It is carried out, and its answer is lost.
    Lose,
    /// It is not carried out, and answered with a failure of the table.
    Refuse,
    /// It is not carried out, and never answered.
    Hold,
}

/// One request.
pub(crate) struct Request {
    operation: String,
    body: Value,
}

impl Request {
    /// Whether it is the settlement that stores a new token set.
    pub(crate) fn stores_tokens(&self) -> bool {
        self.operation == "UpdateItem" && self.body["ExpressionAttributeValues"].get(NEW_TOKENS).is_some()
    }
}

/// Decides what becomes of a request.
type Decide = dyn Fn(&Request) -> Fate + Send + Sync;

/// A way to the stack's tables.
pub(crate) struct Way {
    pub(crate) address: String,
    met: Arc<Mutex<Vec<Fate>>>,
}

impl Way {
    /// Opens a way to the server at `endpoint`.
    pub(crate) async fn to(
        endpoint: &str,
        decide: impl Fn(&Request) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let upstream = endpoint.strip_prefix("http://").unwrap().replace("localhost", "127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (met, decide) = (Arc::new(Mutex::new(vec![])), Arc::new(decide));
        let noted = met.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, decide, noted) = (upstream.clone(), decide.clone(), noted.clone());
                // Whoever is killed breaks off in the middle.
                tokio::spawn(async move { drop(serve(client, &upstream, (&*decide, &noted)).await) });
            }
        });
        Self { address, met }
    }

    /// How many requests met a fate.
    pub(crate) fn met(&self, fate: Fate) -> usize {
        self.met.lock().unwrap().iter().filter(|met| **met == fate).count()
    }

    /// Forgets what was met so far.
    pub(crate) fn forget(&self) {
        self.met.lock().unwrap().clear();
    }
}

/// Reads one request and lets it meet its fate; the next comes over another connection.
async fn serve(
    mut client: TcpStream,
    upstream: &str,
    (decide, met): (&Decide, &Mutex<Vec<Fate>>),
) -> io::Result<()> {
    let mut bytes = vec![];
    let request = loop {
        if let Some(request) = whole(&bytes) {
            break request;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let fate = decide(&request);
    met.lock().unwrap().push(fate);
    match fate {
        Fate::Pass => client.write_all(&carried_out(bytes, upstream).await?).await,
        Fate::Lose => carried_out(bytes, upstream).await.map(drop),
        Fate::Refuse => {
            let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/x-amz-json-1.0";
            let length = FAILURE.len();
            let answer = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{FAILURE}");
            client.write_all(answer.as_bytes()).await
        }
        Fate::Hold => {
            while client.read_buf(&mut bytes).await? > 0 {}
            Ok(())
        }
    }
}

/// Sends a request on, over a connection of its own; gives the answer.
async fn carried_out(mut request: Vec<u8>, upstream: &str) -> io::Result<Vec<u8>> {
    let line = request.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    request.splice(line..line, *b"Connection: close\r\n");
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&request).await?;
    let mut answer = vec![];
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The request, once all of it has come.
fn whole(bytes: &[u8]) -> Option<Request> {
    let at = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8_lossy(&bytes[..at]), &bytes[at + 4..]);
    let header = |wanted: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    if body.len() < length {
        return None;
    }
    let target = header("x-amz-target").unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    Some(Request { operation, body: serde_json::from_slice(body).unwrap_or_default() })
}

//! A server of scripted bytes: for answers that no proper server gives.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

/// What is done with one request.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// The bytes beside the first of these texts that stands in the request line; none answers what has none.
    ByLine(Vec<(&'static str, Vec<u8>)>),
    /// Nothing for longer than any client waits.
    Silence,
}

/// A server on 127.0.0.1 that does the same with every request.
pub(crate) struct Responder {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Responder {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                heard.lock().unwrap().push(request.clone());
                match &script {
                    // The client may have hung up before the end, which is what some tests are about.
                    Script::Bytes(bytes) => drop(stream.write_all(bytes).await),
                    Script::ByLine(answers) => {
                        let line = request.lines().next().unwrap_or_default();
                        let answer = answers.iter().find(|(text, _)| line.contains(text));
                        drop(stream.write_all(answer.map_or(&[][..], |(_, bytes)| bytes)).await);
                    }
                    Script::Silence => tokio::time::sleep(Duration::from_mins(1)).await,
                }
            }
        });
        Self { address, requests, server }
    }

    /// Answers with a status, headers and a body of the right length.
    pub(crate) async fn answering(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self::start(Script::Bytes(answer(status, headers, body.as_ref()))).await
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The bytes of an answer.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Some\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// How every TLS connection begins.
const TLS_HANDSHAKE: u8 = 0x16;

/// A request as text: head and as much body as it announces; of TLS, which is not spoken here, the beginning.
async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            return text.into_owned();
        }
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= announced.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}

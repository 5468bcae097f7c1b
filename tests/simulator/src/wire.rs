//! The TCP side: connections that can be cut in the middle of an answer, as real networks do.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

const WHOLE: u8 = 0;
const CUT_BEFORE: u8 = 1;
const CUT_HALFWAY: u8 = 2;

/// Pause after a failed accept, so that a full file table does not make the loop spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The handle by which a request cuts its own connection.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    cut: Arc<AtomicU8>,
}

/// A listener whose connections can be cut.
#[derive(Debug)]
pub(crate) struct CuttableListener(TcpListener);

/// A connection that can be cut.
#[derive(Debug)]
pub(crate) struct CuttableStream {
    stream: TcpStream,
    cut: Arc<AtomicU8>,
}

impl Wire {
    /// Resets the connection instead of writing the answer.
    pub(crate) fn cut_before_answer(&self) {
        self.cut.store(CUT_BEFORE, Ordering::SeqCst);
    }

    /// Writes the head and half of the body of the answer, then resets the connection.
    pub(crate) fn cut_halfway(&self) {
        self.cut.store(CUT_HALFWAY, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

impl CuttableListener {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = Wire;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let cut = Arc::new(AtomicU8::new(WHOLE));
                    return (CuttableStream { stream, cut: Arc::clone(&cut) }, Wire { cut });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        // Only the type needs an address; nobody is connected to the listener itself.
        self.0.local_addr().map(|_| Wire { cut: Arc::default() })
    }
}

impl CuttableStream {
    fn reset(&self) -> io::Error {
        // With no lingering the kernel sends RST when the stream is dropped; if that fails, the peer sees a plain close.
        match self.stream.set_zero_linger() {
            Ok(()) => io::Error::from(io::ErrorKind::ConnectionReset),
            Err(error) => error,
        }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.cut.load(Ordering::SeqCst) {
            WHOLE => Pin::new(&mut self.stream).poll_write(cx, buf),
            CUT_HALFWAY => {
                let written =
                    std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, half_of_body(buf)))?;
                self.cut.store(CUT_BEFORE, Ordering::SeqCst);
                Poll::Ready(Ok(written))
            }
            _ => Poll::Ready(Err(self.reset())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.load(Ordering::SeqCst) == CUT_BEFORE {
            return Poll::Ready(Err(self.reset()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Returns the head of an answer and half of its body (or half of a piece without a head).
fn half_of_body(buf: &[u8]) -> &[u8] {
    let body = buf.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    let kept = body + (buf.len() - body) / 2;
    &buf[..kept.max(1).min(buf.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_an_answer_keeps_the_whole_head() {
        assert_eq!(half_of_body(b"HTTP/1.1 200 OK\r\n\r\nabcd"), b"HTTP/1.1 200 OK\r\n\r\nab");
        assert_eq!(half_of_body(b"abcd"), b"ab");
    }
}

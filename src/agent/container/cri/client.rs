//! Questions to a gRPC server behind a Unix socket, as
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> has it: an empty message, and
//! one in return. That is all of gRPC that the CRI's lists need.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, TE};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

/// The most that is read of an answer: a node of 1,000 containers has less than two megabytes.
const ANSWER: usize = 16 << 20;
/// A frame's head: whether it is compressed, and its length.
const HEAD: usize = 5;

/// A connection. It ends when it is dropped.
#[derive(Debug)]
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    /// Connects.
    pub async fn connect(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).await;
        let stream = stream.with_context(|| format!("connecting to {}", socket.display()))?;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the container runtime has ended");
            }
        });
        Ok(Self(sender))
    }

    /// The answer to an empty question.
    pub async fn ask(&mut self, method: &str) -> anyhow::Result<Bytes> {
        let request = Request::post(format!(
            "http://localhost/runtime.v1.RuntimeService/{method}"
        ))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(Full::new(Bytes::from_static(&[0; HEAD])))?;
        let response = self.0.send_request(request).await?;
        let (parts, body) = response.into_parts();
        ensure!(parts.status == StatusCode::OK, "{method}: {}", parts.status);
        let body = Limited::new(body, ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{method}: {error}"))?;
        // An answer without a message has its status in the head.
        check(method, body.trailers().unwrap_or(&parts.headers))?;
        message(&body.to_bytes()).with_context(|| format!("{method}: no whole message"))
    }
}

/// Fails with the server's words unless all is well.
fn check(method: &str, headers: &HeaderMap) -> anyhow::Result<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        Some("0") => Ok(()),
        status => {
            let message = text("grpc-message").unwrap_or_default();
            bail!(
                "{method}: gRPC status {} {message}",
                status.unwrap_or("missing")
            );
        }
    }
}

/// The message in the one frame of an answer.
fn message(frame: &Bytes) -> Option<Bytes> {
    let head: [u8; HEAD] = frame.get(..HEAD)?.try_into().ok()?;
    let [compressed, length @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    let end = HEAD.checked_add(length)?;
    (compressed == 0 && frame.len() >= end).then(|| frame.slice(HEAD..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_a_message_if_it_is_whole() {
        for (frame, expected) in [
            (&b"\0\0\0\0\x02hi"[..], Some(&b"hi"[..])),
            (b"\0\0\0\0\0", Some(b"")),
            (b"\0\0\0\0\x03hi", None),
            (b"\x01\0\0\0\x02hi", None),
            (b"\0\xff\xff\xff\xff", None),
            (b"\0\0", None),
        ] {
            let told = message(&Bytes::from_static(frame));
            assert_eq!(told.as_deref(), expected, "{frame:?}");
        }
    }

    #[test]
    fn a_refusal_has_the_servers_words() {
        let mut headers = HeaderMap::new();
        assert!(
            check("X", &headers)
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
        headers.insert("grpc-status", "12".parse().unwrap());
        headers.insert("grpc-message", "unknown service".parse().unwrap());
        let error = check("X", &headers).unwrap_err().to_string();
        assert_eq!(error, "X: gRPC status 12 unknown service");
        headers.insert("grpc-status", "0".parse().unwrap());
        assert!(check("X", &headers).is_ok());
    }
}

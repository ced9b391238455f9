//! HTTP over any stream.

use std::pin::pin;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncWrite};

use super::BackendError;

/// The largest answer that is read: the listing of 10,000 rules stays well below.
const BODY: usize = 32 * 1024 * 1024;

/// A port-forward that ends with its owner, also when the exchange is given up half-way.
pub struct Forward(pub Portforwarder);

impl Drop for Forward {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One exchange over a stream, which is closed afterwards.
pub async fn http<S>(
    stream: S,
    port: u16,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), BackendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| BackendError::Unreachable {
        port,
        cause: error.to_string(),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        Ok((status, read(response.into_body(), port).await?))
    };
    let mut exchange = pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What the connection read before it ended is still handed over, and so is its error.
        _ = connection => exchange.await,
    }
}

/// The whole body, as long as it is not too large.
async fn read(body: Incoming, port: u16) -> Result<Bytes, BackendError> {
    let collected = Limited::new(body, BODY).collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                BackendError::Unreadable(format!("longer than {BODY} bytes"))
            } else {
                let cause = error.to_string();
                BackendError::Unreachable { port, cause }
            }
        })
}

//! The endpoints both halves serve about themselves: `/livez`, `/readyz`, `/metrics`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio_util::sync::CancellationToken;

/// How long requests under way may take after the stop. Short, since a client that never
/// finishes its request would otherwise hold the process until the kubelet kills it.
const GRACE: Duration = Duration::from_secs(5);

/// Named conditions that must all be true before the process is ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<Vec<Condition>>>,
}

#[derive(Debug)]
struct Condition {
    name: &'static str,
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Adds a condition, false until its handle says otherwise.
    #[must_use = "the condition stays false until its handle sets it"]
    pub fn register(&self, name: &'static str) -> ReadinessHandle {
        let ready = Arc::new(AtomicBool::new(false));
        let handle = ReadinessHandle {
            ready: ready.clone(),
        };
        self.conditions().push(Condition { name, ready });
        handle
    }

    /// The names of the conditions that are not true yet, in the order of their registration.
    pub fn pending(&self) -> Vec<&'static str> {
        self.conditions()
            .iter()
            .filter(|condition| !condition.ready.load(Ordering::Acquire))
            .map(|condition| condition.name)
            .collect()
    }

    fn conditions(&self) -> std::sync::MutexGuard<'_, Vec<Condition>> {
        // The list is whole even if a thread died holding the lock: a push is all that happens.
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets one condition of a [`Readiness`].
#[derive(Clone, Debug)]
pub struct ReadinessHandle {
    ready: Arc<AtomicBool>,
}

impl ReadinessHandle {
    /// Says whether the condition holds from now on.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}

/// The admin routes: `/livez` always answers, `/readyz` answers 503 and names what is pending
/// until everything is ready, `/metrics` shows the registry.
pub fn router(readiness: Readiness, registry: Registry) -> axum::Router {
    let ready = axum::Router::new()
        .route("/readyz", get(readyz))
        .with_state(readiness);
    let metrics = axum::Router::new()
        .route("/metrics", get(metrics))
        .with_state(registry);
    axum::Router::new()
        .route("/livez", get(async || "ok\n"))
        .merge(ready)
        .merge(metrics)
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let pending = readiness.pending();
    if pending.is_empty() {
        return "ready\n".into_response();
    }
    let waiting = format!("waiting for: {}\n", pending.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, waiting).into_response()
}

async fn metrics(State(registry): State<Registry>) -> Response {
    let encoder = TextEncoder::new();
    let mut body = Vec::new();
    match encoder.encode(&registry.gather(), &mut body) {
        Ok(()) => (
            [(header::CONTENT_TYPE, encoder.format_type().to_owned())],
            body,
        )
            .into_response(),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("metrics: {error}\n"),
        )
            .into_response(),
    }
}

/// Serves until `stop` is cancelled, then lets the requests under way finish for a few seconds.
///
/// # Errors
/// When the listener fails.
pub async fn serve<L>(
    listener: L,
    router: axum::Router,
    stop: CancellationToken,
) -> std::io::Result<()>
where
    L: axum::serve::Listener<Addr = std::net::SocketAddr>,
{
    let out_of_patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let server =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        result = server.into_future() => result,
        () = out_of_patience => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tokio::net::TcpListener;
    use tower::ServiceExt;

    async fn get(router: &axum::Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_what_is_pending_until_every_condition_holds() {
        let readiness = Readiness::default();
        let caches = readiness.register("caches");
        let lease = readiness.register("lease");
        let router = router(readiness.clone(), Registry::new());

        let (status, body) = get(&router, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body, "waiting for: caches, lease\n");

        caches.set(true);
        assert_eq!(readiness.pending(), ["lease"]);
        lease.clone().set(true);
        assert_eq!(
            get(&router, "/readyz").await,
            (StatusCode::OK, "ready\n".into())
        );

        caches.set(false);
        assert_eq!(
            get(&router, "/readyz").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }

    #[tokio::test]
    async fn liveness_does_not_wait_for_readiness() {
        let readiness = Readiness::default();
        let handle = readiness.register("never");
        let (status, _) = get(&router(readiness, Registry::new()), "/livez").await;
        assert_eq!(status, StatusCode::OK);
        drop(handle);
    }

    #[tokio::test]
    async fn metrics_show_the_registry_that_was_passed_in() {
        let registry = Registry::new();
        crate::telemetry::build_info(&registry).unwrap();
        let (status, body) = get(&router(Readiness::default(), registry), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        let expected = format!(
            "masthead_build_info{{version=\"{}\"}} 1",
            crate::telemetry::VERSION
        );
        assert!(body.contains(&expected), "{body}");
    }

    #[tokio::test]
    async fn serving_ends_when_it_is_told_to_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        let router = router(Readiness::default(), Registry::new());
        let server = tokio::spawn(serve(listener, router, stop.clone()));
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(2), server)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

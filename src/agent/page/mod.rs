//! The page: this node at a glance, in a browser, from the agent alone.
//!
//! ```text
//! gathers, for scrapes or for viewers ─► Table::record ─► the last minutes, bounded
//!                                                              │
//! a viewer ─► live: a gather each two seconds while somebody looks ─► frames ─► each viewer
//! ```
//!
//! A part of the agent that wants to be seen is a [`Source`]: it records into tables, and the page
//! draws whatever tables there are. With no viewer nothing runs here.

pub mod host;
mod live;
pub mod shape;
pub mod table;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;

pub use live::Page;
pub use table::Table;

const HTML: &str = include_str!("index.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing but the page's own files and its own events; and nobody frames it. Names of pods are
/// written by others, so even if one became markup, it could run nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A part of the agent that shows itself on the page.
pub trait Source: Send + Sync {
    /// What it shows. The tables stay the same for as long as it runs.
    fn tables(&self) -> Vec<Arc<Table>>;

    /// Records what is so now. Called each two seconds while somebody looks, so what is dear to
    /// ask for is asked for more seldom, or comes with the scrapes alone.
    fn refresh(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// The page's own paths.
pub fn router(page: Arc<Page>) -> axum::Router {
    axum::Router::new()
        .route("/", get(async || file("text/html; charset=utf-8", HTML)))
        .route(
            "/page.css",
            get(async || file("text/css; charset=utf-8", STYLE)),
        )
        .route(
            "/page.js",
            get(async || file("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/events", get(events))
        .with_state(page)
}

fn file(kind: &'static str, content: &'static str) -> Response {
    with_headers(kind, Body::from(content))
}

async fn events(State(page): State<Arc<Page>>) -> Response {
    with_headers("text/event-stream", Body::from_stream(page.watch()))
}

fn with_headers(kind: &'static str, body: Body) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // An upgraded agent has another script.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (headers, body).into_response()
}

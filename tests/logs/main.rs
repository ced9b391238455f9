//! The agent's logs under every fault that a node has to offer: the real binary, real files, real
//! signals, and a strict stand-in for Loki that counts. In each of them nothing may be lost, and
//! what comes twice must be what Loki folds: the same stream, time and line.
//!
//! `MASTHEAD_SOAK=1` runs them at full length (`make soak`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::needless_for_each,
    clippy::redundant_closure_for_method_calls,
    reason = "a test fails by panicking"
)]

#[path = "../support/loki/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::let_underscore_must_use,
    reason = "shared with the benchmarks"
)]
mod loki;

mod agent;
mod checkpoint;
mod churn;
mod disk;
mod docker;
#[path = "../support/dockerd.rs"]
mod dockerd;
mod endpoint;
mod fairness;
mod formats;
mod inode;
mod inotify;
mod kill;
mod node;
mod random;
mod rotation;
mod standin;
mod stop;
mod writer;

/// One of two lengths: the one of `make test`, and the one of `make soak`.
fn length<T>(test: T, soak: T) -> T {
    match std::env::var_os("MASTHEAD_SOAK") {
        Some(_) => soak,
        None => test,
    }
}

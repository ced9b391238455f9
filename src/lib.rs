//! Masthead: one custom resource gives a cluster its whole monitoring.
//!
//! The operator turns a `MonitoringStack` into running workloads, one pure core between two
//! layers of input and output:
//!
//! ```text
//! watch ─► dereference ─► resolve ─► render ─► apply ─► deliver ─► status
//!             (IO)        (pure)    (pure)     (IO)      (IO)       (IO)
//!          controller/    resolve/  render/  controller/ …
//! ```
//!
//! The agent runs on every node and answers scrapes. Both halves share only [`api`],
//! [`admin`] and [`telemetry`].

pub mod admin;
#[cfg(feature = "agent")]
pub mod agent;
pub mod api;
pub mod cli;
#[cfg(feature = "controller")]
pub mod commands;
#[cfg(feature = "controller")]
pub mod controller;
#[cfg(feature = "controller")]
pub mod render;
#[cfg(feature = "controller")]
pub mod resolve;
pub mod telemetry;

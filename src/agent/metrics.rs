//! The agent's metrics about itself, on the admin port.

use prometheus::{Counter, IntCounter, Registry};

/// What the agent counts about its own work.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Scrapes of the node's metrics.
    pub scrapes: IntCounter,
    /// Gathers of the node's metrics; fewer than scrapes where those share one.
    pub gathers: IntCounter,
    /// Time spent in gathers, in seconds.
    pub gather_seconds: Counter,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            scrapes: IntCounter::new(
                "masthead_agent_scrapes_total",
                "Requests for the node's metrics.",
            )?,
            gathers: IntCounter::new(
                "masthead_agent_gathers_total",
                "Gathers of the node's metrics; requests at the same time share one.",
            )?,
            gather_seconds: Counter::new(
                "masthead_agent_gather_seconds_total",
                "Time spent in gathers of the node's metrics, in seconds.",
            )?,
        };
        registry.register(Box::new(metrics.scrapes.clone()))?;
        registry.register(Box::new(metrics.gathers.clone()))?;
        registry.register(Box::new(metrics.gather_seconds.clone()))?;
        Ok(metrics)
    }
}

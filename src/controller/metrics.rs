//! The operator's own metrics.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    process_collector::ProcessCollector,
};

/// The operator's own metrics, registered once.
#[derive(Clone, Debug)]
pub struct Metrics {
    reconciles: IntCounter,
    errors: IntCounterVec,
    duration: Histogram,
    last_success: IntGauge,
    /// Stacks in the operator's reach.
    pub stacks: IntGauge,
    /// 1 while this replica holds the Lease.
    pub leader: IntGauge,
    /// Objects written by server-side apply.
    pub applied: IntCounter,
    /// Objects deleted since nothing renders them any more.
    pub pruned: IntCounter,
    /// Every write to the API server but the Lease's; still while nothing changes.
    pub writes: IntCounter,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            reconciles: IntCounter::new("masthead_reconciles_total", "Reconciles that ended.")?,
            errors: IntCounterVec::new(
                Opts::new("masthead_reconcile_errors_total", "Reconciles that failed."),
                &["reason"],
            )?,
            duration: Histogram::with_opts(
                HistogramOpts::new(
                    "masthead_reconcile_duration_seconds",
                    "How long a reconcile takes.",
                )
                .buckets(vec![0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]),
            )?,
            last_success: IntGauge::new(
                "masthead_last_success_timestamp_seconds",
                "When a reconcile last succeeded.",
            )?,
            stacks: IntGauge::new("masthead_stacks", "MonitoringStacks in reach.")?,
            leader: IntGauge::new("masthead_leader", "1 while this replica holds the Lease.")?,
            applied: IntCounter::new("masthead_objects_applied_total", "Objects applied.")?,
            pruned: IntCounter::new("masthead_objects_pruned_total", "Objects deleted.")?,
            writes: IntCounter::new(
                "masthead_api_writes_total",
                "Writes to the API server but the Lease's.",
            )?,
        };
        metrics.register(registry)?;
        Ok(metrics)
    }

    fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(ProcessCollector::for_self()))?;
        registry.register(Box::new(self.errors.clone()))?;
        registry.register(Box::new(self.duration.clone()))?;
        for counter in [&self.reconciles, &self.applied, &self.pruned, &self.writes] {
            registry.register(Box::new(counter.clone()))?;
        }
        for gauge in [&self.last_success, &self.stacks, &self.leader] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(())
    }

    /// Counts a reconcile: how long it took and, when it failed, the category of the error.
    pub fn reconciled(&self, took: Duration, failure: Option<&str>, now: jiff::Timestamp) {
        self.reconciles.inc();
        self.duration.observe(took.as_secs_f64());
        match failure {
            Some(reason) => self.errors.with_label_values(&[reason]).inc(),
            None => self.last_success.set(now.as_second()),
        }
    }

    /// Counts writes to the API server.
    pub fn wrote(&self, writes: usize) {
        self.writes.inc_by(writes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_itself_costs_is_among_the_metrics() {
        let registry = Registry::new();
        Metrics::new(&registry).unwrap();
        let gathered = registry.gather();
        let names: Vec<_> = gathered
            .iter()
            .map(prometheus::proto::MetricFamily::name)
            .collect();
        for name in ["process_resident_memory_bytes", "process_cpu_seconds_total"] {
            assert!(names.contains(&name), "no {name} in {names:?}");
        }
    }
}

//! `node_kernel_hung_tasks_total`: tasks that the kernel found stuck.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Tasks that slept for two minutes where nothing can wake them (since Linux 6.13).
pub struct KernelHung;

impl Collector for KernelHung {
    fn name(&self) -> &'static str {
        "kernel_hung"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let count = roots
            .proc_number("sys/kernel/hung_task_detect_count")
            .map_err(CollectError::or_absent)?;
        let help = "Total number of tasks that have been detected as hung since the system booted.";
        out.counter("node_kernel_hung_tasks_total", help)
            .sample(&[], count);
        Ok(())
    }
}

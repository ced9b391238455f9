//! `node_entropy_*`: the kernel's pool of randomness.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// The kernel's pool of randomness.
pub struct Entropy;

impl Collector for Entropy {
    fn name(&self) -> &'static str {
        "entropy"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let available = roots.proc_number("sys/kernel/random/entropy_avail")?;
        out.gauge("node_entropy_available_bits", "Bits of available entropy.")
            .sample(&[], available);
        let size = roots.proc_number("sys/kernel/random/poolsize")?;
        out.gauge("node_entropy_pool_size_bits", "Bits of entropy pool.")
            .sample(&[], size);
        Ok(())
    }
}

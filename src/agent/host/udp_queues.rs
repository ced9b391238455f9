//! `node_udp_queues`: memory that waiting datagrams take.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Memory that waiting datagrams take.
pub struct UdpQueues;

impl Collector for UdpQueues {
    fn name(&self) -> &'static str {
        "udp_queues"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let help = "Number of allocated memory in the kernel for UDP datagrams in bytes.";
        let mut family = out.gauge("node_udp_queues", help);
        for (path, file, ip) in [
            ("net/udp", "1/net/udp", "v4"),
            ("net/udp6", "1/net/udp6", "v6"),
        ] {
            let text = roots
                .read_proc_of_init(path)
                .map_err(CollectError::or_absent)?;
            let (transmit, receive) = parse(&text)
                .map_err(|line| CollectError::malformed(file, format!("cannot read {line:?}")))?;
            family.sample(&[("ip", ip), ("queue", "tx")], transmit as f64);
            family.sample(&[("ip", ip), ("queue", "rx")], receive as f64);
        }
        Ok(())
    }
}

/// The sums of all sockets' queues, transmit and receive; or the line that cannot be read.
fn parse(text: &str) -> Result<(u64, u64), &str> {
    let mut sums = (0_u64, 0_u64);
    for line in text.lines().skip(1) {
        let (transmit, receive) = super::tcpstat::queues(line).ok_or(line)?;
        sums.0 = sums.0.saturating_add(transmit);
        sums.1 = sums.1.saturating_add(receive);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queues_are_summed() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr\n\
            0: 0A000005:0016 00000000:0000 0A 00000010:00000001 00:00000000 00000000 0 0 2740 1\n\
            1: 0A000005:0017 00000000:0000 0A 00000001:0000000A 00:00000000 00000000 0 0 2741 1\n";
        assert_eq!(parse(text), Ok((17, 11)));
        assert_eq!(parse("header\n1: x"), Err("1: x"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _parsed = parse(&text);
            let _parsed = parse(&format!("\n0: a b 0A {text}"));
        }
    }
}

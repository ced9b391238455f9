//! `node_tcp_connection_states`: TCP connections by state. Off unless enabled: its cost grows
//! with the number of connections.
//!
//! From `<proc>/1/net/tcp`: netlink, which `node_exporter` asks, would answer for the reader's own
//! network namespace. One figure differs: for a listening socket netlink tells the limit of its
//! backlog where others have the bytes that wait to be sent, and `node_exporter` adds it to them.

use std::collections::BTreeMap;

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// TCP connections by state.
pub struct Tcpstat;

/// By number, from 1 on (include/net/tcp_states.h).
const STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];
/// `TCP_NEW_SYN_RECV`, which is the same to whoever looks from outside.
const NEW_SYN_RECV: usize = 12;

impl Collector for Tcpstat {
    fn name(&self) -> &'static str {
        "tcpstat"
    }

    fn opt_in(&self) -> bool {
        true
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let mut states = BTreeMap::new();
        let mut add = |text: &str, file| {
            parse(text, &mut states)
                .map_err(|line| CollectError::malformed(file, format!("cannot read {line:?}")))
        };
        add(&roots.read_proc_of_init("net/tcp")?, "1/net/tcp")?;
        match roots.read_proc_of_init("net/tcp6") {
            Ok(text) => add(&text, "1/net/tcp6")?,
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
        let mut family = out.gauge("node_tcp_connection_states", "Number of connection states.");
        for (state, count) in states {
            family.sample(&[("state", state)], count as f64);
        }
        Ok(())
    }
}

/// Counts the lines by state and sums their queues; or returns the line that cannot be read.
fn parse<'a>(text: &'a str, states: &mut BTreeMap<&'static str, u64>) -> Result<(), &'a str> {
    for line in text.lines().skip(1) {
        let (state, (transmit, receive)) = state(line).zip(queues(line)).ok_or(line)?;
        for (key, count) in [
            (state, 1),
            ("tx_queued_bytes", transmit),
            ("rx_queued_bytes", receive),
        ] {
            let sum: &mut u64 = states.entry(key).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    Ok(())
}

/// The fourth column, the state's number in hexadecimal.
fn state(line: &str) -> Option<&'static str> {
    let number = usize::from_str_radix(line.split_ascii_whitespace().nth(3)?, 16).ok()?;
    if number == NEW_SYN_RECV {
        return Some("syn_recv");
    }
    Some(STATES.get(number.checked_sub(1)?).unwrap_or(&"unknown"))
}

/// The fifth column, `transmit:receive` in hexadecimal bytes; the same for TCP and UDP.
pub fn queues(line: &str) -> Option<(u64, u64)> {
    let (transmit, receive) = line.split_ascii_whitespace().nth(4)?.split_once(':')?;
    let parse = |hex| u64::from_str_radix(hex, 16).ok();
    parse(transmit).zip(parse(receive))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_counted_by_state_and_queues_summed() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr\n\
            0: 0A000005:0016 00000000:0000 0A 00000010:00000001 00:00000000 00000000 0 0 2740 1\n\
            1: 0A000005:0017 0100000A:0050 01 00000001:0000000A 00:00000000 00000000 0 0 2741 1\n\
            2: 0A000005:0018 0100000A:0050 0C 00000000:00000000 00:00000000 00000000 0 0 2742 1\n";
        let mut states = BTreeMap::new();
        parse(text, &mut states).unwrap();
        let expected = [
            ("established", 1),
            ("listen", 1),
            ("rx_queued_bytes", 11),
            ("syn_recv", 1),
            ("tx_queued_bytes", 17),
        ];
        assert_eq!(states, BTreeMap::from(expected));
        assert_eq!(parse("\n1: x", &mut states), Err("1: x"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), hex in "[0-9a-fA-F]{0,20}") {
            let mut states = BTreeMap::new();
            let _parsed = parse(&text, &mut states);
            let _parsed = parse(&format!("\n0: a b {hex} {hex}:{hex}"), &mut states);
        }
    }
}

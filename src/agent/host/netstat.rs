//! `node_netstat_*`: what the host's protocols count.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::{Exposition, Kind};
use crate::agent::roots::Roots;

/// What IP, ICMP, TCP and UDP count.
pub struct Netstat;

impl Collector for Netstat {
    fn name(&self) -> &'static str {
        "netstat"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let mut writer = Writer {
            out,
            name: String::new(),
            help: String::new(),
        };
        for (path, file) in [("net/netstat", "1/net/netstat"), ("net/snmp", "1/net/snmp")] {
            let text = roots.read_proc_of_init(path)?;
            parse(&text, |protocol, field, value| {
                writer.write(protocol, field, value);
            })
            .map_err(|line| CollectError::malformed(file, format!("cannot read {line:?}")))?;
        }
        match roots.read_proc_of_init("net/snmp6") {
            Ok(text) => parse_six(&text).for_each(|(protocol, field, value)| {
                writer.write(protocol, field, value);
            }),
            // A kernel started with ipv6.disable=1 has no such file.
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

struct Writer<'a> {
    out: &'a mut Exposition,
    name: String,
    help: String,
}

impl Writer<'_> {
    fn write(&mut self, protocol: &str, field: &str, value: f64) {
        if !wanted(protocol, field) {
            return;
        }
        self.name.clear();
        self.help.clear();
        self.name.extend(["node_netstat_", protocol, "_", field]);
        self.help.extend(["Statistic ", protocol, field, "."]);
        self.out
            .family(&self.name, &self.help, Kind::Untyped)
            .sample(&[], value);
    }
}

/// `node_exporter`'s default `^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)
/// |Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue
/// |TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)
/// |Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$`.
fn wanted(protocol: &str, field: &str) -> bool {
    let valid = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let chosen = match protocol {
        "Ip" => field == "Forwarding",
        "Ip6" | "IpExt" => matches!(field, "InOctets" | "OutOctets"),
        "Icmp" | "Icmp6" => matches!(field, "InMsgs" | "OutMsgs"),
        "TcpExt" => {
            field.starts_with("Listen")
                || field.starts_with("Syncookies")
                || matches!(
                    field,
                    "TCPSynRetrans" | "TCPTimeouts" | "TCPOFOQueue" | "TCPRcvQDrop"
                )
        }
        "Tcp" => matches!(
            field,
            "ActiveOpens"
                | "InSegs"
                | "OutSegs"
                | "OutRsts"
                | "PassiveOpens"
                | "RetransSegs"
                | "CurrEstab"
        ),
        "Udp" | "Udp6" => matches!(
            field,
            "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors"
        ),
        _ => false,
    };
    let errors = matches!(field, "InErrors" | "InErrs");
    (chosen || errors) && valid(protocol) && valid(field)
}

/// Pairs of lines, names above values: `Tcp: InSegs OutSegs` and `Tcp: 5 6`. Hands on each
/// protocol, name and value, or returns the line that cannot be read.
fn parse<'a>(text: &'a str, mut found: impl FnMut(&'a str, &'a str, f64)) -> Result<(), &'a str> {
    let mut lines = text.lines();
    while let Some(names) = lines.next() {
        let values = lines.next().ok_or(names)?;
        let (protocol, names) = names.split_once(": ").ok_or(names)?;
        let row = values
            .strip_prefix(protocol)
            .and_then(|rest| rest.strip_prefix(": "))
            .ok_or(values)?;
        let mut numbers = row.split_ascii_whitespace();
        for name in names.split_ascii_whitespace() {
            // Tcp MaxConn may be -1, so they are not all unsigned.
            let number: f64 = numbers.next().and_then(|n| n.parse().ok()).ok_or(values)?;
            found(protocol, name, number);
        }
    }
    Ok(())
}

/// Lines such as `Icmp6InMsgs 1`, as protocol, field and value.
fn parse_six(text: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        let (protocol, field) = name.split_at_checked(name.find('6')? + 1)?;
        let value: u64 = value.trim().parse().ok()?;
        Some((protocol, field, value as f64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Result<Vec<(&str, &str, f64)>, &str> {
        let mut found = Vec::new();
        parse(text, |protocol, field, value| {
            found.push((protocol, field, value));
        })?;
        Ok(found)
    }

    #[test]
    fn names_stand_above_their_values() {
        let text = "Tcp: MaxConn InSegs\nTcp: -1 5\nUdp: NoPorts\nUdp: 7\n";
        let expected = [
            ("Tcp", "MaxConn", -1.0),
            ("Tcp", "InSegs", 5.0),
            ("Udp", "NoPorts", 7.0),
        ];
        assert_eq!(all(text).unwrap(), expected);
        assert_eq!(all("Tcp: A B\nTcp: 1\n"), Err("Tcp: 1"));
        assert_eq!(all("Tcp: A\nUdp: 1\n"), Err("Udp: 1"));
        assert_eq!(all("Tcp: A"), Err("Tcp: A"));
    }

    #[test]
    fn version_six_has_one_line_each() {
        let text = "Ip6InOctets   \t 8112\nIcmp6OutMsgs 131\nIcmp6InType1 x\nnothing 5\n";
        let expected = [("Ip6", "InOctets", 8112.0), ("Icmp6", "OutMsgs", 131.0)];
        assert!(parse_six(text).eq(expected));
    }

    #[test]
    fn only_the_default_fields_are_taken() {
        for (protocol, field) in [
            ("Udp", "InErrors"),
            ("UdpLite6", "InErrors"),
            ("Ip", "Forwarding"),
            ("TcpExt", "ListenDrops"),
            ("Udp6", "SndbufErrors"),
        ] {
            assert!(wanted(protocol, field), "{protocol}_{field}");
        }
        for (protocol, field) in [
            ("Tcp", "MaxConn"),
            ("Ip", "InOctets"),
            ("TcpExt", "TCPOFODrop"),
            ("U{p", "InErrors"),
        ] {
            assert!(!wanted(protocol, field), "{protocol}_{field}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            drop(all(&text));
            drop(all(&format!("Tcp: {text}\nTcp: {text}")));
            parse_six(&text).for_each(drop);
            parse_six(&format!("Ip6 {text}")).for_each(drop);
        }
    }
}

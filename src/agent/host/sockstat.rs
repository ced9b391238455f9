//! `node_sockstat_*`: sockets in use by protocol, and their memory.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Sockets in use by protocol.
pub struct Sockstat;

impl Collector for Sockstat {
    fn name(&self) -> &'static str {
        "sockstat"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let page = rustix::param::page_size() as f64;
        for (path, file) in [
            ("net/sockstat", "1/net/sockstat"),
            ("net/sockstat6", "1/net/sockstat6"),
        ] {
            let text = match roots.read_proc_of_init(path) {
                Ok(text) => text,
                // A kernel may be started without one of the two.
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error),
            };
            for line in text.lines() {
                write(line, page, out).ok_or_else(|| {
                    CollectError::malformed(file, format!("cannot read {line:?}"))
                })?;
            }
        }
        Ok(())
    }
}

/// The states that have series; `mem` is in pages.
const STATES: [&str; 6] = ["inuse", "orphan", "tw", "alloc", "mem", "memory"];

fn write(line: &str, page: f64, out: &mut Exposition) -> Option<()> {
    let (protocol, counts) = parse(line)?;
    if protocol == "sockets" {
        let (_, used) = counts.into_iter().find(|(state, _)| *state == "used")?;
        let help = "Number of IPv4 sockets in use.";
        out.gauge("node_sockstat_sockets_used", help)
            .sample(&[], used);
        return Some(());
    }
    let (mut name, mut help) = (String::new(), String::new());
    let mut sample = |state: &str, value: f64| {
        name.clear();
        help.clear();
        name.extend(["node_sockstat_", protocol, "_", state]);
        help.extend(["Number of ", protocol, " sockets in state ", state, "."]);
        out.gauge(&name, &help).sample(&[], value);
    };
    for (state, value) in counts {
        if STATES.contains(&state) {
            sample(state, value);
        }
        if state == "mem" {
            sample("mem_bytes", value * page);
        }
    }
    Some(())
}

/// `TCP: inuse 2 orphan 0`, as protocol and pairs.
fn parse(line: &str) -> Option<(&str, Vec<(&str, f64)>)> {
    let (protocol, rest) = line.split_once(": ")?;
    if !protocol.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut words = rest.split_ascii_whitespace();
    let mut counts = Vec::new();
    while let Some(state) = words.next() {
        counts.push((state, words.next()?.parse::<i64>().ok()? as f64));
    }
    Some((protocol, counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::exposition::merge;
    use proptest::prelude::*;

    fn series(line: &str) -> Option<Vec<String>> {
        let mut out = Exposition::default();
        write(line, 4096.0, &mut out)?;
        let text = merge([&out]);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Some(lines.map(str::to_owned).collect())
    }

    #[test]
    fn memory_is_told_in_pages_and_in_bytes() {
        let expected = [
            "node_sockstat_TCP_inuse 2",
            "node_sockstat_TCP_mem 3",
            "node_sockstat_TCP_mem_bytes 12288",
            "node_sockstat_TCP_tw 1",
        ];
        assert_eq!(series("TCP: inuse 2 tw 1 new 5 mem 3").unwrap(), expected);
        let used = series("sockets: used 20").unwrap();
        assert_eq!(used, ["node_sockstat_sockets_used 20"]);
        assert_eq!(series("sockets: free 20"), None);
        assert_eq!(series("TCP: inuse"), None);
        assert_eq!(series("T{P: inuse 1"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            drop(series(&text));
            drop(series(&format!("UDP: {text}")));
        }
    }
}

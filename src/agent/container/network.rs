//! The interfaces of a network namespace, from `/proc/<pid>/net/dev` of any process in it.

use super::figures::number;

/// What passed an interface: received and transmitted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub bytes: [f64; 2],
    /// Packets.
    pub packets: [f64; 2],
    /// Errors.
    pub errors: [f64; 2],
    /// Packets dropped.
    pub dropped: [f64; 2],
}

/// The interfaces but those that cAdvisor leaves out: the loopback, and the ends of other
/// namespaces' links.
pub fn parse(text: &str) -> Vec<Interface> {
    text.lines()
        .filter_map(parse_line)
        .filter(|it| !is_ignored(&it.name))
        .collect()
}

fn is_ignored(name: &str) -> bool {
    ["lo", "veth", "docker", "nerdctl"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Sixteen numbers after the name: eight received, eight transmitted.
fn parse_line(line: &str) -> Option<Interface> {
    let (name, rest) = line.split_once(':')?;
    let mut numbers = [0.0; 16];
    let mut words = rest.split_ascii_whitespace();
    for slot in &mut numbers {
        *slot = number(words.next()?)?;
    }
    let pair = |index: usize| [numbers[index], numbers[index + 8]];
    Some(Interface {
        name: name.trim().to_owned(),
        bytes: pair(0),
        packets: pair(1),
        errors: pair(2),
        dropped: pair(3),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn interfaces_of_the_pod_are_told_and_the_loopback_is_not() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
            lo:       1       1    0    0    0     0          0         0        1       1    0    0    0     0       0          0\n  \
            eth0:    7337      88    1    2    0     0          0         0  5252957      93    3    4    0     0       0          0\n";
        let expected = Interface {
            name: "eth0".into(),
            bytes: [7337.0, 5_252_957.0],
            packets: [88.0, 93.0],
            errors: [1.0, 3.0],
            dropped: [2.0, 4.0],
        };
        assert_eq!(parse(text), [expected]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in prop_oneof![any::<String>(), "( ?[a-z]{0,5}:( [0-9]{0,22}){0,17}\n){0,5}"]) {
            parse(&text);
        }
    }
}

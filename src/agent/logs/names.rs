//! Names of log files and what order they are in.

/// Where a file stands among those of one container: what is smaller was written earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// How often the container was started before.
    pub restart: u64,
    /// When the file was put aside; the one that is written to has the greatest.
    pub turn: u64,
}

/// A file's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its place.
    pub order: Order,
    /// Whether it is compressed.
    pub compressed: bool,
}

/// The turn of a file that is still written to.
pub const CURRENT: u64 = u64::MAX;

/// The kubelet's names: `<restart>.log`, `<restart>.log.<YYYYMMDD-HHMMSS>` once it is put aside,
/// and that with `.gz` a rotation later. Files it is still writing end in `.tmp` and are no logs.
pub fn kubelet(name: &str) -> Option<Name> {
    let (restart, rest) = name.split_once(".log")?;
    let restart = restart.parse().ok()?;
    let (rest, compressed) = gz(rest);
    let turn = match rest.strip_prefix('.') {
        None if rest.is_empty() && !compressed => CURRENT,
        Some(stamp) => digits(stamp)?,
        None => return None,
    };
    Some(Name {
        order: Order { restart, turn },
        compressed,
    })
}

/// Docker's names: `<id>-json.log`, then `.1`, `.2` and so on for older ones, maybe with `.gz`.
pub fn docker(name: &str, id: &str) -> Option<Name> {
    let rest = name.strip_prefix(id)?.strip_prefix("-json.log")?;
    let (rest, compressed) = gz(rest);
    let turn = match rest.strip_prefix('.') {
        None if rest.is_empty() && !compressed => CURRENT,
        Some(number) => CURRENT - number.parse::<u32>().map(u64::from).ok()?,
        None => return None,
    };
    Some(Name {
        order: Order { restart: 0, turn },
        compressed,
    })
}

/// What a plain file may be called after it was put aside: `<name>.1`, `<name>-20261122`,
/// `<name>.2.gz`. Its turn is the time it was last written.
pub fn sibling(name: &str, base: &str, modified: u64) -> Option<Name> {
    let rest = name.strip_prefix(base)?;
    let (rest, compressed) = gz(rest);
    if rest.is_empty() && !compressed {
        let order = Order {
            restart: 0,
            turn: CURRENT,
        };
        return Some(Name { order, compressed });
    }
    let suffix = rest.strip_prefix(['.', '-'])?;
    let fits = suffix
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | '_' | 'T' | ':'))
        || suffix == "old";
    (fits && !suffix.is_empty()).then_some(Name {
        order: Order {
            restart: 0,
            turn: modified,
        },
        compressed,
    })
}

fn gz(name: &str) -> (&str, bool) {
    match name.strip_suffix(".gz") {
        Some(name) => (name, true),
        None => (name, false),
    }
}

/// The digits of a stamp as one number, which is in the order of time.
fn digits(stamp: &str) -> Option<u64> {
    let mut number = 0_u64;
    for c in stamp.chars() {
        match c {
            '0'..='9' => {
                number = number
                    .checked_mul(10)?
                    .checked_add(u64::from(c.to_digit(10)?))?;
            }
            '-' => {}
            _ => return None,
        }
    }
    (!stamp.is_empty()).then_some(number)
}

/// A pod's folder below `/var/log/pods`: `<namespace>_<pod>_<uid>`. None of the three can hold `_`.
pub fn pod(name: &str) -> Option<(&str, &str, &str)> {
    let mut parts = name.split('_');
    let found = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && !found.0.is_empty() && !found.1.is_empty();
    (whole && !found.2.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_containers_files_are_in_the_order_they_were_written() {
        let names = [
            "0.log.20261122-100000.gz",
            "0.log.20261122-110000",
            "0.log",
            "1.log.20261123-090000.gz",
            "1.log",
            "10.log",
        ];
        let found: Vec<Name> = names.iter().map(|name| kubelet(name).unwrap()).collect();
        assert!(found.is_sorted_by(|a, b| a.order < b.order), "{found:?}");
        assert_eq!(found.iter().filter(|name| name.compressed).count(), 2);
        for name in [
            "0.log.gz",
            "0.log.20261122-100000.tmp",
            "0.log.20261122-100000.gz.tmp",
            "x.log",
            "0.txt",
            "",
        ] {
            assert_eq!(kubelet(name), None, "{name}");
        }
    }

    #[test]
    fn docker_counts_backwards() {
        let order = |name| docker(name, "ab").unwrap().order;
        assert!(order("ab-json.log.2.gz") < order("ab-json.log.1"));
        assert!(order("ab-json.log.1") < order("ab-json.log"));
        assert_eq!(docker("cd-json.log", "ab"), None);
        assert_eq!(docker("ab-json.log.x", "ab"), None);
    }

    #[test]
    fn siblings_of_a_plain_file_are_known_by_their_ends() {
        for name in [
            "app.log.1",
            "app.log-20261122",
            "app.log.2.gz",
            "app.log.old",
            "app.log",
        ] {
            assert!(sibling(name, "app.log", 5).is_some(), "{name}");
        }
        for name in [
            "app.log.bak.txt",
            "app.logs",
            "other",
            "app.log.",
            "app.log.gz.1",
        ] {
            assert!(sibling(name, "app.log", 5).is_none(), "{name}");
        }
    }

    #[test]
    fn a_pods_folder_has_three_parts() {
        assert_eq!(pod("shop_web-1_u-1"), Some(("shop", "web-1", "u-1")));
        for name in ["shop_web", "a_b_c_d", "_b_c", ""] {
            assert_eq!(pod(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in any::<String>(), tail in "[0-9.gz-]{0,60}") {
            kubelet(&name);
            kubelet(&format!("0.log.{tail}"));
            docker(&format!("a-json.log.{tail}"), "a");
            sibling(&name, "a", 0);
            pod(&name);
        }
    }
}

//! A live process of each container, whose network is the container's.
//!
//! Control groups do not tell the processes of other namespaces (version 2 shows 0, version 1
//! nothing), so they are found by a scan of `<proc>/*/cgroup`. A process is kept as its open
//! folder: the kernel never lets that stand for a later process of the same number, so nothing
//! else has to tell the two apart. Scanned again is only for containers without a live one.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::files::Folder;
use super::identity::container_in_path;
use super::network::{self, Interface};

/// How long a container in which no process was found is not searched again.
const PAUSE: Duration = Duration::from_secs(30);
const INTERFACES: &str = "net/dev";

/// The processes found so far, by container id.
#[derive(Debug)]
pub struct Processes {
    proc: PathBuf,
    known: HashMap<String, Folder>,
    /// Containers in which none was found, and when.
    missing: HashMap<String, Instant>,
}

impl Processes {
    /// None found yet; `proc` is the host's procfs.
    pub fn new(proc: PathBuf) -> Self {
        Self {
            proc,
            known: HashMap::new(),
            missing: HashMap::new(),
        }
    }

    /// The interfaces of each network, which is given by the containers in it.
    pub fn networks(&mut self, wanted: &[Vec<&str>], buffer: &mut Vec<u8>) -> Vec<Vec<Interface>> {
        let all: HashSet<&str> = wanted.iter().flatten().copied().collect();
        self.known.retain(|id, _| all.contains(id.as_str()));
        let now = Instant::now();
        self.missing
            .retain(|id, since| all.contains(id.as_str()) && now.duration_since(*since) < PAUSE);

        let mut found: Vec<_> = wanted.iter().map(|ids| self.network(ids, buffer)).collect();
        let open = wanted
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none());
        let absent: HashSet<&str> = open
            .flat_map(|(ids, _)| ids.iter().copied())
            .filter(|id| !self.missing.contains_key(*id))
            .collect();
        if !absent.is_empty() {
            self.scan(&absent, buffer);
            for (ids, found) in wanted.iter().zip(&mut found) {
                if found.is_none() {
                    *found = self.network(ids, buffer);
                }
            }
            let missing = absent
                .into_iter()
                .filter(|id| !self.known.contains_key(*id));
            self.missing.extend(missing.map(|id| (id.to_owned(), now)));
        }
        found.into_iter().map(Option::unwrap_or_default).collect()
    }

    fn network(&mut self, ids: &[&str], buffer: &mut Vec<u8>) -> Option<Vec<Interface>> {
        ids.iter().find_map(|id| {
            let text = self
                .known
                .get(*id)?
                .read(INTERFACES, buffer)
                .filter(|text| !text.is_empty());
            if text.is_none() {
                self.known.remove(*id);
            }
            text.map(network::parse)
        })
    }

    fn scan(&mut self, absent: &HashSet<&str>, buffer: &mut Vec<u8>) {
        let Ok(entries) = std::fs::read_dir(&self.proc) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_pid = name
                .to_str()
                .is_some_and(|name| name.parse::<u32>().is_ok());
            let Some(process) = is_pid.then(|| Folder::open(&entry.path()).ok()).flatten() else {
                continue;
            };
            let text = process.read("cgroup", buffer);
            if let Some(id) = text.and_then(parse_cgroup)
                && absent.contains(id)
                && !self.known.contains_key(id)
            {
                self.known.insert(id.to_owned(), process);
            }
        }
    }
}

/// The container's id in `/proc/<pid>/cgroup`, lines `<hierarchy>:<controllers>:<path>`.
fn parse_cgroup(text: &str) -> Option<&str> {
    text.lines()
        .find_map(|line| container_in_path(line.splitn(3, ':').nth(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "6d1fb1025780346c95ac9663944e3aa6517565c7c36a62580cd5faa700012ede";
    const B: &str = "7d1fb1025780346c95ac9663944e3aa6517565c7c36a62580cd5faa700012ede";

    struct Machine(tempfile::TempDir, Processes, Vec<u8>);

    impl Machine {
        fn start(&self, pid: u32, group: &str, interface: &str) {
            let path = self.0.path().join(pid.to_string());
            std::fs::create_dir_all(path.join("net")).unwrap();
            std::fs::write(path.join("cgroup"), format!("4:memory:{group}\n0::/\n")).unwrap();
            let line = format!("{interface}: 1{}\n", " 0".repeat(15));
            std::fs::write(path.join("net/dev"), line).unwrap();
        }

        fn end(&self, pid: u32) {
            std::fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
        }

        fn ask(&mut self, wanted: &[Vec<&str>]) -> Vec<String> {
            let found = self.1.networks(wanted, &mut self.2);
            let names = |network: Vec<Interface>| network.into_iter().map(|it| it.name).collect();
            found.into_iter().map(names).collect()
        }
    }

    #[test]
    fn any_live_process_of_a_pod_shows_its_network() {
        let temp = tempfile::tempdir().unwrap();
        let processes = Processes::new(temp.path().into());
        let mut machine = Machine(temp, processes, Vec::new());
        machine.start(7, "/system.slice", "eth9");
        machine.start(8, &format!("/../kubepods/podx/{A}"), "eth0");
        machine.start(9, &format!("/../kubepods/podx/{B}"), "eth0");
        assert_eq!(machine.ask(&[vec![A, B]]), ["eth0"]);

        // The number is another process' now.
        machine.end(8);
        machine.start(8, "/system.slice", "eth9");
        assert_eq!(machine.ask(&[vec![A, B]]), ["eth0"]);

        machine.end(9);
        assert_eq!(machine.ask(&[vec![A, B]]), [""]);
        // Not searched again for a while, unless it was forgotten meanwhile.
        machine.start(10, &format!("/docker/{B}"), "eth1");
        assert_eq!(machine.ask(&[vec![A, B]]), [""]);
        assert_eq!(machine.ask(&[]).len(), 0);
        assert_eq!(machine.ask(&[vec![A], vec![B]]), ["", "eth1"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            parse_cgroup(&text);
        }
    }
}

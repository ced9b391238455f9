//! A file that is renamed between the look at its folder and its turn.

use std::sync::Arc;

use prometheus::Registry;

use super::append;
use crate::agent::logs::discover::{Change, Docker, Found, Scan};
use crate::agent::logs::entries::Work;
use crate::agent::logs::files::Look;
use crate::agent::logs::hints::Hints;
use crate::agent::logs::metrics::Metrics;
use crate::agent::logs::source::{Settled, Source};

fn line(text: &str) -> String {
    format!("{{\"log\":\"{text}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:00:00Z\"}}\n")
}

fn look(docker: &mut Docker) -> Found {
    let mut changes = Vec::new();
    let mut scan = Scan {
        now: 0,
        hints: &mut Hints::default(),
        out: &mut changes,
    };
    docker.scan(&mut scan).unwrap();
    match changes.pop() {
        Some(Change::Files(found)) => found,
        other => panic!("the container is found, not {other:?}"),
    }
}

#[test]
fn it_is_found_by_its_new_name_and_not_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let container = folder.path().join("4f");
    std::fs::create_dir(&container).unwrap();
    let log = container.join("4f-json.log");
    append(&log, &line("first"));
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let mut docker = Docker::new(folder.path().to_owned());
    let found = look(&mut docker);
    let mut source = Source::new(0, &found, Arc::default());
    let mut work = Work::new(512 * 1024);
    source.settled = Some(Settled::default());
    let now = work.now;
    let reconcile = |source: &mut Source, found: Found, mut may_open| {
        let mut look = Look {
            now,
            nanos: 0,
            metrics: &metrics,
            may_open: &mut may_open,
        };
        source.reconcile(found.files, &mut look);
    };
    let mut read = |source: &mut Source| {
        while source.turn(&mut work, 256 * 1024, 1 << 20, &metrics) {}
        work.made.streams[0].count
    };
    let older = |number| container.join(format!("4f-json.log.{number}"));
    // So many files are open that these are not.
    reconcile(&mut source, found, 0);
    std::fs::rename(&log, older(1)).unwrap();
    append(&log, &line("second"));
    reconcile(&mut source, look(&mut docker), 0);
    std::fs::rename(older(1), older(2)).unwrap();
    assert_eq!(read(&mut source), 0, "the second waits for the first");
    reconcile(&mut source, look(&mut docker), 10);
    assert_eq!(read(&mut source), 1, "the first is read");
    assert_eq!(metrics.losses.with_label_values(&["unreadable"]).get(), 0);
    assert_eq!(metrics.read_failures.get(), 0);
}

//! Files that are emptied, renamed, or written to under another name, between two looks at them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use prometheus::Registry;
use regex::bytes::Regex;

use super::{Host, Running, append, expect};
use crate::agent::logs::discover::{Change, Found, Plain, Pods, Scan};
use crate::agent::logs::entries::Work;
use crate::agent::logs::files::Look;
use crate::agent::logs::hints::Hints;
use crate::agent::logs::metrics::Metrics;
use crate::agent::logs::source::{Settled, Source};
use crate::agent::logs::tail::GRACE;
use crate::api::agent_config::{FileLogsConfig, LogsConfig};

/// A source whose looks and turns are made by hand.
struct Bench {
    source: Source,
    work: Work,
    metrics: Metrics,
}

impl Bench {
    fn new(found: Found) -> Self {
        let mut source = Source::new(0, &found, Arc::default());
        source.settled = Some(Settled::default());
        source.watch = found.watch;
        let mut bench = Self {
            source,
            work: Work::new(512 * 1024),
            metrics: Metrics::new(&Registry::new()).unwrap(),
        };
        bench.look(found, 10);
        bench
    }

    fn look(&mut self, found: Found, mut may_open: usize) -> bool {
        let mut look = Look {
            now: self.work.now,
            nanos: i64::MAX,
            metrics: &self.metrics,
            may_open: &mut may_open,
        };
        self.source.reconcile(found.files, &mut look)
    }

    /// What a tick and the turns behind it read: all that stands in `<…>`.
    fn read(&mut self) -> Vec<String> {
        self.work.now = Instant::now() + GRACE;
        let wanted = self.source.wants(self.work.now);
        while wanted
            && self
                .source
                .turn(&mut self.work, 256 * 1024, 1 << 20, &self.metrics)
        {}
        let made = &mut self.work.made.streams[0].bytes;
        let marked = Regex::new("<([^>]*)>").unwrap();
        let texts = marked.captures_iter(made);
        let read = texts.map(|it| String::from_utf8_lossy(&it[1]).into_owned());
        let read = read.collect();
        made.clear();
        read
    }

    fn lost(&self, reason: &str) -> (u64, u64) {
        let of = |counter: &prometheus::IntCounterVec| counter.with_label_values(&[reason]).get();
        (of(&self.metrics.losses), of(&self.metrics.lost_bytes))
    }
}

/// A line of the kubelet's files, a kilobyte long.
fn cri(second: u32, text: &str) -> String {
    format!(
        "2026-11-22T10:00:{second:02}Z stdout F <{text}> {}\n",
        "x".repeat(1000)
    )
}

fn pod(root: &Path, hints: &mut Hints) -> Found {
    let mut changes = Vec::new();
    let mut scan = Scan {
        now: 0,
        hints,
        out: &mut changes,
    };
    Pods::new(root.to_owned(), Path::new("/nowhere"))
        .scan(&mut scan)
        .unwrap();
    one(changes)
}

fn plain(path: &Path) -> Found {
    let mut changes = Vec::new();
    Plain::new(vec![path.to_owned()], PathBuf::from("/")).scan(&mut changes);
    one(changes)
}

fn one(mut changes: Vec<Change>) -> Found {
    match changes.pop() {
        Some(Change::Files(found)) => found,
        other => panic!("one source is found, not {other:?}"),
    }
}

/// Written anew in the same file.
fn rewrite(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[test]
fn a_pods_file_that_is_cut_and_grows_past_its_place_is_read_from_its_start() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("shop_web-0_u/app/0.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    append(&log, &cri(1, "one"));
    append(&log, &cri(2, "two"));
    let mut hints = Hints::default();
    let found = pod(root.path(), &mut hints);
    let watched = found.watch.is_some();
    let mut bench = Bench::new(found);
    assert_eq!(bench.read(), ["one", "two"]);
    append(&log, &cri(3, "three"));
    assert_eq!(bench.read(), ["three"]);
    let anew: String = (4..9)
        .map(|second| cri(second, &format!("new {second}")))
        .collect();
    rewrite(&log, &anew);
    assert_eq!(
        bench.read(),
        ["new 4", "new 5", "new 6", "new 7", "new 8"],
        "watched: {watched}"
    );
    assert_eq!(bench.lost("truncated"), (0, 0));
}

#[test]
fn what_was_not_read_of_a_file_that_is_cut_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    append(&log, "<one>\n");
    let mut bench = Bench::new(plain(&log));
    assert_eq!(bench.read(), ["one"]);
    append(&log, "<two>\n");
    // Seen while it waits for its turn.
    bench.source.queued = true;
    assert!(bench.source.wants(bench.work.now));
    rewrite(&log, "");
    assert!(bench.read().is_empty());
    assert_eq!(bench.lost("truncated"), (1, 6));
}

#[test]
fn a_file_that_is_emptied_while_it_is_not_open_is_read_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    append(&log, "<one>\n");
    let mut bench = Bench::new(plain(&log));
    assert_eq!(bench.read(), ["one"]);
    // As many others are open as may be.
    bench.source.files[0].input = None;
    rewrite(&log, "<a longer one>\n<and another>\n");
    assert_eq!(bench.read(), ["a longer one", "and another"]);
    bench.source.files[0].input = None;
    rewrite(&log, "<short>\n");
    assert_eq!(bench.read(), ["short"]);
    assert_eq!(bench.lost("unreadable"), (0, 0));
}

#[test]
fn a_writer_that_is_late_to_take_the_new_file_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (
        folder.path().join("app.log"),
        folder.path().join("app.log.1"),
    );
    append(&log, "<one>\n");
    let mut bench = Bench::new(plain(&log));
    assert_eq!(bench.read(), ["one"]);
    fs::rename(&log, &old).unwrap();
    append(&log, "");
    bench.look(plain(&log), 10);
    assert!(bench.read().is_empty());
    assert!(
        bench.source.files[0].ended,
        "nobody writes to it any more, it seems"
    );
    append(&old, "<late>\n");
    append(&log, "<two>\n");
    assert_eq!(bench.read(), ["late", "two"]);
    append(&old, "<later>\n");
    assert_eq!(bench.read(), ["later"]);
}

#[test]
fn two_rotations_while_it_is_down_lose_nothing_of_a_plain_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let older = |number: u32| folder.path().join(format!("app.log.{number}"));
    append(&log, "<one>\n");
    let mut bench = Bench::new(plain(&log));
    fs::rename(&log, older(1)).unwrap();
    append(&log, "<two>\n");
    bench.look(plain(&log), 10);
    // Nothing of both is delivered when the agent ends.
    let records = bench.source.files.iter().map(|file| file.record.clone());
    let records: Vec<_> = records.collect();
    assert_eq!(records.len(), 2);
    fs::rename(older(1), older(2)).unwrap();
    fs::rename(&log, older(1)).unwrap();
    append(&log, "<three>\n");
    let found = plain(&log);
    let mut source = Source::new(0, &found, Arc::default());
    source.settled = Some(Settled::default());
    source.resume(records);
    bench.source = source;
    bench.look(found, 10);
    assert_eq!(bench.read(), ["one", "two", "three"]);
    assert_eq!(bench.lost("deleted"), (0, 0));
}

#[test]
fn a_plain_file_whose_siblings_are_renamed_while_they_are_listed_is_listed_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let older = |number: u32| folder.path().join(format!("app.log.{number}.gz"));
    let mut files = Plain::new(vec![log.clone()], PathBuf::from("/"));
    let mut scan = || {
        let mut changes = Vec::new();
        files.scan(&mut changes);
        let found = changes.pop();
        if let Some(Change::Files(found)) = &found {
            files.forget(&found.key);
        }
        found.is_some()
    };
    append(&log, "<one>\n");
    let mut bench = Bench::new(plain(&log));
    assert!(scan());
    fs::remove_file(&log).unwrap();
    let packed = fs::File::create(older(1)).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    encoder.write_all(b"<one>\n").unwrap();
    encoder.finish().unwrap();
    append(&log, "<two>\n");
    let found = plain(&log);
    fs::rename(older(1), older(2)).unwrap();
    assert!(
        !bench.look(found, 10),
        "what was listed is not there any more"
    );
    assert!(scan(), "it is reported again, though it is the same file");
    assert!(bench.look(plain(&log), 10));
    assert_eq!(bench.read(), ["one", "two"]);
}

#[test]
fn what_was_written_before_a_file_was_emptied_is_read_from_its_copy() {
    let host = Host::new();
    let (log, copy) = (host.path("log/app.log"), host.path("log/app.log.1"));
    let config = LogsConfig {
        files: vec![FileLogsConfig {
            path: log.display().to_string(),
            ..FileLogsConfig::default()
        }],
        ..host.config()
    };
    append(&log, "one\n");
    let _running = Running::start(config);
    expect(&host, &["one".to_owned()]);
    append(&log, "two\n");
    fs::copy(&log, copy).unwrap();
    fs::write(&log, "3\n").unwrap();
    expect(&host, &["one", "two", "3"].map(str::to_owned));
    assert_eq!(host.receiver.count(), 3, "nothing was sent twice");
}

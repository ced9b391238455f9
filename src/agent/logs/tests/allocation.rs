//! A line costs no allocation.

use std::fmt::Write as _;
use std::sync::Arc;

use prometheus::Registry;

use super::append;
use crate::agent::logs::batch::Open;
use crate::agent::logs::discover::{Change, Pods, Scan};
use crate::agent::logs::entries::Work;
use crate::agent::logs::files::Look;
use crate::agent::logs::hints::Hints;
use crate::agent::logs::metrics::Metrics;
use crate::agent::logs::source::{Settled, Source};

/// Lines of both outputs, some of them in parts.
fn text(lines: usize) -> String {
    let mut text = String::new();
    for line in 0..lines {
        let (output, tag) = (
            ["stdout", "stderr"][line % 2],
            if line % 10 < 2 { "P" } else { "F" },
        );
        let time = 100_000_000 + line;
        writeln!(
            text,
            "2026-11-22T10:00:00.{time}Z {output} {tag} a line of a program, number {line:6}"
        )
        .unwrap();
    }
    text
}

#[test]
fn lines_cost_no_allocation() {
    let folder = tempfile::tempdir().unwrap();
    let container = folder.path().join("shop_web_u/app");
    std::fs::create_dir_all(&container).unwrap();
    let log = container.join("0.log");
    append(&log, &text(10_000));
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let mut changes = Vec::new();
    let mut scan = Scan {
        now: 0,
        hints: &mut Hints::default(),
        out: &mut changes,
    };
    Pods::new(folder.path().to_owned(), folder.path())
        .scan(&mut scan)
        .unwrap();
    let Some(Change::Files(found)) = changes.pop() else {
        panic!("the container is found")
    };
    let mut source = Source::new(0, &found, Arc::default());
    let mut work = Work::new(512 * 1024);
    let mut may_open = 10;
    let mut look = Look {
        now: work.now,
        nanos: 0,
        metrics: &metrics,
        may_open: &mut may_open,
    };
    source.reconcile(found.files, &mut look);
    source.settled = Some(Settled::default());
    let mut open = Open::default();
    let mut turn = || {
        while source.turn(&mut work, 256 * 1024, 1 << 20, &metrics) {}
        let settled = source.settled.as_ref().unwrap();
        open.add(0, settled, &mut work.made);
        source.marks(open.marks(0, false));
        let batch = open.close(0, false, |body| vec![u8::from(!body.is_empty())]);
        batch.entries
    };
    // Buffers find their size.
    assert_eq!(turn(), 8_000);
    append(&log, &text(10_000));
    let mut entries = 0;
    let info = allocation_counter::measure(|| entries = turn());
    assert_eq!(entries, 8_000);
    assert!(info.count_total < 20, "{info:?} for 10,000 lines");
}

//! `kill -9` at random moments.

use std::{io::Write, thread, time::Duration};

use crate::{
    agent::{Agent, wait_until},
    length,
    loki::{Limits, Loki},
    node::{Node, file},
    random::Random,
    writer::{Cri, append},
};

#[test]
fn killed_at_random_moments_it_loses_nothing_and_repeats_only_what_folds() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut random = Random::new();
    let mut writers: Vec<Cri> = (0..8)
        .map(|number| format!("kill-{number}"))
        .map(|name| Cri::new(&name, node.container(&name)))
        .collect();
    for round in 0..length(12, 200) {
        let agent = Agent::start(&node);
        // From before its first look at a file to well after its first acknowledgement.
        let pause = Duration::from_millis(random.below(if round % 3 == 0 { 60 } else { 1500 }));
        let steps = 1 + pause.as_millis() / 20;
        for _ in 0..steps {
            for writer in &mut writers {
                writer.write(random.below(40), 150);
            }
            thread::sleep(pause / u32::try_from(steps).unwrap());
        }
        if random.below(3) == 0 {
            let which = usize::try_from(random.below(8)).unwrap();
            writers[which].rotate(5);
        }
        agent.kill();
    }
    let agent = Agent::start(&node);
    all_there(&loki, &writers);
    drop(agent);
    assert_eq!(loki.errors(), [""; 0]);
}

/// Lines without a time get one from the agent, which must be the same when they are sent again.
#[test]
fn killed_while_it_reads_plain_files_it_repeats_only_what_folds() {
    let loki = Loki::start(Limits::generous(), false);
    let logs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let node = Node::with(&loki, |config| {
        config.files = vec![file(&logs.path().join("*.log"))];
    });
    let mut random = Random::new();
    let mut log = append(&logs.path().join("app.log"));
    let mut number = 0;
    for _ in 0..length(8, 100) {
        let agent = Agent::start(&node);
        for _ in 0..=random.below(60) {
            for _ in 0..random.below(30) {
                writeln!(log, "w=plain n={number} no time in here").unwrap();
                number += 1;
            }
            thread::sleep(Duration::from_millis(25));
        }
        agent.kill();
    }
    let _agent = Agent::start(&node);
    wait_until("every line comes", || {
        loki.ledger("", |it| it.count("plain")) == number
    });
    let report = loki.ledger("", |it| it.report());
    assert_eq!(
        (report.missing, report.doubles, report.disorder),
        (0, 0, 0),
        "{report:?}"
    );
}

/// Waits until every line of the writers has come, and looks at how.
pub fn all_there(loki: &Loki, writers: &[Cri]) {
    let total: u64 = writers.iter().map(Cri::written).sum();
    let start = std::time::Instant::now();
    while loki.ledger("", |ledger| ledger.report().lines) < total {
        if start.elapsed() > crate::agent::PATIENCE {
            for writer in writers {
                let gaps = loki.ledger("", |ledger| ledger.gaps(writer.name(), writer.written()));
                assert!(
                    gaps.is_empty(),
                    "{} of {} lines: gaps {gaps:?}",
                    writer.name(),
                    writer.written()
                );
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    wait_until("requests under way end", || {
        loki.shared
            .counts
            .open
            .load(std::sync::atomic::Ordering::Relaxed)
            == 0
    });
    let report = loki.ledger("", |ledger| ledger.report());
    assert_eq!((report.lines, report.missing), (total, 0), "{report:?}");
    assert_eq!((report.doubles, report.disorder), (0, 0), "{report:?}");
    assert!(loki.refused().is_empty(), "{:?}", loki.refused());
}

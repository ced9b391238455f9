//! One loud pod beside many quiet ones.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    agent::{Agent, wait_until},
    length,
    loki::{Limits, Loki},
    node::Node,
    writer::Cri,
};

/// A hundred quiet pods write while one has far more than can be sent at once. The quiet ones must
/// be through long before it is: no clock decides, only the order.
#[test]
fn a_loud_pod_does_not_hold_up_a_hundred_quiet_ones() {
    // What Loki takes by default: the loud pod's backlog is a minute's worth.
    let limits = Limits {
        rate: Some((8e6, 12e6)),
        stream_rate: None,
        ..Limits::default()
    };
    let loki = Loki::start(limits, false);
    let node = Node::new(&loki);
    let mut loud = Cri::new("loud", node.container("loud"));
    let lines = length(800_000, 4_000_000);
    for _ in 0..lines / 10_000 {
        loud.write(10_000, 300);
    }
    let mut quiet: Vec<Cri> = (0..100)
        .map(|number| format!("quiet-{number}"))
        .map(|name| Cri::new(&name, node.container(&name)))
        .collect();
    let agent = Agent::start(&node);
    wait_until("the loud one's lines come", || {
        loki.ledger("", |it| it.count("loud")) > 1000
    });
    for _ in 0..length(5, 60) {
        quiet.iter_mut().for_each(|writer| writer.write(10, 150));
        wait_until("the quiet ones' lines come", || {
            loki.ledger("", |it| {
                quiet
                    .iter()
                    .all(|writer| it.count(writer.name()) == writer.written())
            })
        });
    }
    let done = loki.ledger("", |it| it.count("loud"));
    eprintln!("the loud pod was at {done} of {lines} lines when the quiet ones were through");
    assert!(
        done < lines,
        "the loud pod had no backlog: the test says nothing"
    );
    drop(agent);
}

/// At 50 MB/s, on a machine that has nothing else to do: how far behind the quiet ones are.
#[test]
fn at_fifty_megabytes_a_second_the_quiet_ones_are_not_behind() {
    if length(true, false) {
        eprintln!("SKIPPED: a question of time: MASTHEAD_SOAK=1");
        return;
    }
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut quiet: Vec<Cri> = (0..100)
        .map(|number| format!("quiet-{number}"))
        .map(|name| Cri::new(&name, node.container(&name)))
        .collect();
    let stop = AtomicBool::new(false);
    let _agent = Agent::start(&node);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut loud = Cri::new("loud", node.container("loud"));
            let mut written = 0_u64;
            let start = std::time::Instant::now();
            while !stop.load(Ordering::Relaxed) {
                loud.write(2000, 250);
                written += 500_000;
                if written.is_multiple_of(50_000_000) {
                    loud.rotate(5);
                }
                let due = Duration::from_secs_f64(written as f64 / 50e6);
                thread::sleep(due.saturating_sub(start.elapsed()));
            }
        });
        let mut worst = Duration::ZERO;
        for _ in 0..60 {
            quiet.iter_mut().for_each(|writer| writer.write(1, 150));
            let start = std::time::Instant::now();
            wait_until("the quiet ones' lines come", || {
                loki.ledger("", |it| {
                    quiet
                        .iter()
                        .all(|writer| it.count(writer.name()) == writer.written())
                })
            });
            worst = worst.max(start.elapsed());
            thread::sleep(Duration::from_secs(1).saturating_sub(start.elapsed()));
        }
        stop.store(true, Ordering::Relaxed);
        eprintln!("the quiet pods were behind by {worst:?} at most");
        assert!(worst < Duration::from_secs(2), "{worst:?}");
    });
}

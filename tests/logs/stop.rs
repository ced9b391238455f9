//! SIGTERM under load.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    agent::{Agent, wait_until},
    kill::all_there,
    length,
    loki::{Limits, Loki, Mode},
    node::Node,
    writer::Cri,
};

#[test]
fn asked_to_stop_under_load_it_loses_and_repeats_nothing() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let stop = AtomicBool::new(false);
    let writer = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut writer = Cri::new("load", node.container("load"));
            while !stop.load(Ordering::Relaxed) {
                writer.write(200, 200);
                thread::sleep(Duration::from_millis(5));
            }
            writer
        });
        for _ in 0..length(5, 50) {
            let agent = Agent::start(&node);
            let before = loki.ledger("", |it| it.count("load"));
            wait_until("lines come", || {
                loki.ledger("", |it| it.count("load")) > before
            });
            let (code, _) = agent.stop();
            assert_eq!(code, Some(0));
        }
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    let _agent = Agent::start(&node);
    all_there(&loki, &[writer]);
    // What was under way was waited for, so nothing had to be sent again.
    assert_eq!(loki.ledger("", |it| it.report().folded), 0);
}

#[test]
fn asked_to_stop_while_loki_hangs_it_ends_and_loses_nothing() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("hanging", node.container("hanging"));
    writer.write(1000, 200);
    loki.set(Mode::Hang);
    let agent = Agent::start(&node);
    wait_until("a request is under way", || {
        loki.shared.counts.open.load(Ordering::Relaxed) > 0
    });
    let (code, took) = agent.stop();
    assert_eq!(code, Some(0));
    // Ten seconds are promised; the kubelet's patience is thirty.
    assert!(took < Duration::from_secs(25), "{took:?}");
    loki.set(Mode::Accept);
    let _agent = Agent::start(&node);
    all_there(&loki, &[writer]);
}

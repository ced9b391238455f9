//! Rotation by the kubelet: fast, compressed, and while the agent is down.

use std::{thread, time::Duration};

use crate::{
    agent::{Agent, wait_until},
    kill::all_there,
    length,
    loki::{Limits, Loki, Mode},
    node::Node,
    writer::Cri,
};

#[test]
fn rotation_every_few_seconds_loses_nothing() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("fast", node.container("fast"));
    let _agent = Agent::start(&node);
    for _ in 0..length(6, 60) {
        // 10 MiB, as the kubelet's default has it.
        for _ in 0..length(10, 50) {
            writer.write(1000, 200);
            thread::sleep(Duration::from_millis(20));
        }
        writer.rotate(5);
        thread::sleep(Duration::from_millis(length(300, 2000)));
    }
    all_there(&loki, &[writer]);
}

#[test]
fn down_across_three_rotations_it_reads_what_was_compressed() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("down", node.container("down"));
    let agent = Agent::start(&node);
    writer.write(2000, 200);
    wait_until("the first lines come", || {
        loki.ledger("", |it| it.count("down")) == 2000
    });
    // Its place is in the middle of what will be compressed twice over.
    loki.set(Mode::Fail(500, None));
    writer.write(2000, 200);
    thread::sleep(Duration::from_millis(200));
    agent.kill();
    for _ in 0..3 {
        writer.write(length(2000, 50_000), 200);
        writer.rotate(5);
    }
    writer.write(10, 200);
    loki.set(Mode::Accept);
    let _agent = Agent::start(&node);
    all_there(&loki, &[writer]);
}

#[test]
fn what_the_kubelet_deleted_first_is_told_and_the_rest_comes() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("gone", node.container("gone"));
    let agent = Agent::start(&node);
    writer.write(1000, 200);
    wait_until("the first lines come", || {
        loki.ledger("", |it| it.count("gone")) == 1000
    });
    agent.stop();
    // Only three are kept: the oldest ones go before anybody could read them.
    for _ in 0..6 {
        writer.write(1000, 200);
        writer.rotate(3);
    }
    let written = writer.written();
    writer.write(1, 200);
    let agent = Agent::start(&node);
    wait_until("the last line comes", || {
        loki.ledger("", |it| {
            it.gaps("gone", written + 1)
                .last()
                .is_none_or(|gap| gap.1 <= written)
        })
    });
    let gaps = loki.ledger("", |ledger| ledger.gaps("gone", written + 1));
    assert_eq!(gaps.len(), 1, "one gap, of what was deleted: {gaps:?}");
    wait_until("the loss is counted", || {
        agent.metric("masthead_agent_log_losses_total") > 0.0
    });
}

#[test]
fn a_file_that_goes_while_it_is_behind_is_read_to_its_end() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("deleted", node.container("deleted"));
    let _agent = Agent::start(&node);
    writer.write(100, 200);
    wait_until("the first lines come", || {
        loki.ledger("", |it| it.count("deleted")) == 100
    });
    loki.set(Mode::Hang);
    writer.write(length(20_000, 200_000), 200);
    // Long enough to be seen, not to be sent.
    thread::sleep(Duration::from_secs(1));
    node.delete("deleted");
    thread::sleep(Duration::from_secs(2));
    loki.set(Mode::Accept);
    all_there(&loki, &[writer]);
}

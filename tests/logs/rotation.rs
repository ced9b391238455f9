//! Rotation by the kubelet: fast, compressed, and while the agent is down.

use std::{fs, thread, time::Duration};

use masthead::api::agent_config::RateLimit;

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

#[test]
fn a_pod_that_is_deleted_while_the_agent_is_down_is_a_loss_that_is_told() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut gone = Cri::new("gone", node.container("gone"));
    let mut stays = Cri::new("stays", node.container("stays"));
    let agent = Agent::start(&node);
    gone.write(500, 150);
    let come = |writer: &str, lines| {
        wait_until(writer, || loki.ledger("", |it| it.count(writer)) == lines);
    };
    come("gone", 500);
    agent.stop();
    // These are in no file any more when the agent looks.
    gone.write(100, 150);
    node.delete("gone");
    stays.write(100, 150);
    let agent = Agent::start(&node);
    come("stays", 100);
    wait_until("the loss is counted", || {
        agent.metric("masthead_agent_log_losses_total") >= 1.0
    });
    assert!(
        agent
            .metrics()
            .contains("losses_total{reason=\"deleted\"} 1")
    );
    assert!(
        agent
            .said()
            .contains("logs were deleted while the agent was down")
    );
    // It is told once, and not after the next start again.
    agent.stop();
    let agent = Agent::start(&node);
    let mut later = Cri::new("later", node.container("later"));
    later.write(10, 150);
    come("later", 10);
    assert!(agent.metric("masthead_agent_log_losses_total") < 1.0);
}

#[test]
fn a_compressed_file_is_read_once_while_its_folder_changes() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::with(&loki, |logs| {
        // Slow enough to be looked at in the midst of it.
        let pods = logs.pods.as_mut().unwrap();
        pods.limit = Some(RateLimit {
            bytes_per_second: 1_000_000,
        });
    });
    let folder = node.container("slow");
    let mut writer = Cri::new("slow", folder.clone());
    writer.write(20_000, 200);
    writer.rotate(5);
    writer.rotate(5);
    let agent = Agent::start(&node);
    let temporary = folder.join("0.log.tmp");
    wait_until("all of it comes", || {
        fs::write(&temporary, "").unwrap();
        fs::remove_file(&temporary).unwrap();
        loki.ledger("", |it| it.count("slow")) == writer.written()
    });
    let report = loki.ledger("", |it| it.report());
    assert_eq!((report.folded, report.doubles), (0, 0), "{report:?}");
    assert!(agent.metric("masthead_agent_log_losses_total") < 1.0);
}

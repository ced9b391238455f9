//! Pods that come and go.

use crate::{
    agent::{Agent, wait_until},
    length,
    loki::{Limits, Loki},
    node::Node,
    writer::Cri,
};

#[test]
fn a_thousand_pods_come_and_go_and_nothing_stays_behind() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let agent = Agent::start(&node);
    let (waves, pods) = (length(5, 50), 20);
    let mut sizes = Vec::new();
    for wave in 0..waves {
        let names: Vec<String> = (0..pods).map(|pod| format!("churn-{wave}-{pod}")).collect();
        let mut writers: Vec<Cri> = names
            .iter()
            .map(|name| Cri::new(name, node.container(name)))
            .collect();
        writers.iter_mut().for_each(|writer| writer.write(200, 200));
        wait_until("the wave's lines come", || {
            loki.ledger("", |it| names.iter().all(|name| it.count(name) == 200))
        });
        names.iter().for_each(|name| node.delete(name));
        // Each file of the wave is let go.
        wait_until("the wave's files are closed", || {
            open_below(&agent, &node) == 0
        });
        sizes.push(agent.size());
    }
    let report = loki.ledger("", |it| it.report());
    assert_eq!((report.missing, report.doubles), (0, 0), "{report:?}");
    let (early, late) = (sizes[waves / 4], sizes[waves - 1]);
    eprintln!("after a quarter of the waves {early:?} KiB and descriptors, at the end {late:?}");
    assert!(late.0 < early.0 + 4096, "memory grows: {sizes:?}");
    assert!(late.1 <= early.1 + 4, "descriptors grow: {sizes:?}");
    let state = std::fs::read_dir(node.path("state")).unwrap();
    let kept: u64 = state
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(
        kept < 256 * 1024,
        "the checkpoint keeps what is gone: {kept} bytes"
    );
}

/// How many files of pods an agent has open.
fn open_below(agent: &Agent, node: &Node) -> usize {
    let folder = format!("/proc/{}/fd", agent.pid());
    let pods = node.path("pods");
    let open = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
    let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets
        .filter(|target| target.starts_with(&pods) && target != &pods)
        .count()
}

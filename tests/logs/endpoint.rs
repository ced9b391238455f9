//! A Loki that answers 500 and 429, hangs, breaks off and refuses.

use std::{thread, time::Duration};

use crate::{
    agent::{Agent, wait_until},
    kill::all_there,
    length,
    loki::{Limits, Loki, Mode},
    node::Node,
    writer::Cri,
};

/// Writes and rotates while Loki behaves like this, then lets it recover.
fn outage(mode: Mode) {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writers: Vec<Cri> = (0..4)
        .map(|number| format!("outage-{number}"))
        .map(|name| Cri::new(&name, node.container(&name)))
        .collect();
    let agent = Agent::start(&node);
    writers.iter_mut().for_each(|writer| writer.write(500, 200));
    wait_until("the first lines come", || {
        loki.ledger("", |it| it.report().lines) > 0
    });
    loki.set(mode);
    let seconds = length(3, 180);
    for step in 0..seconds * 5 {
        writers.iter_mut().for_each(|writer| writer.write(100, 200));
        // Two rotations in all: what is open or still there in plain can be read.
        if step == seconds * 2 || step == seconds * 4 {
            writers.iter_mut().for_each(|writer| writer.rotate(5));
        }
        thread::sleep(Duration::from_millis(200));
    }
    loki.set(Mode::Accept);
    all_there(&loki, &writers);
    assert!(agent.metric("masthead_agent_log_lost_bytes_total") < 1.0);
}

#[test]
fn five_hundreds_lose_nothing() {
    outage(Mode::Fail(500, None));
}

#[test]
fn a_rate_limit_loses_nothing() {
    outage(Mode::Fail(429, Some(1)));
}

#[test]
fn a_hanging_endpoint_loses_nothing() {
    outage(Mode::Hang);
}

#[test]
fn broken_connections_lose_nothing() {
    outage(Mode::Reset);
}

#[test]
fn answers_that_get_lost_repeat_only_what_folds() {
    outage(Mode::StoreThenReset);
}

#[test]
fn a_bit_of_everything_loses_nothing() {
    outage(Mode::Fickle);
}

#[test]
fn a_wrong_password_loses_nothing() {
    outage(Mode::Fail(401, None));
}

#[test]
fn lokis_own_rates_are_lived_with() {
    let loki = Loki::start(Limits::default(), false);
    let node = Node::new(&loki);
    let mut writers: Vec<Cri> = (0..2)
        .map(|number| format!("rate-{number}"))
        .map(|name| Cri::new(&name, node.container(&name)))
        .collect();
    // More than the burst, so that the rate refuses.
    writers
        .iter_mut()
        .for_each(|writer| writer.write(length(35_000, 400_000), 200));
    let _agent = Agent::start(&node);
    all_there(&loki, &writers);
}

#[test]
fn what_loki_refuses_is_counted_and_holds_nothing_up() {
    let loki = Loki::start(
        Limits {
            age: Duration::from_hours(1),
            ..Limits::generous()
        },
        false,
    );
    let node = Node::new(&loki);
    let mut writer = Cri::new("refused", node.container("refused"));
    let day = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    writer.write_raw(format!("{day:.9} stdout F too old\n").repeat(3).as_bytes());
    writer.write(100, 100);
    let agent = Agent::start(&node);
    wait_until("the good lines come", || {
        loki.ledger("", |it| it.count("refused")) == 100
    });
    wait_until("the refusal is counted", || {
        agent.metric("masthead_agent_log_dropped_entries_total") >= 3.0
    });
    writer.write(100, 100);
    wait_until("what follows comes", || {
        loki.ledger("", |it| it.count("refused")) == 200
    });
    // Three identical old lines: refused once, never sent again.
    let refused = loki.refused();
    assert_eq!(
        refused.get("greater_than_max_sample_age"),
        Some(&3),
        "{refused:?}"
    );
    assert_eq!(loki.ledger("", |it| it.report().folded), 0);
}

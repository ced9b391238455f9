//! What lines look like and what they are called on the way.

use std::io::Write;

use masthead::api::agent_config::{
    BasicAuthFile, DockerLogsConfig, Encoding, Fields, Pattern, PodMatch, PodMultiline,
    Replacement, StageConfig,
};

use crate::{
    agent::{Agent, wait_until},
    kill::all_there,
    loki::{Limits, Loki},
    node::{Node, file, text},
    writer::{Cri, append},
};

fn kept(loki: &Loki, tenant: &str) -> Vec<(String, String)> {
    loki.ledger(tenant, |ledger| {
        let kept = ledger.kept.iter();
        kept.map(|(labels, entry)| (labels.clone(), entry.line.clone()))
            .collect()
    })
}

fn lines(loki: &Loki) -> Vec<String> {
    kept(loki, "").into_iter().map(|(_, line)| line).collect()
}

/// The same pod's lines as the runtime writes them.
fn cri(lines: &[&str]) -> String {
    let record = |line: &&str| format!("{:.9} stdout F {line}\n", jiff::Timestamp::now());
    lines.iter().map(record).collect()
}

#[test]
fn parts_are_joined_and_a_torn_line_waits_for_its_end() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("parts", node.container("parts"));
    let _agent = Agent::start(&node);
    for _ in 0..20 {
        writer.write_parts(100_000, 16_384);
    }
    let rest = writer.write_torn();
    wait_until("the whole lines come", || {
        loki.ledger("", |it| it.count("parts")) == 20
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    writer.write_raw(&rest);
    all_there(&loki, &[writer]);
}

#[test]
fn the_longest_lines_are_cut_before_loki_refuses_them() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("long", node.container("long"));
    writer.write_parts(300_000, 16_384);
    writer.write(1, 300_000);
    writer.write(1, 100);
    let agent = Agent::start(&node);
    all_there(&loki, &[writer]);
    assert!(
        agent
            .metrics()
            .contains("masthead_agent_log_changed_entries_total")
    );
}

#[test]
fn a_line_that_is_none_is_sent_as_it_is() {
    let loki = Loki::start(Limits::generous(), true);
    let node = Node::new(&loki);
    let mut log = append(&node.container("odd").join("0.log"));
    log.write_all(b"no time at all\n").unwrap();
    log.write_all(format!("{:.9} stdout F bad \u{fffd}", jiff::Timestamp::now()).as_bytes())
        .unwrap();
    log.write_all(b"\xff\xfe byte\n").unwrap();
    let _agent = Agent::start(&node);
    wait_until("both come", || kept(&loki, "").len() == 2);
    let lines = lines(&loki);
    assert!(lines.contains(&"no time at all".to_owned()), "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("bad \u{fffd}\u{fffd}")),
        "{lines:?}"
    );
    assert_eq!(loki.errors(), [""; 0]);
}

#[test]
fn labels_are_those_of_the_pod() {
    let loki = Loki::start(Limits::generous(), true);
    let node = Node::with(&loki, |logs| {
        logs.labels = [("cluster".to_owned(), "eu \"1\"".to_owned())].into();
    });
    append(&node.container("web-5d9c7b9f4-x7x2k").join("0.log"))
        .write_all(cri(&["hello"]).as_bytes())
        .unwrap();
    let _agent = Agent::start(&node);
    wait_until("it comes", || !kept(&loki, "").is_empty());
    let (labels, _) = kept(&loki, "").remove(0);
    assert_eq!(
        labels,
        r#"{app="web", cluster="eu \"1\"", container="main", job="shop/web", namespace="shop", node_name="node-1", pod="web-5d9c7b9f4-x7x2k", stream="stdout"}"#
    );
}

#[test]
fn a_stack_trace_is_one_entry() {
    let loki = Loki::start(Limits::generous(), true);
    let node = Node::with(&loki, |logs| {
        logs.pods.as_mut().unwrap().multiline = vec![PodMultiline {
            pods: PodMatch::default(),
            first_line: r"^\[".into(),
        }];
    });
    let text = cri(&["[1] Traceback", "  at x", "  at y", "[2] fine", "[3] last"]);
    append(&node.container("trace").join("0.log"))
        .write_all(text.as_bytes())
        .unwrap();
    let _agent = Agent::start(&node);
    wait_until("all three come", || kept(&loki, "").len() == 3);
    assert_eq!(
        lines(&loki),
        ["[1] Traceback\n  at x\n  at y", "[2] fine", "[3] last"]
    );
}

#[test]
fn lines_are_dropped_kept_redacted_and_their_fields_taken() {
    let loki = Loki::start(Limits::generous(), true);
    let node = Node::with(&loki, |logs| {
        let everything = |pattern: &str| Pattern {
            pods: None,
            pattern: pattern.into(),
        };
        logs.stages = vec![
            StageConfig::Keep(everything("level")),
            StageConfig::Drop(everything("healthz")),
            StageConfig::Replace(Replacement {
                pods: None,
                pattern: r"card=(\d{4})\d+".into(),
                with: "card=$1****".into(),
            }),
            StageConfig::Json(Fields {
                pods: None,
                labels: [("level".to_owned(), "level".to_owned())].into(),
                metadata: [("trace".to_owned(), "trace_id".to_owned())].into(),
            }),
        ];
    });
    let text = cri(&[
        r#"{"level":"info","trace":"t1","msg":"card=1234567890123456"}"#,
        r#"{"level":"info","msg":"GET /healthz"}"#,
        "something else",
        r#"{"level":"warn"}"#,
    ]);
    append(&node.container("staged").join("0.log"))
        .write_all(text.as_bytes())
        .unwrap();
    let _agent = Agent::start(&node);
    wait_until("two come", || kept(&loki, "").len() == 2);
    let found = loki.ledger("", |ledger| ledger.kept.clone());
    let info = found
        .iter()
        .find(|(labels, _)| labels.contains(r#"level="info""#))
        .unwrap();
    assert_eq!(
        info.1.line,
        r#"{"level":"info","trace":"t1","msg":"card=1234****"}"#
    );
    assert!(
        info.1
            .metadata
            .contains(&("trace_id".to_owned(), "t1".to_owned())),
        "{info:?}"
    );
    assert!(
        found
            .iter()
            .any(|(labels, _)| labels.contains(r#"level="warn""#))
    );
}

#[test]
fn namespaces_with_a_tenant_of_their_own_get_it() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::with(&loki, |logs| {
        logs.loki.tenant = Some("rest".into());
        logs.loki.tenants = [("shop".to_owned(), "customers".to_owned())].into();
    });
    let mut shop = Cri::new("shop", node.container("shop"));
    shop.write(10, 100);
    let other = node.path("pods/other_pod_0c1d2e3f-0000-4000-8000-000000000001/main");
    std::fs::create_dir_all(&other).unwrap();
    let mut other = Cri::new("other", other);
    other.write(10, 100);
    let _agent = Agent::start(&node);
    wait_until("both come", || {
        loki.ledger("customers", |it| it.count("shop")) == 10
            && loki.ledger("rest", |it| it.count("other")) == 10
    });
    assert_eq!(loki.ledger("customers", |it| it.report().lines), 10);
}

#[test]
fn json_with_gzip_carries_the_same() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::with(&loki, |logs| {
        logs.loki.encoding = Encoding::Json;
        logs.loki.basic_auth = None::<BasicAuthFile>;
    });
    let mut writer = Cri::new("json", node.container("json"));
    writer.write(5000, 200);
    let _agent = Agent::start(&node);
    all_there(&loki, &[writer]);
    assert_eq!(loki.errors(), [""; 0]);
}

#[test]
fn a_docker_host_ships_its_containers_whose_files_are_renumbered() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::with(&loki, |logs| logs.pods = None);
    let id = "4f".repeat(32);
    let folder = node.path("docker").join(&id);
    std::fs::create_dir_all(&folder).unwrap();
    let mut logs = node.config();
    logs.docker = Some(DockerLogsConfig {
        directory: text(&node.path("docker")),
        ..DockerLogsConfig::default()
    });
    node.configure(logs);
    let path = folder.join(format!("{id}-json.log"));
    let record = |text: &str| {
        let log = serde_json::to_string(text).unwrap();
        format!(
            "{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"{:.9}\"}}\n",
            jiff::Timestamp::now()
        )
    };
    let _agent = Agent::start(&node);
    let mut number = 0;
    for _ in 0..4 {
        let mut log = append(&path);
        for _ in 0..500 {
            // Pieces of 16 KiB, of which only the last ends the line.
            let line = format!(
                "w=docker n={number} {}\n",
                "x".repeat(if number % 100 == 0 { 40_000 } else { 100 })
            );
            number += 1;
            for piece in line.as_bytes().chunks(16_384) {
                log.write_all(record(std::str::from_utf8(piece).unwrap()).as_bytes())
                    .unwrap();
            }
        }
        wait_until("its lines come", || {
            loki.ledger("", |it| it.count("docker")) == number
        });
        let numbered = |n: u32| folder.join(format!("{id}-json.log.{n}"));
        for n in (1..3).rev().filter(|n| numbered(*n).exists()) {
            std::fs::rename(numbered(n), numbered(n + 1)).unwrap();
        }
        std::fs::rename(&path, numbered(1)).unwrap();
    }
    let report = loki.ledger("", |it| it.report());
    assert_eq!(
        (report.lines, report.missing, report.doubles),
        (2000, 0, 0),
        "{report:?}"
    );
}

#[test]
fn another_configuration_is_taken_while_it_runs_and_no_line_is_lost_or_double() {
    let loki = Loki::start(Limits::generous(), false);
    let other = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("moved", node.container("moved"));
    let _agent = Agent::start(&node);
    writer.write(1000, 100);
    wait_until("the first lines come", || {
        loki.ledger("", |it| it.count("moved")) == 1000
    });
    let log = node.path("late.log");
    let mut logs = node.config();
    logs.loki.url = other.url();
    logs.files = vec![file(&log)];
    node.configure(logs);
    append(&log).write_all(b"w=late n=0 here\n").unwrap();
    wait_until("the new file comes", || {
        other.ledger("", |it| it.count("late")) == 1
    });
    writer.write(1000, 100);
    wait_until("the lines come to the other one", || {
        other.ledger("", |it| it.gaps("moved", 2000)) == [(0, 1000)]
    });
    assert_eq!(loki.ledger("", |it| it.report().lines), 1000);
}

#[test]
fn links_that_lead_away_from_logs_are_not_followed() {
    let loki = Loki::start(Limits::generous(), true);
    let node = Node::new(&loki);
    let secret = node.path("secret");
    std::fs::write(&secret, "w=secret n=0 nobody's business\n").unwrap();
    let host = node.path("host");
    std::fs::create_dir(&host).unwrap();
    let mut logs = node.config();
    logs.files = vec![file(&host.join("*.log"))];
    node.configure(logs);
    for link in [host.join("away.log"), node.container("away").join("0.log")] {
        std::os::unix::fs::symlink(&secret, link).unwrap();
    }
    append(&host.join("here.log"))
        .write_all(b"w=here n=0 a line\n")
        .unwrap();
    let agent = Agent::start(&node);
    wait_until("what is there comes", || {
        loki.ledger("", |it| it.count("here")) == 1
    });
    wait_until("both are refused", || {
        agent.metric("masthead_agent_log_read_failures_total") >= 2.0
    });
    assert!(agent.said().contains("where no logs are to be read"));
    assert_eq!(loki.ledger("", |it| it.count("secret")), 0);
}

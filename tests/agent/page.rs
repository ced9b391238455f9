//! The page as a browser shows it, of a machine that is made up.

use std::path::Path;

use masthead::cli::AgentArgs;
use serde_json::json;

use super::browser::Browser;
use super::postgres::server::Server;
use super::{Running, args, get};

const ID: &str = "6d1fb1025780346c95ac9663944e3aa6517565c7c36a62580cd5faa7000";
/// What an attacker would name a mount, or a pod: a name with markup in it.
const EVIL: &str = "<img src=x onerror=document.title='owned'>";

/// A machine with three containers and a mount of an evil name.
fn machine(folder: &Path) -> AgentArgs {
    let write = |path: String, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("sys/fs/cgroup/cgroup.controllers".into(), "cpu memory io\n");
    write("sys/fs/cgroup/cpu.stat".into(), "usage_usec 9000000\n");
    for (number, memory) in [(10, 20), (11, 30), (12, 10)] {
        let group = format!("sys/fs/cgroup/docker/{ID}{number:05x}");
        write(format!("{group}/cpu.stat"), "usage_usec 1000000\n");
        write(
            format!("{group}/memory.current"),
            &format!("{}\n", memory << 20),
        );
        write(format!("{group}/memory.max"), "67108864\n");
    }
    let cpu = "cpu0 100 0 100 1000 0 0 0 0 0 0\nbtime 1700000000\nctxt 1\nprocesses 1\n\
        procs_running 1\nprocs_blocked 0\nintr 1\nsoftirq 1\n";
    write("proc/stat".into(), cpu);
    let memory = "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\nMemFree: 262144 kB\n\
        SwapTotal: 0 kB\nSwapFree: 0 kB\n";
    write("proc/meminfo".into(), memory);
    write("proc/loadavg".into(), "0.25 0.2 0.1 1/1 1\n");
    let device = format!("  eth0: 5{}\n", " 0".repeat(15));
    write("proc/1/net/dev".into(), &format!("a\nb\n{device}"));
    let mount = EVIL.replace(' ', "\\040");
    let line = format!("30 1 254:0 / /{mount} rw - ext4 /dev/vda rw\n");
    write("proc/1/mountinfo".into(), &line);
    std::fs::create_dir_all(folder.join("root").join(EVIL)).unwrap();
    write("root/etc/hostname".into(), "lookout\n");
    AgentArgs {
        proc: folder.join("proc"),
        sys: folder.join("sys"),
        rootfs: folder.join("root"),
        ..args()
    }
}

#[test]
fn the_page_shows_the_node_to_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Running::start(machine(folder.path()));
    let head = get(agent.containers, "/").unwrap();
    assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self';"));
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.look(1400, "light");
    browser.open(&format!("http://{}/", agent.containers));
    browser.until("document.querySelectorAll('#tables tbody tr').length > 3");
    browser.until("document.getElementById('status').textContent === 'Live'");
    assert_eq!(
        browser.ask("document.getElementById('name').textContent"),
        "lookout"
    );
    assert_eq!(browser.ask("document.querySelectorAll('.card').length"), 4);
    let card = "document.querySelectorAll('.card')[1].textContent";
    assert!(
        browser
            .ask(card)
            .as_str()
            .unwrap()
            .contains("50.0 % of 1.00 GiB")
    );

    // Sorted by whichever heading is pressed, and told to those who do not see it.
    let table = "document.querySelector('table[aria-labelledby=title-containers]')";
    let head = |column: &str| {
        format!("[...{table}.tHead.rows[0].cells].find(it => it.textContent === '{column}')")
    };
    let names = format!("[...{table}.tBodies[0].rows].map(row => row.cells[0].textContent)");
    assert_eq!(browser.ask(&format!("{names}.length")), 3);
    browser.ask(&format!(
        "{}.querySelector('button').click()",
        head("Memory")
    ));
    let sorted = format!("{}.getAttribute('aria-sort')", head("Memory"));
    assert_eq!(browser.ask(&sorted), "descending");
    let memory = format!(
        "[...{table}.tBodies[0].rows].map(row => row.textContent.match(/(\\d+)\\.0 MiB/)[1])"
    );
    assert_eq!(browser.ask(&memory), json!(["30", "20", "10"]));
    browser.ask(&format!(
        "{}.querySelector('button').click()",
        head("Memory")
    ));
    assert_eq!(browser.ask(&sorted), "ascending");
    assert_eq!(browser.ask(&memory), json!(["10", "20", "30"]));

    // What others name is text.
    let text = format!("document.body.textContent.includes({})", json!(EVIL));
    assert_eq!(browser.ask(&text), json!(true));
    assert_eq!(browser.ask("document.images.length"), 0);
    assert_eq!(browser.ask("document.title"), "lookout \u{b7} Masthead");

    // Whatever can be pressed or filled in has a name for those who hear the page.
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let role = |node: &serde_json::Value| node["role"]["value"].as_str().unwrap_or("").to_owned();
    let usable = nodes.iter().filter(|node| {
        ["button", "searchbox", "link", "table", "region"].contains(&role(node).as_str())
    });
    for node in usable {
        let name = node["name"]["value"].as_str().unwrap_or_default();
        assert!(!name.is_empty(), "{} has no name: {node}", role(node));
    }

    let back = "getComputedStyle(document.body).backgroundColor";
    let light = browser.ask(back);
    browser.look(1400, "dark");
    assert_ne!(browser.ask(back), light);
    browser.look(390, "light");
    browser.until("document.documentElement.scrollWidth <= 390");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

/// Servers that answer and that do not, a log file that cannot be delivered, and what is left out.
#[test]
fn the_page_shows_postgres_and_the_shipping_of_logs() {
    let Some(server) = Server::start(17, &[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let args = machine(folder.path());
    std::fs::write(args.rootfs.join("shop.log"), "one\nnoise\n").unwrap();
    let closed = super::postgres::server::free_port();
    let config = json!({
        "node": {}, "containers": {},
        "postgres": {"targets": [
            {"name": "billing", "host": "127.0.0.1", "port": server.port(), "login": {"user": "monitor"}},
            {"name": EVIL, "host": "127.0.0.1", "port": closed},
        ]},
        "logs": {
            "loki": {"url": format!("http://name:secret@127.0.0.1:{closed}")},
            "state": folder.path().join("state"),
            "files": [{"path": "/shop.log"}],
            "stages": [{"drop": {"pattern": "noise"}}],
        },
    });
    let path = folder.path().join("agent.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let agent = Running::start(AgentArgs {
        config: Some(path),
        ..args
    });
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.look(1400, "light");
    browser.open(&format!("http://{}/", agent.containers));
    let rows = |table: &str| {
        format!(
            "[...document.querySelectorAll('table[aria-labelledby=title-{table}] tbody tr')]\
             .map(row => row.textContent)"
        )
    };
    let has = |table: &str, words: &[&str]| {
        let words = json!(words);
        format!(
            "{}.some(text => {words}.every(word => text.includes(word)))",
            rows(table)
        )
    };
    browser.until(&has(
        "postgres",
        &["billing", "PostgreSQL 17", "up", " of 100"],
    ));
    browser.until(&has("postgres", &[EVIL, "down", "refused"]));
    browser.until(&has(
        "postgres-collectors",
        &["stat_database", "billing", "works"],
    ));
    browser.until(&has(
        "logs",
        &[&format!("127.0.0.1:{closed}"), "last error", "refused"],
    ));
    browser.until(&has("log-lags", &["shop.log", "10 B"]));
    browser.until(&has("log-losses", &["stage", "left out or refused"]));
    // Figures that take two gathers.
    browser.until("/ [\\d.]+\\/s/.test(' ' + document.querySelector('table[aria-labelledby=title-postgres]').textContent)");
    assert_eq!(
        browser.ask("document.body.textContent.includes('secret')"),
        json!(false)
    );
    assert_eq!(browser.ask("document.images.length"), 0);
    browser.look(390, "dark");
    browser.until("document.documentElement.scrollWidth <= 390");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

//! What is ours alone: several targets, own queries, statements, TLS, and the host's own server.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use masthead::cli::AgentArgs;

use super::super::{Running, args, body, get};
use super::server::Server;
use super::{Agent, sorted};

#[test]
fn targets_are_told_apart_and_a_new_one_needs_no_restart() {
    let Some(server) = Server::start(18, &[]) else {
        return;
    };
    let target = |name: &str, more: &str| {
        let port = server.port();
        format!("{{name: {name}, host: 127.0.0.1, port: {port}, login: {{user: monitor}}{more}}}")
    };
    let agent = Agent::start(&format!("{{targets: [{}]}}", target("one", "")));
    assert_eq!(agent.metrics().value("pg_up{instance=\"one\"}"), Some(1.0));
    assert_eq!(agent.probe("one").value("pg_up"), Some(1.0));
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    agent.configure(&format!(
        "{{targets: [{}, {}, {{name: gone, host: 127.0.0.1, port: {closed}}}]}}",
        target("one", ""),
        target("two", ", onlyProbe: true")
    ));
    let scrape = agent.metrics();
    assert_eq!(scrape.value("pg_up{instance=\"one\"}"), Some(1.0));
    assert_eq!(scrape.value("pg_up{instance=\"gone\"}"), Some(0.0));
    assert_eq!(scrape.value("pg_up{instance=\"two\"}"), None);
    assert_eq!(agent.probe("two").value("pg_up"), Some(1.0));
    let address = agent.address();
    let unknown = get(address, "/probe?target=three").unwrap();
    assert!(unknown.starts_with("HTTP/1.0 404"), "{unknown}");
    assert!(unknown.contains("one, two, gone"), "{unknown}");
    assert!(get(address, "/probe").unwrap().starts_with("HTTP/1.0 400"));
    agent.configure("{targets: []}");
    assert_eq!(body(address, "/metrics"), "");
}

#[test]
fn queries_are_typed_cached_bounded_and_only_read() {
    let Some(server) = Server::start(16, &[]) else {
        return;
    };
    server.sql(
        "postgres",
        "create table orders (status text, amount numeric);
         insert into orders select 'open', g from generate_series(1, 3) g;
         insert into orders values ('we\"ird', 2.5);
         grant select, insert on orders to monitor",
    );
    let queries = "\
        {name: shop_orders, sql: 'select status, count(*) as total, sum(amount) as amount from orders group by status -- all', \
          labels: [status], values: {total: gauge, amount: counter}, everySeconds: 3600}, \
        {name: writes, sql: \"insert into orders values ('x', 1) returning 1 as one\", values: {one: gauge}}, \
        {name: many, sql: 'select g as id, 1 as one from generate_series(1, 11) g', labels: [id], values: {one: gauge}, maxRows: 10}, \
        {name: twice, sql: 'select 1 as one from generate_series(1, 2)', values: {one: gauge}}, \
        {name: slow, sql: 'select 1 as one from pg_sleep(30)', values: {one: gauge}, timeoutSeconds: 1}, \
        {name: pg_wal, sql: 'select 1 as segments', values: {segments: gauge}}, \
        {name: fine, sql: 'select now() as at, 7 as seven', values: {seven: gauge}}";
    let agent = Agent::of(&server, &format!(", queries: [{queries}]"));
    let scrape = agent.probe("a");
    let success = |name: &str| {
        scrape.value(&format!(
            "pg_scrape_collector_success{{collector=\"query:{name}\"}}"
        ))
    };
    assert_eq!(
        (success("shop_orders"), success("fine")),
        (Some(1.0), Some(1.0))
    );
    for name in ["writes", "many", "twice", "slow", "pg_wal"] {
        assert_eq!(success(name), Some(0.0), "{name}");
    }
    assert_eq!(scrape.value("fine_seven"), Some(7.0));
    assert_eq!(
        scrape.value("shop_orders_total{status=\"open\"}"),
        Some(3.0)
    );
    assert_eq!(
        scrape.value("shop_orders_amount{status=\"we\\\"ird\"}"),
        Some(2.5)
    );
    assert_eq!(scrape.kind("shop_orders_amount"), "counter");
    // Asked again within the hour, it is the same answer.
    server.sql("postgres", "delete from orders");
    let again = agent.probe("a");
    assert_eq!(again.value("shop_orders_total{status=\"open\"}"), Some(3.0));
    assert_eq!(
        server.value("postgres", "select count(*)::text from orders"),
        "0"
    );
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_busiest_statements_are_told_and_the_others_are_one() {
    for major in [13, 18] {
        let Some(server) = Server::start(major, &["shared_preload_libraries=pg_stat_statements"])
        else {
            return;
        };
        server.sql(
            "postgres",
            "create schema ext; grant usage on schema ext to monitor; create extension pg_stat_statements schema ext",
        );
        let connection = server.connect("postgres");
        for number in 1..30 {
            let columns: Vec<String> = (0..number).map(|it| it.to_string()).collect();
            connection.run(&format!("select {}", columns.join(", ")));
        }
        let agent = Agent::of(&server, ", statements: {top: 5}");
        let scrape = agent.probe("a");
        let calls = "pg_stat_statements_calls_total{";
        let told: Vec<&String> = scrape
            .series
            .keys()
            .filter(|it| it.starts_with(calls))
            .collect();
        assert_eq!(told.len(), 6, "{major}: {told:?}");
        let other = "pg_stat_statements_calls_total{datname=\"\",queryid=\"other\",user=\"\"}";
        assert!(scrape.value(other).unwrap() >= 20.0, "{major}");
    }
}

#[test]
fn without_a_configuration_the_hosts_own_server_is_found_by_its_socket() {
    let Some(server) = Server::start(17, &[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run/postgresql");
    std::fs::create_dir_all(&run).unwrap();
    let agent = |rootfs: &Path| {
        Running::start(AgentArgs {
            rootfs: rootfs.into(),
            ..args()
        })
    };
    let socket = server.folder().join(format!(".s.PGSQL.{}", server.port()));
    std::os::unix::fs::symlink(socket, run.join(".s.PGSQL.5432")).unwrap();
    let found = agent(root.path());
    let scrape = sorted(&body(found.postgres, "/metrics"));
    assert_eq!(scrape.value("pg_up"), Some(1.0));
    assert_eq!(scrape.value("pg_replication_is_replica"), Some(0.0));
}

fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

#[test]
fn each_way_to_encrypt_checks_what_it_promises_and_a_new_password_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (name, subject) in [("ca", "/CN=ours"), ("other", "/CN=theirs")] {
        openssl(
            path,
            &format!(
                "req -x509 -newkey rsa:2048 -nodes -days 30 -subj {subject} -keyout {name}.key -out {name}.crt"
            ),
        );
    }
    openssl(
        path,
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
    );
    std::fs::write(path.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        path,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt",
    );
    let at = |file: &str| path.join(file).to_string_lossy().into_owned();
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", at("server.crt")),
        format!("ssl_key_file={}", at("server.key")),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let Some(server) = Server::start(18, &settings) else {
        return;
    };
    server.sql("postgres", "alter role monitor password 'first'");
    server.authenticate(
        "hostssl all monitor 127.0.0.1/32 scram-sha-256\nhost all monitor 127.0.0.1/32 reject\n",
    );
    std::fs::write(path.join("user"), "monitor\n").unwrap();
    std::fs::write(path.join("password"), "first\n").unwrap();
    let port = server.port();
    let target = |name: &str, host: &str, mode: &str, ca: &str| {
        let ca = if ca.is_empty() {
            String::new()
        } else {
            format!(", caFile: {}", at(ca))
        };
        format!(
            "{{name: {name}, host: {host}, port: {port}, login: {{userFile: {}, passwordFile: {}, sslMode: {mode}{ca}}}}}",
            at("user"),
            at("password")
        )
    };
    let cases = [
        ("disable", "127.0.0.1", "disable", "", 0.0),
        ("prefer", "127.0.0.1", "prefer", "", 1.0),
        ("require", "127.0.0.1", "require", "", 1.0),
        ("ca", "127.0.0.1", "verify-ca", "ca.crt", 1.0),
        ("wrong-ca", "127.0.0.1", "verify-ca", "other.crt", 0.0),
        ("no-ca", "127.0.0.1", "verify-ca", "", 0.0),
        ("full", "localhost", "verify-full", "ca.crt", 1.0),
        ("wrong-name", "127.0.0.1", "verify-full", "ca.crt", 0.0),
    ];
    let targets = cases.map(|(name, host, mode, ca, _)| target(name, host, mode, ca));
    let agent = Agent::start(&format!("{{targets: [{}]}}", targets.join(", ")));
    for (name, .., expected) in cases {
        assert_eq!(agent.probe(name).value("pg_up"), Some(expected), "{name}");
    }
    server.sql("postgres", "alter role monitor password 'second'");
    std::fs::write(path.join("password"), "wrong\n").unwrap();
    assert_eq!(agent.probe("require").value("pg_up"), Some(0.0));
    std::fs::write(path.join("password"), "second\n").unwrap();
    assert_eq!(agent.probe("require").value("pg_up"), Some(1.0));
}

//! Real servers, each in a folder and on a port of its own.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

/// A server that ends with the test.
pub struct Server {
    native: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    settings: Vec<String>,
}

/// The folder with the programs of a version; said loudly when there is none.
fn native(major: u32) -> Option<PathBuf> {
    let cache = std::env::var_os("MASTHEAD_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/masthead")))?;
    let native = cache.join(format!("postgres/{major}/native"));
    if !native.join("bin/postgres").is_file() {
        eprintln!("SKIPPED: no PostgreSQL {major}; hack/tools/install tools brings it");
        return None;
    }
    Some(native)
}

/// PostgreSQL refuses to run as user 0: there it is another user of a namespace of its own.
fn unprivileged(program: &Path) -> Command {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-user=1000", "--map-group=1000", "--"])
        .arg(program);
    command
}

impl Server {
    /// A server of that version with the roles `postgres` and `monitor`, if its programs are here.
    pub fn start(major: u32, settings: &[&str]) -> Option<Self> {
        let native = native(major)?;
        let folder = tempfile::tempdir().unwrap();
        let made = unprivileged(&native.join("bin/initdb"))
            .current_dir("/")
            .arg("-D")
            .arg(folder.path().join("data"))
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-N",
                "--no-locale",
                "-E",
                "UTF8",
            ])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut server = Self {
            native,
            folder,
            port: free_port(),
            child: None,
            settings: settings.iter().map(|it| (*it).to_owned()).collect(),
        };
        server.run();
        server.sql(
            "postgres",
            "create role monitor login; grant pg_monitor to monitor",
        );
        Some(server)
    }

    /// A standby of this server, which streams from it. It is stopped for the copy.
    pub fn standby(&mut self) -> Self {
        self.stop();
        let folder = tempfile::tempdir().unwrap();
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.data())
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(copied.success());
        let data = folder.path().join("data");
        std::fs::write(data.join("standby.signal"), "").unwrap();
        let primary = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user=postgres application_name=stand'\n",
            self.port
        );
        std::fs::write(data.join("postgresql.auto.conf"), primary).unwrap();
        self.run();
        let mut standby = Self {
            native: self.native.clone(),
            folder,
            port: free_port(),
            child: None,
            settings: self.settings.clone(),
        };
        standby.run();
        let begin = Instant::now();
        while self.value(
            "postgres",
            "select count(*)::text from pg_stat_replication where state = 'streaming'",
        ) != "1"
        {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{}",
                standby.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        standby
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts rules before those of `pg_hba.conf`, which do not let `monitor` in as before.
    pub fn authenticate(&self, rules: &str) {
        let path = self.data().join("pg_hba.conf");
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{rules}{before}")).unwrap();
        self.sql("postgres", "select pg_reload_conf()");
        let begin = Instant::now();
        while self.connect_as("monitor", "postgres").is_some() {
            assert!(begin.elapsed() < Duration::from_secs(30), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts the process and waits until it answers.
    pub fn run(&mut self) {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut command = unprivileged(&self.native.join("bin/postgres"));
        command
            .current_dir("/")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path());
        command.args(["-p", &self.port.to_string()]);
        let fixed = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "shared_buffers=16MB",
            "wal_level=logical",
        ];
        for setting in fixed
            .iter()
            .copied()
            .chain(self.settings.iter().map(String::as_str))
        {
            command.arg("-c").arg(setting);
        }
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let begin = Instant::now();
        while connect(self.port, "postgres", "postgres").is_none() {
            assert!(begin.elapsed() < Duration::from_mins(1), "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the process, and with it all connections.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = child.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        child.wait().unwrap();
    }

    /// A connection as `postgres`, for as long as it is kept.
    pub fn connect(&self, database: &str) -> Connection {
        self.connect_as("postgres", database).unwrap()
    }

    /// A connection as that role, if there is one to be had.
    pub fn connect_as(&self, role: &str, database: &str) -> Option<Connection> {
        connect(self.port, role, database)
    }

    /// Runs statements.
    pub fn sql(&self, database: &str, sql: &str) {
        self.connect(database).run(sql);
    }

    /// The first column of the first row.
    pub fn value(&self, database: &str, sql: &str) -> String {
        let connection = self.connect(database);
        let row = connection
            .runtime
            .block_on(connection.client.query_one(sql, &[]));
        row.unwrap().get(0)
    }

    /// How many connections the agent has here.
    pub fn connections(&self) -> usize {
        let sql = "select count(*)::text from pg_stat_activity where application_name = 'masthead'";
        self.value("postgres", sql).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A connection with the thread that moves its bytes.
pub struct Connection {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Connection {
    /// Runs statements one by one, since some may not be in a transaction.
    pub fn run(&self, sql: &str) {
        let statements = sql.split(';').filter(|it| !it.trim().is_empty());
        statements.for_each(|statement| self.statement(statement));
    }

    /// Runs one statement.
    pub fn statement(&self, sql: &str) {
        let done = self.runtime.block_on(self.client.batch_execute(sql));
        assert!(done.is_ok(), "{sql}: {done:?}");
    }
}

fn connect(port: u16, role: &str, database: &str) -> Option<Connection> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = format!("host=127.0.0.1 port={port} user={role} dbname={database}");
    let (client, connection) = runtime
        .block_on(tokio_postgres::connect(&config, NoTls))
        .ok()?;
    runtime.spawn(connection);
    Some(Connection { runtime, client })
}

pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

//! A real API server with a real etcd, on loopback ports of its own.
//!
//! `KUBEBUILDER_ASSETS` names the folder with `etcd` and `kube-apiserver`; without it, the one
//! that `hack/tools` fills. Where there is none, the test says so and passes, except in CI.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::Request;
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config,
    api::{ListParams, ObjectMeta, PostParams},
    client::Body,
};
use masthead::api::{rule::AlertRule, stack::MonitoringStack};
use serde_json::Value;
use tempfile::TempDir;

/// The user that may do everything.
pub const ADMIN: &str = "admin";
/// A user that may do nothing until a role is bound to it.
pub const OPERATOR: &str = "operator";

/// Another one.
pub const TENANT: &str = "tenant";

const PATIENCE: Duration = Duration::from_mins(1);

const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// A running API server; it ends with its owner, or with the process that owns it.
pub struct ApiServer {
    url: String,
    folder: TempDir,
    processes: Vec<Child>,
}

/// One request, as the audit log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    pub user: String,
    pub verb: String,
    /// The plural of the kind, and the subresource after a slash.
    pub resource: String,
    pub name: String,
    pub code: u64,
}

impl Audited {
    fn of(event: &Value) -> Self {
        let text = |path: &str| {
            event
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let subresource = match text("/objectRef/subresource") {
            "" => String::new(),
            subresource => format!("/{subresource}"),
        };
        Self {
            user: text("/user/username").to_owned(),
            verb: text("/verb").to_owned(),
            resource: format!("{}{subresource}", text("/objectRef/resource")),
            name: text("/objectRef/name").to_owned(),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        }
    }

    fn is_write(&self) -> bool {
        !["get", "list", "watch"].contains(&self.verb.as_str())
    }
}

impl ApiServer {
    /// Starts one and waits for it; none where the programs are missing.
    pub async fn start() -> Option<Self> {
        let Some(assets) = assets() else {
            assert!(
                env::var_os("CI").is_none(),
                "no etcd and kube-apiserver: run hack/tools/install or set KUBEBUILDER_ASSETS"
            );
            eprintln!("SKIPPED: no etcd and kube-apiserver; set KUBEBUILDER_ASSETS");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let [etcd_port, peer_port, port] = free_ports();
        let etcd = format!("http://127.0.0.1:{etcd_port}");
        let mut server = Self {
            url: format!("https://127.0.0.1:{port}"),
            processes: vec![],
            folder,
        };
        server.write_files();
        server.spawn(&assets.join("etcd"), &server.etcd_flags(&etcd, peer_port));
        let flags = server.apiserver_flags(&etcd, port);
        server.spawn(&assets.join("kube-apiserver"), &flags);
        server.wait_until_ready().await;
        Some(server)
    }

    /// A client of one of the users.
    pub fn client(&self, user: &str) -> Client {
        Client::try_from(self.config(user)).unwrap()
    }

    /// A client of a process that is killed: `requests` go through, of the next one the answer
    /// is lost, and after that there is nobody to ask any more.
    pub fn client_killed_after(&self, requests: usize) -> Client {
        let inner = self.client(ADMIN);
        let count = Arc::new(AtomicUsize::new(0));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (inner, number) = (inner.clone(), count.fetch_add(1, Ordering::SeqCst));
            async move {
                if number > requests {
                    return Err(tower::BoxError::from("killed"));
                }
                let response = inner.send(request).await?;
                if number == requests {
                    return Err(tower::BoxError::from("killed before the answer came"));
                }
                Ok(response)
            }
        });
        Client::new(service, "default")
    }

    /// Makes a namespace.
    pub async fn namespace(&self, name: &str) {
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.into()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.client(ADMIN));
        api.create(&PostParams::default(), &namespace)
            .await
            .unwrap();
    }

    /// Installs the custom resources and waits until they are served. By plain POST: a server
    /// this old drops CEL rules from a POST and refuses them in server-side apply.
    pub async fn install_crds(&self) {
        let client = self.client(ADMIN);
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        for crd in masthead::api::crds() {
            api.create(&PostParams::default(), &crd).await.unwrap();
        }
        let stacks: Api<MonitoringStack> = Api::all(client.clone());
        let rules: Api<AlertRule> = Api::all(client);
        let all = ListParams::default();
        eventually("the custom resources are served", async || {
            stacks.list(&all).await.is_ok() && rules.list(&all).await.is_ok()
        })
        .await;
    }

    /// The requests so far, in the order they ended.
    pub fn requests(&self) -> Vec<Audited> {
        let Ok(file) = fs::File::open(self.path("audit.log")) else {
            return vec![];
        };
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines
            .filter_map(|line| serde_json::from_str(&line).ok())
            .map(|event: Value| Audited::of(&event))
            .collect()
    }

    /// What a user wrote since there were `before` requests, but Leases.
    pub fn writes(&self, user: &str, before: usize) -> Vec<Audited> {
        let mut writes = self.requests().split_off(before);
        writes.retain(|request| {
            request.is_write() && request.user == user && request.resource != "leases"
        });
        writes
    }

    fn config(&self, user: &str) -> Config {
        let mut config = Config::new(self.url.parse().unwrap());
        config.accept_invalid_certs = true;
        config.auth_info.token = Some(user.to_owned().into());
        config
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spawn(&mut self, program: &Path, flags: &[String]) {
        let log = self.path(&format!("{}.log", self.processes.len()));
        let log = fs::File::create(log).unwrap();
        // The kernel ends it when the test's thread ends, however that happens.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.push(child);
    }

    fn write_files(&self) {
        let tokens = format!(
            "{ADMIN},{ADMIN},1,system:masters\n{OPERATOR},{OPERATOR},2\n{TENANT},{TENANT},3\n"
        );
        fs::write(self.path("tokens.csv"), tokens).unwrap();
        fs::write(self.path("audit.yaml"), AUDIT_POLICY).unwrap();
        let made = Command::new("openssl")
            .args(["genrsa", "-out"])
            .arg(self.path("sa.key"))
            .arg("2048")
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "openssl genrsa");
    }

    fn etcd_flags(&self, client: &str, peer_port: u16) -> Vec<String> {
        let peer = format!("http://127.0.0.1:{peer_port}");
        vec![
            format!("--data-dir={}", self.path("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
        ]
    }

    fn apiserver_flags(&self, etcd: &str, port: u16) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        vec![
            format!("--etcd-servers={etcd}"),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", path("certs")),
            format!("--token-auth-file={}", path("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            // Nothing here makes service accounts for namespaces.
            "--disable-admission-plugins=ServiceAccount".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", path("sa.key")),
            format!("--service-account-signing-key-file={}", path("sa.key")),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            format!("--audit-policy-file={}", path("audit.yaml")),
            format!("--audit-log-path={}", path("audit.log")),
        ]
    }

    async fn wait_until_ready(&mut self) {
        let client = self.client(ADMIN);
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = ready(&client).await {
            for (number, process) in self.processes.iter_mut().enumerate() {
                if let Some(status) = process.try_wait().unwrap() {
                    let log = self.folder.path().join(format!("{number}.log"));
                    panic!("{status}: {}", fs::read_to_string(log).unwrap());
                }
            }
            assert!(Instant::now() < deadline, "not ready: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            // It may have ended by itself; the folder goes next either way.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ready(client: &Client) -> kube::Result<String> {
    let request = Request::get("/readyz").body(vec![]).unwrap();
    client.request_text(request).await
}

fn assets() -> Option<PathBuf> {
    let folder = env::var_os("KUBEBUILDER_ASSETS").map_or_else(
        || {
            let cache = env::var_os("MASTHEAD_CACHE").map_or_else(
                || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/masthead"),
                PathBuf::from,
            );
            cache.join("kubernetes-1.20.2")
        },
        PathBuf::from,
    );
    let has = |name: &str| folder.join(name).exists();
    (has("etcd") && has("kube-apiserver")).then_some(folder)
}

/// Ports that were free a moment ago, all different.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

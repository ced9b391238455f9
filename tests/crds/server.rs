//! A current Kubernetes' server of custom resources, by itself, with an etcd of its own.
//!
//! `hack/tools/build-crd-server` makes both; where they are not, there is no server.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::http::{Request, header::WARNING};
use http_body_util::BodyExt;
use kube::{Client, Config, client::Body};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

/// A running server; it ends with its owner.
pub struct Server {
    pub client: Client,
    processes: Vec<Child>,
    // Last, since it is removed when it is dropped.
    folder: TempDir,
}

/// What the server said to a request.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub warnings: Vec<String>,
    pub body: Value,
}

impl Answer {
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

impl Server {
    pub async fn start() -> Option<Self> {
        let assets = assets()?;
        let folder = tempfile::tempdir().unwrap();
        let [etcd, peer, port] = free_ports().map(|port| format!("127.0.0.1:{port}"));
        make_certificates(folder.path());
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "self",
            "clusters": [{"name": "self", "cluster": {"server": format!("https://{port}")}}],
            "contexts": [{"name": "self", "context": {"cluster": "self", "user": ""}}],
        });
        fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        let mut server = Self {
            client: client(&port, folder.path()),
            processes: vec![],
            folder,
        };
        server.spawn(&assets.join("etcd"), &etcd_flags(&etcd, &peer));
        server.spawn(&assets.join("crd-server"), &server_flags(&etcd, &port));
        server.wait_until_ready().await;
        Some(server)
    }

    /// Applies an object as `kubectl apply --server-side` does: unknown fields are errors.
    pub async fn apply(&self, path: &str, object: &Value) -> Answer {
        let request = Request::patch(format!(
            "{path}?fieldManager=test&fieldValidation=Strict&force=true"
        ))
        .header("Content-Type", "application/apply-patch+yaml")
        .body(Body::from(object.to_string().into_bytes()));
        self.send(request.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.client.send(request).await.unwrap();
        let (head, body) = response.into_parts();
        let warnings = head.headers.get_all(WARNING).iter();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            code: head.status.as_u16(),
            warnings: warnings.map(|it| it.to_str().unwrap().to_owned()).collect(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    fn spawn(&mut self, program: &Path, flags: &[String]) {
        let name = format!("{}.log", self.processes.len());
        let log = fs::File::create(self.folder.path().join(name)).unwrap();
        // The kernel ends it when the test's thread ends, however that happens.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(flags)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.push(child);
    }

    /// The informers never get what they ask for: there are no Services here.
    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = Request::get("/readyz?exclude=informer-sync").body(vec![]);
            let Err(error) = self.client.request_text(request.unwrap()).await else {
                return;
            };
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

impl Drop for Server {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            // It may have ended by itself; the folder goes next either way.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn assets() -> Option<PathBuf> {
    let cache = env::var_os("MASTHEAD_CACHE").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/masthead"),
        PathBuf::from,
    );
    let folder = cache.join("crd-server");
    let has = |name: &str| folder.join(name).exists();
    (has("etcd") && has("crd-server")).then_some(folder)
}

/// Ports that were free a moment ago, all different.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// One certificate that is its own authority: its bearer may do everything.
fn make_certificates(folder: &Path) {
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2".split(' '))
        .args("-subj /O=system:masters/CN=admin -keyout admin.key -out admin.crt".split(' '))
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "openssl req");
}

fn client(address: &str, folder: &Path) -> Client {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut config = Config::new(format!("https://{address}").parse().unwrap());
    config.accept_invalid_certs = true;
    config.auth_info.client_certificate = Some(path("admin.crt"));
    config.auth_info.client_key = Some(path("admin.key"));
    Client::try_from(config).unwrap()
}

fn etcd_flags(client: &str, peer: &str) -> Vec<String> {
    vec![
        "--data-dir=etcd".into(),
        "--unsafe-no-fsync".into(),
        format!("--listen-client-urls=http://{client}"),
        format!("--advertise-client-urls=http://{client}"),
        format!("--listen-peer-urls=http://{peer}"),
        format!("--initial-advertise-peer-urls=http://{peer}"),
        format!("--initial-cluster=default=http://{peer}"),
    ]
}

/// There is nobody to delegate to: no namespaces to look up, no policies, no webhooks.
fn server_flags(etcd: &str, address: &str) -> Vec<String> {
    let (host, port) = address.split_once(':').unwrap();
    let plugins = "NamespaceLifecycle,MutatingAdmissionPolicy,MutatingAdmissionWebhook,\
                   ValidatingAdmissionPolicy,ValidatingAdmissionWebhook";
    let mut flags = vec![
        format!("--etcd-servers=http://{etcd}"),
        format!("--bind-address={host}"),
        format!("--secure-port={port}"),
        "--cert-dir=certs".into(),
        "--client-ca-file=admin.crt".into(),
        "--authentication-skip-lookup".into(),
        "--enable-priority-and-fairness=false".into(),
        format!("--disable-admission-plugins={plugins}"),
    ];
    let kubeconfigs = ["", "authentication-", "authorization-"];
    flags.extend(kubeconfigs.map(|of| format!("--{of}kubeconfig=kubeconfig")));
    flags
}

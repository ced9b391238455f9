//! A real API server with a real etcd, on loopback ports of its own.
//!
//! `KUBEBUILDER_ASSETS` names the folder with `etcd` and `kube-apiserver`; without it, the one
//! that `hack/tools` fills. Where there is none, the test says so and passes, except in CI.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
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

use crate::processes::{self, PATIENCE, Processes};

/// The user that may do everything.
pub const ADMIN: &str = "admin";
/// A user that may do nothing until a role is bound to it.
pub const OPERATOR: &str = "operator";

/// Another one.
pub const TENANT: &str = "tenant";

const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// A running API server; it ends with its owner, or with the process that owns it.
pub struct ApiServer {
    url: String,
    processes: Processes,
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
        let assets =
            processes::assets("KUBEBUILDER_ASSETS", "kubernetes-1.20.2", "kube-apiserver")?;
        let [etcd, peer, address] = processes::free_addresses();
        let mut server = Self {
            url: format!("https://{address}"),
            processes: Processes::new(),
        };
        server.write_files();
        let programs = &mut server.processes;
        programs.spawn(&assets.join("etcd"), &processes::etcd_flags(&etcd, &peer));
        programs.spawn(&assets.join("kube-apiserver"), &flags(&etcd, &address));
        let client = server.client(ADMIN);
        let request = || Request::get("/readyz").body(vec![]).unwrap();
        let ready = async || client.request_text(request()).await;
        server.processes.until_ready(ready).await;
        Some(server)
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
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
        let Ok(file) = fs::File::open(self.processes.path("audit.log")) else {
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

    fn write_files(&self) {
        let tokens = format!(
            "{ADMIN},{ADMIN},1,system:masters\n{OPERATOR},{OPERATOR},2\n{TENANT},{TENANT},3\n"
        );
        self.processes.write("tokens.csv", &tokens);
        self.processes.write("audit.yaml", AUDIT_POLICY);
        let made = Command::new("openssl")
            .args(["genrsa", "-out"])
            .arg(self.processes.path("sa.key"))
            .arg("2048")
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "openssl genrsa");
    }
}

/// Every file is in the folder it runs in.
fn flags(etcd: &str, address: &str) -> Vec<String> {
    let (host, port) = address.split_once(':').unwrap();
    let mut flags = vec![
        format!("--etcd-servers=http://{etcd}"),
        format!("--bind-address={host}"),
        format!("--secure-port={port}"),
    ];
    let fixed = [
        "--cert-dir=certs",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        // Nothing here makes service accounts for namespaces.
        "--disable-admission-plugins=ServiceAccount",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=sa.key",
        "--service-account-signing-key-file=sa.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--audit-policy-file=audit.yaml",
        "--audit-log-path=audit.log",
    ];
    flags.extend(fixed.map(str::to_owned));
    flags
}

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

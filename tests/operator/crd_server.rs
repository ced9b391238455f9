//! A current Kubernetes' server of custom resources, by itself, with an etcd of its own.
//!
//! `hack/tools/build-crd-server` makes both; where they are not, there is no server.

use std::process::{Command, Stdio};

use axum::http::{Request, header::WARNING};
use http_body_util::BodyExt;
use kube::{Client, Config, client::Body};
use serde_json::{Value, json};

use crate::processes::{self, Processes, etcd_flags};

/// A running server; it ends with its owner.
pub struct Server {
    pub client: Client,
    _processes: Processes,
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
        let assets = processes::assets("MASTHEAD_CRD_SERVER", "crd-server", "crd-server")?;
        let [etcd, peer, address] = processes::free_addresses();
        let mut processes = Processes::new();
        make_certificate(&processes);
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "self",
            "clusters": [{"name": "self", "cluster": {"server": format!("https://{address}")}}],
            "contexts": [{"name": "self", "context": {"cluster": "self", "user": ""}}],
        });
        processes.write("kubeconfig", &kubeconfig.to_string());
        processes.spawn(&assets.join("etcd"), &etcd_flags(&etcd, &peer));
        processes.spawn(&assets.join("crd-server"), &server_flags(&etcd, &address));
        let client = client(&address, &processes);
        // The informers never get what they ask for: there are no Services here.
        let request = || {
            Request::get("/readyz?exclude=informer-sync")
                .body(vec![])
                .unwrap()
        };
        processes
            .until_ready(async || client.request_text(request()).await)
            .await;
        Some(Self {
            client,
            _processes: processes,
        })
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
}

/// One certificate that is its own authority: its bearer may do everything.
fn make_certificate(processes: &Processes) {
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2".split(' '))
        .args("-subj /O=system:masters/CN=admin -keyout admin.key -out admin.crt".split(' '))
        .current_dir(processes.path(""))
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "openssl req");
}

fn client(address: &str, processes: &Processes) -> Client {
    let path = |name: &str| processes.path(name).display().to_string();
    let mut config = Config::new(format!("https://{address}").parse().unwrap());
    config.accept_invalid_certs = true;
    config.auth_info.client_certificate = Some(path("admin.crt"));
    config.auth_info.client_key = Some(path("admin.key"));
    Client::try_from(config).unwrap()
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

//! The six default alerts, pushed over their thresholds for real, side by side: each fires with
//! its severity, is told by webhook and by mail, and so is its end.

use std::{
    env, fs,
    net::{IpAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    inbox::Inbox,
    postgres::{Connection, Server},
    steps_load::{self, Idle},
    support::{Cluster, NAMESPACE, STACK, eventually, is_ready},
};

/// The newest PostgreSQL there is.
const POSTGRES: u32 = 18;
/// The limit of connections in this test, and how many are opened above what the agent has.
const CONNECTIONS: usize = 8;

/// An alert, its severity, and the labels that tell which one of its alerts is meant.
type Expected = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What is over its threshold from the start.
const FIRST: [Expected; 5] = [
    ("ContainerDown", "critical", &[("pod", "broken")]),
    ("HighMemory", "warning", &[]),
    ("HighCpu", "warning", &[]),
    ("LowDisk", "warning", &[]),
    ("PostgresConnections", "warning", &[("instance", "shop")]),
];
const POSTGRES_DOWN: Expected = ("PostgresDown", "critical", &[("instance", "shop")]);

pub async fn the_six_default_alerts_fire_are_told_and_resolve(cluster: &Cluster) {
    let host = env::var("MASTHEAD_TEST_HOST").expect("hack/cluster-test names it");
    let host: IpAddr = host.parse().unwrap();
    let Some(postgres) = apart(start_postgres) else {
        return;
    };
    let idle = Idle::of(cluster).await;
    idle.disturb(cluster).await;
    let inbox = Inbox::at_address(host).await;
    let mails = Mails::start(host);
    let shop = json!({"name": "shop", "host": host.to_string(), "port": postgres.server.port()});
    cluster
        .patch_stack(json!({
            "agent": {"postgres": {"targets": [shop]}},
            "alerting": {
                "receivers": [
                    {"name": "hook", "webhook": {"url": format!("{}/alerts", inbox.url)}},
                    {"name": "mail", "email": {
                        "to": ["ops@example.org"], "from": "masthead@example.org",
                        "smarthost": format!("{host}:{}", mails.port), "requireTls": false,
                    }},
                ],
                "routes": [{"receivers": ["hook", "mail"], "groupBy": ["..."], "groupWait": "1s", "groupInterval": "5s"}],
                "defaultRules": thresholds([idle.cpu, idle.memory], 99, CONNECTIONS),
            },
        }))
        .await;
    break_a_container(cluster).await;
    for (alert, severity, labels) in FIRST {
        told(&inbox, 0, "firing", alert, severity, labels).await;
    }
    mails.wait("HighMemory").await;

    // One more goes over, and the others come back. Until the first scrape nobody told of the
    // server, which is an alert as well: what came before does not count.
    let before = inbox.at("/alerts").len();
    let mut server = apart(move || {
        let Busy {
            mut server,
            connections,
        } = postgres;
        drop(connections);
        server.stop();
        server
    });
    cluster
        .patch_stack(json!({"alerting": {"defaultRules": thresholds([100, 100], 1, 10_000)}}))
        .await;
    mend_the_container(cluster).await;
    steps_load::end(cluster).await;
    let (alert, severity, labels) = POSTGRES_DOWN;
    told(&inbox, before, "firing", alert, severity, labels).await;
    let back_up = inbox.at("/alerts").len();
    let server = apart(move || {
        server.run();
        server
    });
    for (alert, severity, labels) in FIRST {
        told(&inbox, before, "resolved", alert, severity, labels).await;
    }
    let (alert, severity, labels) = POSTGRES_DOWN;
    told(&inbox, back_up, "resolved", alert, severity, labels).await;
    mails.wait("RESOLVED").await;

    let back = json!({"receivers": null, "routes": null, "defaultRules": null});
    cluster
        .patch_stack(json!({"agent": {"postgres": {"targets": null}}, "alerting": back}))
        .await;
    cluster.until("ready without them", is_ready).await;
    apart(move || drop(server));
}

/// The default rules with no patience: what is used of the processors and of memory in percent, free
/// in percent, and connections.
fn thresholds([cpu, memory]: [u8; 2], free: u8, connections: usize) -> Value {
    json!({
        "containerDown": {"for": "0s"},
        "highMemory": {"usedPercent": memory, "for": "0s"},
        "highCpu": {"usedPercent": cpu, "for": "0s"},
        "lowDisk": {"freePercent": free, "for": "0s"},
        "postgresDown": {"for": "0s"},
        "postgresConnections": {"connections": connections, "for": "0s"},
    })
}

/// Waits for a notification at the webhook, after so many others.
async fn told(
    inbox: &Inbox,
    after: usize,
    status: &str,
    alert: &str,
    severity: &str,
    labels: &[(&str, &str)],
) {
    let is_it = |told: &Value| {
        let is = |name: &str, value: &str| told["labels"][name] == value;
        told["status"] == status
            && is("alertname", alert)
            && is("severity", severity)
            && labels.iter().all(|(name, value)| is(name, value))
    };
    eventually(&format!("{alert} is told as {status}"), || async {
        let messages = inbox.at("/alerts");
        let mut alerts = messages
            .iter()
            .skip(after)
            .filter_map(|it| it.body["alerts"].as_array());
        alerts.any(|alerts| alerts.iter().any(is_it)).then_some(())
    })
    .await;
}

/// A pod whose only container ends at each start.
async fn break_a_container(cluster: &Cluster) {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let prometheus = pods.get(&format!("{STACK}-prometheus-0")).await.unwrap();
    let image = prometheus.spec.unwrap().containers[0].image.clone();
    let pod = json!({"metadata": {"name": "broken"}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "app", "image": image, "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", "exit 3"]}],
    }});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
}

async fn mend_the_container(cluster: &Cluster) {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    pods.delete("broken", &DeleteParams::default())
        .await
        .unwrap();
}

/// A server and connections that nobody uses.
struct Busy {
    server: Server,
    connections: Vec<Connection>,
}

/// A server that the node reaches as well, with more connections than the alert allows.
fn start_postgres() -> Option<Busy> {
    let server = Server::start(POSTGRES, &["listen_addresses=*"])?;
    // The role that the agent has without a Secret comes from elsewhere.
    server.authenticate("host all monitor all reject\nhost all all all trust\n");
    let connections = (0..=CONNECTIONS).map(|_| server.connect("postgres"));
    Some(Busy {
        connections: connections.collect(),
        server,
    })
}

/// Runs what blocks, and has a runtime of its own, in a thread.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(work).join().unwrap()
}

/// A mail server of another process; it ends with its owner.
struct Mails {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Mails {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Mails {
    fn start(host: IpAddr) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/backend/smtp.py");
        let folder = TempDir::new().unwrap();
        let unused = TcpListener::bind((host, 0)).unwrap();
        let port = unused.local_addr().unwrap().port();
        drop(unused);
        let out = fs::File::create(folder.path().join("mails")).unwrap();
        let child = Command::new("/usr/bin/python3")
            .args([script, &port.to_string(), "", &host.to_string()])
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()
            .unwrap();
        Self {
            child,
            folder,
            port,
        }
    }

    /// Waits for a mail with these words in its subject.
    async fn wait(&self, words: &str) {
        eventually(&format!("a mail about {words}"), || async {
            let mails = fs::read_to_string(self.folder.path().join("mails")).ok()?;
            let mut mails = mails
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let subject = |mail: &Value| mail["subject"].as_str().unwrap_or_default().to_owned();
            mails
                .any(|mail| subject(&mail).contains(words))
                .then_some(())
        })
        .await;
    }
}

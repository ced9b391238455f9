//! The container runtime's own socket: what its containers have written, and their names where no
//! API server tells them.

use std::process::{Child, Command};
use std::{collections::BTreeMap, net::TcpListener, time::Duration};

use serde_json::{Value, json};

use crate::steps_containers::{LOAD, Sample, agent, node_proxy, parse};
use crate::support::{Cluster, eventually, is_ready};

const WRITTEN: &str = "container_fs_usage_bytes";
const MIB: f64 = 1_048_576.0;

/// Bytes by namespace, pod and container.
type Sizes = BTreeMap<[String; 3], f64>;

/// With the socket every container has the size that the kubelet asks the same runtime for; the
/// load's writer among them.
pub async fn what_was_written_is_what_the_kubelet_says(cluster: &Cluster) {
    let socket = "/run/containerd/containerd.sock";
    let patch = |socket| json!({"agent": {"containers": {"runtimeSocket": socket}}});
    cluster.patch_stack(patch(Some(socket))).await;
    cluster.until("the socket is mounted", is_ready).await;
    eventually("the sizes are the kubelet's", || async {
        let ours = ours(&agent(cluster).await);
        let theirs = kubelets(&node_proxy(cluster, "stats/summary").await);
        // What is written in between is little.
        let near = |(key, theirs): (&[String; 3], &f64)| {
            let ours = ours.get(key);
            ours.is_some_and(|ours| (ours - theirs).abs() < MIB)
        };
        let writer = [LOAD, "load", "writer"].map(str::to_owned);
        let is_known = *ours.get(&writer)? > 20.0 * MIB;
        (is_known && theirs.len() > 5 && theirs.iter().all(near)).then_some(())
    })
    .await;
    cluster.patch_stack(patch(None)).await;
    cluster.until("the socket is gone", is_ready).await;
}

fn ours(text: &str) -> Sizes {
    let samples = parse(text);
    let sizes = samples.iter().filter(|((name, _), _)| name == WRITTEN);
    let size = |((_, labels), Sample(bytes, _)): (&(String, BTreeMap<String, String>), &Sample)| {
        let label = |name| labels.get(name).cloned();
        let key = [label("namespace")?, label("pod")?, label("container")?];
        Some((key, *bytes))
    };
    sizes.filter_map(size).collect()
}

fn kubelets(summary: &str) -> Sizes {
    let summary: Value = serde_json::from_str(summary).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut sizes = Sizes::new();
    for pod in summary["pods"].as_array().unwrap() {
        for container in pod["containers"].as_array().unwrap() {
            let (namespace, name) = (&pod["podRef"]["namespace"], &pod["podRef"]["name"]);
            let key = [text(namespace), text(name), text(&container["name"])];
            if let Some(bytes) = container["rootfs"]["usedBytes"].as_f64() {
                sizes.insert(key, bytes);
            }
        }
    }
    sizes
}

/// A process that ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An agent on the machine itself, with no configuration file and no API server, finds containerd at
/// its usual place and has the pods' names from it.
pub async fn an_agent_without_configuration_has_the_names_from_containerd(cluster: &Cluster) {
    let Some(data) = std::env::var_os("MASTHEAD_TEST_CLUSTER_DATA") else {
        eprintln!("SKIPPED: MASTHEAD_TEST_CLUSTER_DATA does not name the cluster's folder");
        return;
    };
    let script = "
        mkdir -p /run/containerd
        mount --bind \"$DATA/node/containerd\" /run/containerd
        exec \"$AGENT\" agent";
    let free = || {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let containers = free();
    let mut agent = Command::new("unshare");
    agent
        .args(["--mount", "sh", "-euc", script])
        .env("DATA", data)
        .env("AGENT", env!("CARGO_BIN_EXE_masthead"))
        .env("MASTHEAD_LOG", "warn")
        .env("MASTHEAD_CONTAINERS_ADDRESS", containers.to_string());
    for address in ["NODE", "POSTGRES", "ADMIN"] {
        agent.env(format!("MASTHEAD_{address}_ADDRESS"), free().to_string());
    }
    let _agent = Killed(agent.spawn().unwrap());
    let url = format!("http://{containers}/metrics");
    let wanted = pods_and_containers(cluster).await;
    eventually("all containers have their names", || async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let answer = Command::new("curl").args(["-sf", &url]).output().unwrap();
        let samples = parse(&String::from_utf8(answer.stdout).unwrap());
        let has = |[namespace, pod, container]: &[String; 3]| {
            samples.keys().any(|(name, labels)| {
                let is = |label: &str, wanted| labels.get(label) == Some(wanted);
                name == "container_memory_working_set_bytes"
                    && is("namespace", namespace)
                    && is("pod", pod)
                    && is("container", container)
            })
        };
        wanted.iter().all(has).then_some(())
    })
    .await;
}

/// The containers that run, as the kubelet knows them.
async fn pods_and_containers(cluster: &Cluster) -> Vec<[String; 3]> {
    let sizes = kubelets(&node_proxy(cluster, "stats/summary").await);
    let lasting = sizes
        .into_keys()
        .filter(|[namespace, ..]| namespace != LOAD);
    lasting.collect()
}

//! Real load on the node: pods that keep its processors busy and hold its memory.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{Cluster, NAMESPACE, STACK, eventually};

const POD: &str = "node-load";
/// How much of what is free is taken, in percent, and over which part of it an alert comes. The
/// rate of the processors' time looks back two minutes: the less, the sooner.
const TAKEN: f64 = 12.0;
const OVER: f64 = 25.0;
/// Above this the node is busy enough without a pod.
const BUSY: f64 = 90.0;

const CPU_USED: &str = r#"100 * (1 - avg(sum without (mode) (rate(node_cpu_seconds_total{job="node-exporter",mode=~"idle|iowait"}[2m]))))"#;
const MEMORY_USED: &str = r#"100 * (1 - node_memory_MemAvailable_bytes{job="node-exporter"} / node_memory_MemTotal_bytes{job="node-exporter"})"#;
const MEMORY_FREE: &str = r#"node_memory_MemAvailable_bytes{job="node-exporter"}"#;

/// What the node has without the load, and how much memory the load is to hold.
pub struct Idle {
    /// The threshold of HighCpu, in percent: above what is used now, below what is used with the load.
    pub cpu: u8,
    /// The threshold of HighMemory, likewise.
    pub memory: u8,
    hold: u64,
}

impl Idle {
    /// Looks at the node.
    pub async fn of(cluster: &Cluster) -> Self {
        let cpu = ask(cluster, CPU_USED).await;
        let memory = ask(cluster, MEMORY_USED).await;
        let free = ask(cluster, MEMORY_FREE).await;
        Self {
            cpu: percent(cpu + (100.0 - cpu) * OVER / 100.0),
            // Half of what the pod is going to hold.
            memory: percent(memory + (100.0 - memory) * TAKEN / 200.0),
            hold: whole(free * TAKEN / 100.0 / 1024.0 / 1024.0),
        }
    }

    /// Starts the load.
    pub async fn disturb(&self, cluster: &Cluster) {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
        let prometheus = pods.get(&format!("{STACK}-prometheus-0")).await.unwrap();
        let image = prometheus.spec.unwrap().containers[0].image.clone();
        let container = |name: &str, script: &str| -> Value {
            json!({"name": name, "image": image, "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", script],
                "volumeMounts": [{"name": "memory", "mountPath": "/memory"}]})
        };
        let burn = "for _ in $(seq $(nproc)); do while :; do :; done & done; wait";
        let hold = format!(
            "head -c {}m /dev/zero > /memory/held; exec sleep 600",
            self.hold
        );
        let pod = json!({"metadata": {"name": POD}, "spec": {
            "terminationGracePeriodSeconds": 0,
            "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}],
            "containers": [container("burn", burn), container("hold", &hold)],
        }});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
}

/// Ends the load.
pub async fn end(cluster: &Cluster) {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    pods.delete(POD, &DeleteParams::default()).await.unwrap();
}

async fn ask(cluster: &Cluster, expr: &str) -> f64 {
    eventually(expr, || cluster.query(expr)).await
}

fn percent(value: f64) -> u8 {
    u8::try_from(whole(value.min(BUSY))).unwrap()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares and sizes of a node"
)]
fn whole(value: f64) -> u64 {
    value.max(1.0) as u64
}

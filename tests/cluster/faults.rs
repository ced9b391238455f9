//! What goes wrong on real clusters, done on purpose.

use std::{fs, process::Command};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::support::{Cluster, NAMESPACE, eventually, is_ready};

const OPERATOR_NAMESPACE: &str = "masthead-system";

fn at_once() -> DeleteParams {
    DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    }
}

/// The operator's running pods, each with whether it says that it leads.
async fn operators(cluster: &Cluster) -> Vec<(String, bool)> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let selected = ListParams::default().labels("app.kubernetes.io/name=masthead");
    let mut found = Vec::new();
    for pod in pods.list(&selected).await.unwrap() {
        let Some(ip) = pod.status.as_ref().and_then(|status| status.pod_ip.clone()) else {
            continue;
        };
        let url = format!("http://{ip}:8080/metrics");
        let answer = Command::new("curl")
            .args(["-sS", "--max-time", "5", &url])
            .output()
            .unwrap();
        let leads = String::from_utf8_lossy(&answer.stdout).contains("\nmasthead_leader 1");
        found.push((pod.name_any(), leads));
    }
    found
}

/// Scales the operator and waits until that many are there and one, if any, leads.
async fn scale_operator(cluster: &Cluster, replicas: usize) {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments
        .patch("masthead", &PatchParams::default(), &patch)
        .await
        .unwrap();
    eventually("that many operators, one of them leading", || async {
        let operators = operators(cluster).await;
        let leaders = operators.iter().filter(|(_, leads)| *leads).count();
        assert!(leaders <= 1, "two operators act at once: {operators:?}");
        (operators.len() == replicas && leaders == replicas.min(1)).then_some(())
    })
    .await;
}

/// A developer's `cargo run -- controller`: pods have no address that it could reach.
pub async fn an_operator_outside_the_cluster_reaches_pods_by_port_forward(cluster: &Cluster) {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let deployment = deployments.get("masthead").await.unwrap();
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    let image = pod.containers[0].image.clone().unwrap();
    scale_operator(cluster, 0).await;
    let mut outside = Command::new(env!("CARGO_BIN_EXE_masthead"))
        .args([
            "controller",
            "--image",
            &image,
            "--admin-address",
            "127.0.0.1:0",
        ])
        .spawn()
        .unwrap();
    cluster.load_label("outside").await;
    // SIGTERM, not SIGKILL: it gives the Lease back, so that the next one need not wait.
    let pid = outside.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert!(
        outside.wait().unwrap().success(),
        "it ends without an error when asked to"
    );
    scale_operator(cluster, 1).await;
}

pub async fn two_operators_stand_by_and_one_acts(cluster: &Cluster) {
    scale_operator(cluster, 2).await;
    let all = operators(cluster).await;
    let leader = all.iter().find(|(_, leads)| *leads).unwrap().0.clone();
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    pods.delete(&leader, &at_once()).await.unwrap();
    let next = || async {
        let next = operators(cluster)
            .await
            .into_iter()
            .find(|(_, leads)| *leads)?
            .0;
        (next != leader).then_some(())
    };
    eventually("another operator leads", next).await;
    scale_operator(cluster, 1).await;
}

/// The node starts its API server again by itself; the operator has to find its way back.
pub async fn the_api_server_is_killed_under_it(cluster: &Cluster) {
    let folder = std::env::var("MASTHEAD_TEST_CLUSTER_DATA").expect("hack/cluster-test names it");
    let pid = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .find(|pid| {
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command
                .split('\0')
                .next()
                .is_some_and(|program| program.ends_with("/kube-apiserver"))
                && command.contains(&folder)
        })
        .expect("the API server of this cluster runs");
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    eventually("the API server is back", || async {
        cluster.client.apiserver_version().await.ok()
    })
    .await;
    // A change made at once: the operator's watches are only just coming back.
    cluster.load_label("restarted").await;
}

pub async fn an_operator_that_is_killed_comes_back_and_changes_nothing(cluster: &Cluster) {
    let before = cluster.pods().await;
    let operators: Api<Pod> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let selected = ListParams::default().labels("app.kubernetes.io/name=masthead");
    for pod in operators.list(&selected).await.unwrap() {
        operators.delete(&pod.name_any(), &at_once()).await.unwrap();
    }
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    maps.delete("main-agent", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the next operator works", || async {
        maps.get("main-agent").await.ok()
    })
    .await;
    cluster
        .until("ready under the next operator", is_ready)
        .await;
    assert_eq!(cluster.pods().await, before);
}

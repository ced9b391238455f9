//! Real lines of a real pod, rotated by a real kubelet, to a Loki that the stack does not run: the
//! strict stand-in of the tests, in this process on the address by which the node reaches this machine.

use std::path::Path;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::{
    loki::{self, Limits, Loki},
    support::{Cluster, NAMESPACE, STACK, condition, eventually, is_ready},
};

const TALK: &str = "masthead-talk";
/// 40 s of 2,000 lines a second: the kubelet looks every 10 s and rotates what is above 1 MiB.
const LINES: u64 = 80_000;

pub async fn every_line_of_a_pod_that_the_kubelet_rotates_is_shipped(cluster: &Cluster) {
    let before = cluster.stack().await.spec;
    let loki = Loki::listen("0.0.0.0:0", Limits::generous(), false).unwrap();
    let host = std::env::var("MASTHEAD_TEST_HOST").expect("hack/cluster-test names it");
    let url = format!("http://{host}:{}", loki.address.port());
    // Off first: agents that run would go on to send elsewhere until they have the new file.
    let off = json!({"logs": {"enabled": false, "external": null}});
    cluster.patch_stack(off).await;
    cluster.until("ready without logs", is_ready).await;
    let logs = json!({"logs": {"enabled": null, "external": {"url": url}}});
    cluster.patch_stack(logs).await;
    let external = |stack: &_| is_ready(stack) && condition(stack, "LogsReady").1 == "External";
    cluster.until("logs go elsewhere", external).await;
    start_talk(cluster).await;
    eventually("the first lines come", || async {
        (count(&loki) > 0).then_some(())
    })
    .await;

    the_samples_lines_come(&loki).await;

    // Another configuration is taken over by the agent that runs.
    let pods = cluster.pods().await;
    let labels = json!({"agent": {"logs": {"labels": {"cluster": "tested"}}}});
    cluster.patch_stack(labels).await;
    eventually("every line comes", || async {
        (count(&loki) == LINES).then_some(())
    })
    .await;
    assert!(
        rotated() > 0,
        "the kubelet did not rotate: the test says nothing"
    );
    assert_eq!(
        cluster.pods().await,
        pods,
        "a change of what is shipped restarts no pod"
    );
    eventually("the new label comes", || async {
        labelled(&loki).then_some(())
    })
    .await;
    let report = loki.ledger("", loki::ledger::Ledger::report);
    assert_eq!((report.missing, report.doubles), (0, 0), "{report:?}");
    assert_eq!(loki.errors(), [""; 0]);
    assert!(loki.refused().is_empty(), "{:?}", loki.refused());

    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    namespaces
        .delete(TALK, &DeleteParams::default())
        .await
        .unwrap();
    let back = json!({"logs": before.logs, "agent": {"logs": null}});
    cluster.patch_stack(back).await;
    cluster
        .until("ready with the logs where they went before", is_ready)
        .await;
}

/// Of each part of the sample application; PostgreSQL has nothing to say while all is well.
async fn the_samples_lines_come(loki: &Loki) {
    let stream = |labels: &String, app: &str| {
        labels.contains(r#"namespace="shop""#) && labels.contains(&format!(r#"app="{app}""#))
    };
    for app in ["traefik", "bot", "web"] {
        eventually(&format!("lines of {app}"), || async {
            let comes = loki.ledger("", |ledger| {
                ledger.streams.keys().any(|labels| stream(labels, app))
            });
            comes.then_some(())
        })
        .await;
    }
}

fn count(loki: &Loki) -> u64 {
    loki.ledger("", |ledger| ledger.count("talk"))
}

fn labelled(loki: &Loki) -> bool {
    let is = |labels: &String| labels.contains(r#"cluster="tested""#);
    loki.ledger("", |ledger| ledger.streams.keys().any(is))
}

/// How many files of the pod the kubelet has rotated and not deleted. It has mounts of its own.
fn rotated() -> usize {
    let folder = std::env::var("MASTHEAD_TEST_CLUSTER_DATA").expect("hack/cluster-test names it");
    let mut processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let kubelet = processes.find(|process| {
        let command = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        let program = command.split('\0').next().unwrap_or_default();
        program.ends_with("/kubelet") && command.contains(&folder)
    });
    let kubelet = kubelet.expect("the kubelet of this cluster runs");
    let pods = std::fs::read_dir(kubelet.path().join("root/var/log/pods")).unwrap();
    let pods = pods.filter_map(Result::ok).map(|pod| pod.path());
    let mut ours = pods.filter(|pod| pod.to_string_lossy().contains(&format!("/{TALK}_talk_")));
    let files = |pod: &Path| std::fs::read_dir(pod.join("talk")).map_or(0, Iterator::count);
    ours.next().map_or(0, |pod| files(&pod).saturating_sub(1))
}

async fn start_talk(cluster: &Cluster) {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": TALK}})).unwrap();
    drop(namespaces.create(&PostParams::default(), &namespace).await);
    let stack: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    // An image that is on the node and has a shell.
    let image = stack.get(&format!("{STACK}-prometheus-0")).await.unwrap();
    let image = image.spec.unwrap().containers[0].image.clone();
    let filler = "GET /cart/checkout 200 12ms user=4711 agent=Mozilla upstream=10.0.0.7";
    let script = format!(
        "n=0; while [ $n -lt {LINES} ]; do echo \"w=talk n=$n {filler}\"; n=$((n+1)); \
         [ $((n % 200)) -eq 0 ] && sleep 0.1; done; while :; do sleep 1000; done"
    );
    let pod = json!({"metadata": {"name": "talk", "labels": {"app": "talker"}}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": "talk", "image": image, "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", script],
        }],
    }});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), TALK);
    eventually("the pod talks", || async {
        // A new namespace has no service account for a moment, and refuses pods until then.
        drop(pods.create(&PostParams::default(), &pod).await);
        let status = pods.get("talk").await.ok()?.status?;
        (status.phase.as_deref() == Some("Running")).then_some(())
    })
    .await;
    assert_eq!(pods.get("talk").await.unwrap().name_any(), "talk");
}

//! The containers' series beside those of the kubelet's cAdvisor, and those of a known load.

use std::{collections::BTreeMap, process::Command, time::Duration};

use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

use crate::support::{Cluster, NAMESPACE, STACK, eventually};

/// The namespace of the load.
pub const LOAD: &str = "masthead-load";

/// Samples by name and sorted labels; empty labels are none.
pub type Samples = BTreeMap<(String, BTreeMap<String, String>), Sample>;

/// A value, and when it was read where that is told, in milliseconds since 1970.
#[derive(Clone, Copy)]
pub struct Sample(pub f64, pub Option<f64>);

/// Every series that the kubelet has of pods and containers is there, with equal labels. What only
/// grows lies between two of the kubelet's figures, of which one was read before ours and the other
/// after: the kubelet says when it read, so no busy machine changes that.
pub async fn containers_are_told_as_the_kubelet_tells_them(cluster: &Cluster) {
    start_load(cluster).await;
    let mut wrong = Vec::new();
    // The API server may not have told yet of a container that has just started.
    for _ in 0..4 {
        let before = parse(&kubelet(cluster).await);
        let ours = parse(&agent(cluster).await);
        let read = jiff::Timestamp::now().as_millisecond() as f64;
        let after = eventually("the kubelet has read after the agent", || async {
            let after = parse(&kubelet(cluster).await);
            let is_later = |series| match after.get(series) {
                Some(Sample(_, time)) => time.is_none_or(|time| time > read),
                None => true,
            };
            let of_pods = before
                .keys()
                .filter(|(_, labels)| labels.contains_key("pod"));
            of_pods.clone().all(is_later).then_some(after.clone())
        })
        .await;
        wrong = differences(&before, &ours, &after);
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// 30 % of a core, 64 MiB, and a container that is killed again and again.
pub async fn a_known_load_shows_its_figures(cluster: &Cluster) {
    let value = |samples: &Samples, name: &str, container: &str| {
        let found = samples.iter().find(|((known, labels), _)| {
            let is = |label: &str, value: &str| labels.get(label).is_some_and(|it| it == value);
            known == name && is("pod", "load") && is("container", container)
        });
        found.map(|(_, Sample(value, _))| *value)
    };
    let from = parse(&agent(cluster).await);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let to = parse(&agent(cluster).await);
    let grown = |name| value(&to, name, "burn").unwrap() - value(&from, name, "burn").unwrap();
    // Of each period of 100 ms it may burn 30: it did in those in which it was throttled, and on a
    // machine that is busy with others it came to less in the rest.
    let burnt = grown("container_cpu_usage_seconds_total");
    let periods = grown("container_cpu_cfs_periods_total");
    let throttled = grown("container_cpu_cfs_throttled_periods_total");
    eprintln!("{burnt} s burnt in {periods} periods, of which {throttled} throttled");
    assert!(periods > 0.0, "it never ran");
    assert!(
        burnt > 0.03 * throttled * 0.85 - 0.1,
        "{burnt} s in {throttled} periods"
    );
    assert!(
        burnt < 0.03 * periods * 1.15 + 0.1,
        "{burnt} s in {periods} periods"
    );
    let quota = value(&to, "container_spec_cpu_quota", "burn");
    assert_eq!(quota, Some(30_000.0));

    eventually("64 MiB are held", || async {
        let now = parse(&agent(cluster).await);
        let bytes = value(&now, "container_memory_working_set_bytes", "hold")?;
        (64.0..80.0).contains(&(bytes / 1_048_576.0)).then_some(())
    })
    .await;

    let counted = |samples: &Samples, name| value(samples, name, "killed");
    eventually("a kill is counted, and stays over the restart", || async {
        let now = parse(&agent(cluster).await);
        let kills = counted(&now, "container_oom_events_total")?;
        let restarts = counted(&now, "masthead_container_restarts_total")?;
        (kills >= 2.0 && restarts >= 1.0).then_some(())
    })
    .await;
}

/// Ends the load.
pub async fn the_load_ends(cluster: &Cluster) {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    namespaces
        .delete(LOAD, &DeleteParams::default())
        .await
        .unwrap();
}

async fn start_load(cluster: &Cluster) {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": LOAD}})).unwrap();
    drop(namespaces.create(&PostParams::default(), &namespace).await);
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), LOAD);
    let stack: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    // An image that is on the node and has a shell.
    let image = stack.get(&format!("{STACK}-prometheus-0")).await.unwrap();
    let image = image.spec.unwrap().containers[0].image.clone();
    let container = |name: &str, script: &str, cpu: &str, memory: &str| {
        json!({
            "name": name, "image": image, "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", script],
            "resources": {"limits": {"cpu": cpu, "memory": memory}, "requests": {"cpu": "10m", "memory": "8Mi"}},
        })
    };
    // A last command would take the shell's place, and its memory.
    let hold = "x=$(head -c 64m /dev/zero | tr '\\0' x); while :; do sleep 1000; done";
    let pod = json!({"metadata": {"name": "load"}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            container("burn", "while :; do :; done", "300m", "32Mi"),
            container("hold", hold, "500m", "256Mi"),
            container("killed", &format!("sleep 3; {hold}"), "500m", "24Mi"),
            container("writer", "head -c 21m /dev/zero >/tmp/file; while :; do sleep 1000; done", "500m", "64Mi"),
        ],
    }});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    eventually("the load runs", || async {
        // A new namespace has no service account for a moment, and refuses pods until then.
        drop(pods.create(&PostParams::default(), &pod).await);
        let status = pods.get("load").await.ok()?.status?;
        let statuses = status.container_statuses?;
        let kills = statuses.iter().any(|it| it.restart_count > 0);
        (kills && statuses.iter().filter(|it| it.ready).count() >= 3).then_some(())
    })
    .await;
}

async fn kubelet(cluster: &Cluster) -> String {
    node_proxy(cluster, "metrics/cadvisor").await
}

/// What the kubelet of the node answers.
pub async fn node_proxy(cluster: &Cluster, path: &str) -> String {
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let node = nodes.list(&ListParams::default()).await.unwrap().items[0].name_any();
    let path = format!("/api/v1/nodes/{node}/proxy/{path}");
    let request = axum::http::Request::get(path).body(Vec::new()).unwrap();
    cluster.client.request_text(request).await.unwrap()
}

/// The agent's own, or one outside of the cluster that a developer runs.
pub async fn agent(cluster: &Cluster) -> String {
    let url = if let Ok(url) = std::env::var("MASTHEAD_TEST_AGENT") {
        url
    } else {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
        let labels =
            format!("app.kubernetes.io/instance={STACK},app.kubernetes.io/component=agent");
        let pods = pods
            .list(&ListParams::default().labels(&labels))
            .await
            .unwrap();
        let address = pods.items[0]
            .status
            .as_ref()
            .unwrap()
            .pod_ip
            .clone()
            .unwrap();
        format!("http://{address}:8081/metrics/cadvisor")
    };
    let answer = Command::new("curl")
        .args(["-sSf", "--max-time", "5", &url])
        .output()
        .unwrap();
    assert!(answer.status.success(), "{url}: {answer:?}");
    String::from_utf8(answer.stdout).unwrap()
}

/// The samples of a scrape.
pub fn parse(text: &str) -> Samples {
    let line = |line: &str| {
        let (series, rest) = if let Some((name, rest)) = line.split_once('{') {
            let (labels, value) = rest.rsplit_once("} ")?;
            ((name.to_owned(), labels_of(labels)), value)
        } else {
            let (name, value) = line.split_once(' ')?;
            ((name.to_owned(), BTreeMap::new()), value)
        };
        let mut words = rest.split(' ');
        let value = words.next()?.parse().ok()?;
        // The kubelet adds its time.
        let time = words.next().and_then(|time| time.parse().ok());
        Some((series, Sample(value, time)))
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(line)
        .collect()
}

/// No label here holds a comma or a quote.
fn labels_of(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    let pairs = text.split(',').filter_map(pair);
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

/// Families that are left out, or told otherwise on purpose.
const OTHERWISE: [&str; 16] = [
    // Always 0, or only with a reader that nobody switches on.
    "container_cpu_load_",
    "container_tasks_state",
    "container_health_state",
    // A walk through every process.
    "container_file_descriptors",
    "container_sockets",
    "container_ulimits_soft",
    // Of the whole machine, on the root alone: node_filesystem_* and node_disk_* tell them.
    "container_fs_inodes_",
    "container_fs_io_",
    "container_fs_limit_bytes",
    "container_fs_read_seconds_total",
    "container_fs_reads_merged_total",
    "container_fs_sector_",
    "container_fs_usage_bytes",
    "container_fs_write",
    // 0 in the kubelet; ours is on the pod's group, to go on over restarts.
    "container_oom_events_total",
    "container_scrape_error",
];

fn differences(before: &Samples, ours: &Samples, after: &Samples) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for ((name, labels), Sample(first, _)) in before {
        let told = name.starts_with("container_")
            && labels.contains_key("pod")
            && !OTHERWISE.iter().any(|prefix| name.starts_with(prefix));
        // It has ended meanwhile.
        let Some(Sample(last, _)) = after.get(&(name.clone(), labels.clone())).filter(|_| told)
        else {
            continue;
        };
        let mut labels = labels.clone();
        let is_sandbox = labels.contains_key("name") && !labels.contains_key("container");
        if is_sandbox && !name.starts_with("container_network_") {
            // Ours tells the network of a sandbox only.
            continue;
        }
        if is_sandbox {
            labels.insert("image".into(), "pause".into());
        }
        if has_reason(name, &labels) {
            continue;
        }
        compared += 1;
        let Some(Sample(value, _)) = ours.get(&(name.clone(), labels.clone())) else {
            wrong.push(format!("{name}{labels:?} is missing"));
            continue;
        };
        if !near(name, *first, *value, *last) {
            wrong.push(format!("{name}{labels:?}: {first} … {last}, but {value}"));
        }
    }
    eprintln!("{compared} series compared, {} differ", wrong.len());
    assert!(compared > 100, "only {compared} series to compare");
    wrong
}

/// Differences of single series, each with its reason.
fn has_reason(name: &str, labels: &BTreeMap<String, String>) -> bool {
    let is_pod = !labels.contains_key("name");
    match name {
        // Version 1 does not tell the processes of other namespaces, and the agent has its own.
        "container_processes" => true,
        // The kubelet of 1.20 tells 0 for a pod, ours what its containers' are in sum.
        "container_memory_failures_total" => is_pod && labels["scope"] == "hierarchy",
        _ if name.starts_with("container_fs_") => is_pod,
        _ => false,
    }
}

/// Whether a value lies between two; what goes up and down may have been elsewhere in between, and
/// is held against an error in unit or meaning only.
fn near(name: &str, first: f64, value: f64, last: f64) -> bool {
    let (low, high) = (first.min(last), first.max(last));
    let slack = match name {
        // The moment of a scrape is not the kubelet's.
        "container_last_seen" => 600.0,
        // From when the runtime says it started; the kubelet has when it saw the group.
        "container_start_time_seconds" => 5.0,
        _ if name.ends_with("_total") || name.starts_with("container_spec_") => 0.0,
        // Go's collector and the page cache move these.
        _ if name.starts_with("container_memory_") => f64::max(33_554_432.0, high),
        "container_threads" | "container_processes" => 16.0,
        _ => 0.0,
    };
    (low - slack..=high + slack).contains(&value)
}

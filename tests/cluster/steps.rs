//! What users do to a running stack, step by step.

use std::{collections::BTreeSet, fs, time::Duration};

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Service},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use masthead::api::{rule::AlertRule, stack::MonitoringStack, status::Targets};
use serde_json::{Value, json};

use crate::support::{Cluster, NAMESPACE, STACK, condition, eventually, is_ready};

pub async fn the_agents_series_are_in_prometheus(cluster: &Cluster) {
    let expr = r#"node_memory_MemTotal_bytes{job="node-exporter"}"#;
    let bytes = eventually("the agent's series", || cluster.query(expr)).await;
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let kib: f64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(
        (bytes - kib * 1024.0).abs() < 1.0,
        "{bytes} is not this machine's memory"
    );
}

pub async fn status_tells_what_runs(cluster: &Cluster) {
    let stack = cluster.until("every target up", every_target_is_up).await;
    let status = stack.status.unwrap();
    let prometheus = status
        .components
        .iter()
        .find(|it| it.name == "prometheus")
        .unwrap();
    assert_eq!((prometheus.ready, prometheus.desired), (1, 1));
    assert!(prometheus.config.as_ref().unwrap().loaded);
    let summary = status.summary.unwrap();
    assert_eq!(summary.metrics, "1/1");
    assert_eq!(summary.agent, "1/1");
}

/// Prometheus, Alertmanager, the agent's node, containers, PostgreSQL and own metrics, the kubelet
/// and the operator; of the sample application Traefik, the bot and the web application.
pub fn every_target_is_up(stack: &MonitoringStack) -> bool {
    let targets = stack.status.as_ref().and_then(|status| status.targets);
    is_ready(stack) && targets == Some(Targets { up: 11, down: 0 })
}

pub async fn drift_is_put_back(cluster: &Cluster) {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let changed = json!({"metadata": {"labels": {"app.kubernetes.io/component": "mine"}}});
    let params = PatchParams::default();
    services
        .patch("main-prometheus", &params, &Patch::Merge(changed))
        .await
        .unwrap();
    maps.delete("main-alertmanager", &DeleteParams::default())
        .await
        .unwrap();
    eventually("drift is put back", || async {
        let service = services.get("main-prometheus").await.ok()?;
        maps.get("main-alertmanager").await.ok()?;
        (service.labels().get("app.kubernetes.io/component")? == "prometheus").then_some(())
    })
    .await;
    cluster.until("ready after drift", is_ready).await;
}

pub async fn a_paused_stack_is_left_alone(cluster: &Cluster) {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    cluster.patch_stack(json!({"paused": true})).await;
    cluster
        .until("paused, which it says", |stack| {
            condition(stack, "Progressing").1 == "Paused"
        })
        .await;
    services
        .delete("main-alertmanager", &DeleteParams::default())
        .await
        .unwrap();
    // Put back it would be within a second.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let service = services.get_opt("main-alertmanager").await.unwrap();
    assert!(service.is_none(), "a paused stack was written to");
    cluster.patch_stack(json!({"paused": false})).await;
    eventually("put back after the pause", || async {
        services.get_opt("main-alertmanager").await.unwrap()
    })
    .await;
    cluster.until("ready after the pause", is_ready).await;
}

pub async fn a_reloadable_field_rolls_nothing(cluster: &Cluster) {
    let before = cluster.pods().await;
    cluster.load_label("tested").await;
    assert_eq!(
        cluster.pods().await,
        before,
        "a reload must not restart a pod"
    );
}

pub async fn a_flag_rolls_its_own_component_only(cluster: &Cluster) {
    let before = cluster.pods().await;
    cluster
        .patch_stack(json!({"metrics": {"resources": {"limits": {"memory": "600Mi"}}}}))
        .await;
    let rolled = || async {
        let after = cluster.pods().await;
        (after.get("main-prometheus-0")? != before.get("main-prometheus-0")?).then_some(())
    };
    eventually("Prometheus is rolled", rolled).await;
    cluster.until("ready after the roll", is_ready).await;
    let after = cluster.pods().await;
    let same = |name: &&String| after.get(*name) == before.get(*name);
    let rolled: Vec<_> = before.keys().filter(|name| !same(name)).collect();
    assert_eq!(rolled, ["main-prometheus-0"]);
}

pub async fn an_alert_rule_is_loaded_and_a_bad_one_says_why(cluster: &Cluster) {
    let rules: Api<AlertRule> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    for (name, expr) in [("good", "node_load1 >= 0"), ("bad", "rate(node_load1)")] {
        let rule: AlertRule = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"rules": [{"alert": "Tested", "expr": expr, "severity": "info"}]},
        }))
        .unwrap();
        rules.create(&PostParams::default(), &rule).await.unwrap();
    }
    let told = |rule: &AlertRule, type_: &str| -> Option<(String, String)> {
        let conditions = &rule.status.as_ref()?.conditions;
        let found = conditions
            .iter()
            .find(|condition| condition.type_ == type_)?;
        Some((found.status.clone(), found.message.clone()))
    };
    eventually("the good rule is loaded", || async {
        let rule = rules.get("good").await.ok()?;
        (told(&rule, "Loaded")?.0 == "True").then_some(())
    })
    .await;
    let (status, message) = eventually("the bad rule is judged", || async {
        told(&rules.get("bad").await.ok()?, "Accepted")
    })
    .await;
    assert_eq!(status, "False");
    assert!(message.contains("spec.rules[0].expr"), "{message}");
    for name in ["good", "bad"] {
        rules.delete(name, &DeleteParams::default()).await.unwrap();
    }
    cluster.until("ready without the rules", is_ready).await;
}

pub async fn an_image_that_cannot_be_pulled_is_named(cluster: &Cluster) {
    let good = cluster.stack().await.spec.alerting.unwrap().image.unwrap();
    let missing = "docker.io/prom/alertmanager:v0.99.0";
    cluster
        .patch_stack(json!({"alerting": {"image": missing}}))
        .await;
    let stack = cluster
        .until("the pull failure is told", |stack| {
            condition(stack, "AlertingReady").1 == "ImagePullFailed"
        })
        .await;
    let (_, _, message) = condition(&stack, "AlertingReady");
    assert!(
        message.contains("main-alertmanager-0") && message.contains(missing),
        "{message}"
    );
    assert!(message.contains("spec.alerting.image"), "{message}");
    assert_eq!(
        condition(&stack, "MetricsReady").0,
        "True",
        "the others go on"
    );
    cluster
        .patch_stack(json!({"alerting": {"image": good}}))
        .await;
    cluster.until("ready with the image back", is_ready).await;
}

pub async fn a_bad_field_keeps_what_runs(cluster: &Cluster) {
    let before = cluster.pods().await;
    cluster
        .patch_stack(json!({"metrics": {"version": "1.0.0"}}))
        .await;
    let stack = cluster
        .until("the bad version is told", |stack| {
            condition(stack, "MetricsReady").1 == "InvalidSpec"
        })
        .await;
    let (_, _, message) = condition(&stack, "MetricsReady");
    assert!(message.contains("spec.metrics.version"), "{message}");
    assert_eq!(cluster.pods().await, before, "what ran goes on");
    cluster
        .patch_stack(json!({"metrics": {"version": Value::Null}}))
        .await;
    cluster.until("ready with the version back", is_ready).await;
}

/// Reads the API server's own audit log: what was written, by whom, while nobody did anything.
pub async fn an_idle_stack_causes_no_write_but_the_leases(cluster: &Cluster) {
    let log = std::env::var("MASTHEAD_TEST_AUDIT_LOG").expect("hack/cluster-test names the log");
    // An alert that comes or goes is told, and rightly: this machine is busy with other things,
    // and goes over and under the usual thresholds as it likes. It cannot go over these.
    let thresholds = json!({
        "highMemory": {"usedPercent": 100}, "highCpu": {"usedPercent": 100},
        "lowDisk": {"freePercent": 1},
    });
    cluster
        .patch_stack(json!({"alerting": {"defaultRules": thresholds}}))
        .await;
    // What the steps before changed has to be over before it counts as idle: the last look at
    // the targets comes up to half a minute after the last change.
    cluster
        .until("every target up again", every_target_is_up)
        .await;
    // A target that a reload has taken away is looked back at for five minutes, and its alert waits.
    eventually("no alert waits for its time", || async {
        let waiting = cluster.series("ALERTS{alertstate=\"pending\"}").await?;
        (waiting == 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    let from = fs::metadata(&log).unwrap().len();
    tokio::time::sleep(Duration::from_secs(90)).await;
    let text = fs::read(&log).unwrap();
    let written = String::from_utf8_lossy(&text[usize::try_from(from).unwrap()..]);
    let writes: BTreeSet<String> = written
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| {
            event["user"]["username"] == "system:serviceaccount:masthead-system:masthead"
        })
        .filter(|event| !["get", "list", "watch"].contains(&event["verb"].as_str().unwrap_or("")))
        .filter(|event| event["objectRef"]["resource"] != "leases")
        .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
        .collect();
    assert!(
        writes.is_empty(),
        "an idle stack was written to: {writes:#?}"
    );
    let lease = written.contains("/leases/masthead");
    assert!(lease, "the log must at least show the Lease's renewals");
    assert!(is_ready(&cluster.stack().await));
    cluster
        .patch_stack(json!({"alerting": {"defaultRules": null}}))
        .await;
    cluster
        .until("ready with the usual thresholds", is_ready)
        .await;
}

pub async fn deleting_the_stack_leaves_nothing_but_its_volumes(cluster: &Cluster) {
    cluster
        .stacks()
        .delete(STACK, &DeleteParams::default())
        .await
        .unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=masthead");
    eventually("the stack's objects are gone", || async {
        let gone = sets.list(&ours).await.ok()?.items.is_empty()
            && maps.list(&ours).await.ok()?.items.is_empty()
            && cluster.pods().await.is_empty();
        gone.then_some(())
    })
    .await;
    let bindings: Api<k8s_openapi::api::rbac::v1::ClusterRoleBinding> =
        Api::all(cluster.client.clone());
    eventually("the cluster-wide binding is swept", || async {
        bindings
            .list(&ours)
            .await
            .ok()?
            .items
            .is_empty()
            .then_some(())
    })
    .await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let kept: Vec<_> = claims
        .list(&ListParams::default())
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert!(
        kept.iter()
            .any(|claim| claim.name_any() == "data-main-prometheus-0"),
        "{kept:?}"
    );
}

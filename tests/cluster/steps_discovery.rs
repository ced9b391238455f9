//! What asks to be scraped by its annotations, and what is told of it where that does not work.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    steps::every_target_is_up,
    support::{Cluster, NAMESPACE, eventually},
};

/// Alertmanager stands for an application: it runs and has metrics.
const POD: &str = "main-alertmanager-0";
const PORT: &str = "9093";

pub async fn what_asks_is_scraped_and_what_cannot_be_says_why(cluster: &Cluster) {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let selector = json!({"statefulset.kubernetes.io/pod-name": POD});
    let nobody = json!({"app": "nobody"});
    for (name, port, selector) in [
        ("tested-right", PORT, &selector),
        ("tested-wrong-port", "9", &selector),
        ("tested-no-number", "http", &selector),
        ("tested-nobody", PORT, &nobody),
    ] {
        let service = service(name, port, selector);
        services
            .create(&PostParams::default(), &service)
            .await
            .unwrap();
    }
    annotate_pod(
        cluster,
        json!({"prometheus.io/scrape": "true", "prometheus.io/port": PORT}),
    )
    .await;

    let right = r#"up{job="annotated-services",service="tested-right",namespace="monitoring",app="alertmanager"}"#;
    let up = eventually("an annotated Service is scraped", || cluster.query(right)).await;
    assert!((up - 1.0).abs() < f64::EPSILON);
    let pod = r#"up{job="annotated-pods",pod="main-alertmanager-0",app="alertmanager"}"#;
    let up = eventually("an annotated Pod is scraped", || cluster.query(pod)).await;
    assert!((up - 1.0).abs() < f64::EPSILON);
    let count = r#"count(up{job="annotated-pods",namespace="monitoring"})"#;
    let count = cluster.query(count).await.unwrap();
    assert!(
        (count - 1.0).abs() < f64::EPSILON,
        "once, whatever its ports"
    );

    let told = cluster.until("what is not scraped says why", |stack| {
        stack
            .status
            .as_ref()
            .is_some_and(|status| status.unscraped.len() == 3)
    });
    let unscraped = told.await.status.unwrap().unscraped;
    let reasons: BTreeMap<_, _> = unscraped
        .iter()
        .map(|it| (it.service.as_str(), it.reason.as_str()))
        .collect();
    let reason = |name: &str| reasons[format!("{NAMESPACE}/{name}").as_str()];
    let refused = reason("tested-wrong-port");
    assert!(refused.contains("connection refused"), "{refused}");
    let no_number = r#"prometheus.io/port is "http": write the number of a port"#;
    assert_eq!(reason("tested-no-number"), no_number);
    let nobody = reason("tested-nobody");
    assert!(nobody.contains("finds no target"), "{nobody}");

    for name in reasons.keys().filter_map(|it| it.rsplit('/').next()) {
        services
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }
    services
        .delete("tested-right", &DeleteParams::default())
        .await
        .unwrap();
    annotate_pod(
        cluster,
        json!({"prometheus.io/scrape": null, "prometheus.io/port": null}),
    )
    .await;
    cluster
        .until("the targets of before", every_target_is_up)
        .await;
    cluster
        .until("nothing is left unscraped", |stack| {
            stack
                .status
                .as_ref()
                .is_some_and(|status| status.unscraped.is_empty())
        })
        .await;
}

fn service(name: &str, port: &str, selector: &Value) -> Service {
    let service = json!({
        "metadata": {"name": name, "annotations": {
            "prometheus.io/scrape": "true", "prometheus.io/port": port,
        }},
        // Nothing listens at the port of the Service itself: the annotation's is the one.
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": 1}]},
    });
    serde_json::from_value(service).unwrap()
}

async fn annotate_pod(cluster: &Cluster, annotations: Value) {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let params = PatchParams::default();
    pods.patch(POD, &params, &patch).await.unwrap();
}

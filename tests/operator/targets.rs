//! A real Prometheus on the API server: what it makes of a rendered job.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    apiserver::{ADMIN, eventually},
    bench::Bench,
    processes::{Processes, free_addresses},
    tool,
};

/// The labels that prometheus-operator gives are those of the target, and only the Service that the
/// monitor selects has one.
pub async fn a_job_finds_its_targets_and_names_them(bench: &Bench, namespace: &str, job: &Value) {
    let Some(prometheus) = tool::find("prometheus") else {
        return;
    };
    for app in ["good", "other"] {
        service(bench, namespace, app).await;
    }
    let mut job = job.clone();
    for found in job["kubernetes_sd_configs"].as_array_mut().unwrap() {
        let found = found.as_object_mut().unwrap();
        found.insert("api_server".into(), json!(bench.server.url()));
        found.insert("authorization".into(), json!({"credentials": ADMIN}));
        found.insert("tls_config".into(), json!({"insecure_skip_verify": true}));
    }
    let mut processes = Processes::new();
    // JSON is YAML.
    processes.write(
        "prometheus.yml",
        &json!({"scrape_configs": [job]}).to_string(),
    );
    let [address, ..] = free_addresses();
    let flags = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=data".to_owned(),
        format!("--web.listen-address={address}"),
    ];
    processes.spawn(&prometheus, &flags);
    let wanted = json!({
        "job": "good", "namespace": namespace, "service": "good", "pod": "good-0",
        "container": "app", "endpoint": "web", "instance": "192.0.2.1:8080",
    });
    eventually(
        "the target has the labels of prometheus-operator",
        async || {
            let answer = get(&address, "/api/v1/targets?state=active").unwrap_or_default();
            let targets = answer["data"]["activeTargets"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let labels: Vec<_> = targets
                .iter()
                .map(|target| target["labels"].clone())
                .collect();
            labels == [wanted.clone()]
        },
    )
    .await;
}

/// A Service with one pod behind it, as the controllers of a cluster would make them: at its port
/// `web`, and at another one.
async fn service(bench: &Bench, namespace: &str, app: &str) {
    let client = &bench.client;
    let params = PostParams::default();
    let labels = json!({"app": app});
    let ports = json!([{"name": "web", "port": 80, "targetPort": 8080}, {"name": "admin", "port": 81, "targetPort": 8081}]);
    let service = json!({"metadata": {"name": app, "labels": labels}, "spec": {"selector": labels, "ports": ports}});
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    services
        .create(&params, &serde_json::from_value(service).unwrap())
        .await
        .unwrap();
    let containers = json!([{"name": "app", "image": "app", "ports": [{"containerPort": 8080}, {"containerPort": 8081}]}]);
    let name = format!("{app}-0");
    let pod = json!({"metadata": {"name": name, "labels": labels}, "spec": {"containers": containers, "automountServiceAccountToken": false}});
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    pods.create(&params, &serde_json::from_value(pod).unwrap())
        .await
        .unwrap();
    let address = if app == "good" {
        "192.0.2.1"
    } else {
        "192.0.2.2"
    };
    let status =
        json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let target = json!({"kind": "Pod", "name": name, "namespace": namespace});
    let ports = json!([{"name": "web", "port": 8080}, {"name": "admin", "port": 8081}]);
    let subsets = json!([{"addresses": [{"ip": address, "targetRef": target}], "ports": ports}]);
    let endpoints = json!({"metadata": {"name": app, "labels": labels}, "subsets": subsets});
    let all: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    all.create(&params, &serde_json::from_value(endpoints).unwrap())
        .await
        .unwrap();
}

/// The JSON of an answer, if there is one.
fn get(address: &str, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

//! The sample application of `make up`, watched as a user's would be: found by its annotations and
//! by its labels, with its rules, and with what its dashboard asks for.

use std::{collections::BTreeMap, process::Command};

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use masthead::api::{rule::AlertRule, status::RuleHealth};
use serde_json::{Value, json};

use crate::support::{Cluster, NAMESPACE, eventually, is_ready};

/// Where the application is.
const SHOP: &str = "shop";
/// What the server of the application is called as a target by address.
const BY_NAME: &str = "shop-by-name";

pub async fn every_part_is_up_and_its_rules_are_quiet(cluster: &Cluster) {
    for app in ["traefik", "bot", "web"] {
        let up = format!(r#"up{{namespace="{SHOP}",app="{app}"}}"#);
        is_one(cluster, &up).await;
    }
    is_one(cluster, r#"nginx_up{namespace="shop",app="web"}"#).await;
    let rules: Api<AlertRule> = Api::namespaced(cluster.client.clone(), SHOP);
    let rules = rules.list(&ListParams::default()).await.unwrap();
    assert_eq!(rules.items.len(), 4, "one for each part");
    for rule in rules {
        let name = rule.name_any();
        let status = rule.status.unwrap_or_default();
        assert!(
            status.stacks.iter().all(|it| it.loaded),
            "{name}: {status:?}"
        );
        assert_eq!(status.health, Some(RuleHealth::Ok), "{name}");
        assert_eq!(status.firing, Some(0), "{name}");
    }
    let states = alert_states(cluster).await;
    assert_eq!(states.len(), 9, "{states:?}");
    assert!(states.values().all(|it| it == "inactive"), "{states:?}");
}

/// Who comes by HTTP is sent to HTTPS, and there the page and the bot answer.
pub async fn it_is_reached_through_traefik(cluster: &Cluster) {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), SHOP);
    let address = services.get("traefik").await.unwrap().spec.unwrap();
    let address = address.cluster_ip.unwrap();
    let redirected = curl(&[
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{redirect_url}",
        &format!("http://{address}/"),
    ]);
    assert_eq!(redirected, format!("301 https://{address}/"));
    let page = curl(&[&format!("https://{address}/")]);
    assert!(page.contains("<h1>Shop</h1>"), "{page}");
    let message = r#"{"visitor": "test", "text": "order a cup"}"#;
    let answer = curl(&["--data", message, &format!("https://{address}/messages")]);
    assert!(answer.contains("on its way"), "{answer}");
}

fn curl(args: &[&str]) -> String {
    let mut command = Command::new("curl");
    let output = command
        .args(["-sSk", "--max-time", "10"])
        .args(args)
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The agent of the node finds the pod by its label, and asks the server.
pub async fn postgres_is_found_by_its_label(cluster: &Cluster) {
    is_one(
        cluster,
        r#"pg_up{job="postgres-exporter",namespace="shop",pod="postgres-0",instance="postgres-0"}"#,
    )
    .await;
    let rows = r#"sum(shop_messages_total{namespace="shop",pod="postgres-0"})"#;
    let rows = || async { cluster.query(rows).await.filter(|rows| *rows > 0.0) };
    eventually("the query of one's own answers", rows).await;
}

/// A target by address reaches the agent when the kubelet next projects its ConfigMap: asked for
/// here, looked at later.
pub async fn postgres_is_named(cluster: &Cluster) {
    let target = json!([{
        "name": BY_NAME, "host": format!("postgres.{SHOP}.svc"),
        "credentialsSecretRef": {"name": "shop-postgres"},
    }]);
    let agent = json!({"agent": {"postgres": {"targets": target}}});
    cluster.patch_stack(agent).await;
}

/// By `/probe` of the agent's Service, with the name that [`postgres_is_named`] gave it.
pub async fn postgres_is_asked_by_name(cluster: &Cluster) {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let agent = services.get("main-agent").await.unwrap().spec.unwrap();
    let address = agent.cluster_ip.unwrap();
    let url = format!("http://{address}:9187/probe?target={BY_NAME}");
    eventually("the agent knows the server by name", || async {
        let metrics = curl(&[&url]);
        metrics.lines().any(|line| line == "pg_up 1").then_some(())
    })
    .await;
    let by_name = format!(r#"pg_up{{job="postgres-exporter",instance="{BY_NAME}"}}"#);
    is_one(cluster, &by_name).await;
    let gone = json!({"agent": {"postgres": {"targets": null}}});
    cluster.patch_stack(gone).await;
    cluster.until("without the server by name", is_ready).await;
}

/// Another pod on the same volume: the rows are still there, and the agent asks the new server.
pub async fn postgres_comes_back_with_its_rows(cluster: &Cluster) {
    let before = rows();
    assert!(before > 0);
    let started = "pg_postmaster_start_time_seconds{namespace=\"shop\"}";
    let first = cluster.query(started).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), SHOP);
    let uid = pods.get("postgres-0").await.unwrap().uid();
    pods.delete("postgres-0", &DeleteParams::default())
        .await
        .unwrap();
    eventually("another PostgreSQL", || async {
        let pod = pods.get("postgres-0").await.ok()?;
        let ready = pod.status.as_ref()?.conditions.as_ref()?.iter();
        let mut ready = ready.filter(|it| it.type_ == "Ready" && it.status == "True");
        (pod.uid() != uid && ready.next().is_some()).then_some(())
    })
    .await;
    assert!(rows() >= before, "rows are lost");
    eventually("the agent asks the new server", || async {
        (cluster.query(started).await? > first).then_some(())
    })
    .await;
}

/// How many messages the bot has written down.
fn rows() -> u64 {
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["exec", "-n", SHOP, "postgres-0", "--"]);
    kubectl.args([
        "psql",
        "--username=postgres",
        "--dbname=shop",
        "--tuples-only",
    ]);
    let output = kubectl.args(["--command", "select count(*) from messages"]);
    let text = String::from_utf8(output.output().unwrap().stdout).unwrap();
    text.trim().parse().unwrap()
}

async fn is_one(cluster: &Cluster, expr: &str) {
    let one = || async {
        let value = cluster.query(expr).await?;
        ((value - 1.0).abs() < f64::EPSILON).then_some(())
    };
    eventually(&format!("{expr} is 1"), one).await;
}

/// The state of each of the application's alerts, from Prometheus itself.
async fn alert_states(cluster: &Cluster) -> BTreeMap<String, String> {
    let answer = cluster
        .ask("main-prometheus", "/api/v1/rules?type=alert")
        .await;
    let answer = answer.unwrap();
    let groups = answer["data"]["groups"].as_array().unwrap();
    let rules = groups.iter().filter_map(|group| group["rules"].as_array());
    let ours = rules
        .flatten()
        .filter(|rule| rule["labels"]["rule_namespace"] == SHOP);
    let text = |rule: &Value, field: &str| rule[field].as_str().unwrap_or_default().to_owned();
    ours.map(|rule| (text(rule, "name"), text(rule, "state")))
        .collect()
}

/// The queries of the application's own dashboard, each with its panel.
pub fn dashboard_queries() -> Vec<(String, String)> {
    let text = include_str!("../../manifests/samples/app/dashboard.json");
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = format!("Shop / {}", panel["title"].as_str().unwrap());
        for target in panel["targets"].as_array().unwrap() {
            if target["datasource"]["uid"] == "prometheus" {
                queries.push((place.clone(), target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    queries
}

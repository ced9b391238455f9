//! Users' dashboards, from their `ConfigMaps` to those that Grafana's pod mounts.

use std::collections::BTreeMap;

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use masthead::api::stack::MonitoringStack;
use serde_json::json;

use crate::{apiserver::eventually, bench::Bench};

/// The operator runs, and a stack `main` is there.
pub async fn users_dashboards_are_taken_and_bad_ones_are_named(bench: &Bench, namespace: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), namespace);
    let files = |files: &[(&str, &str)]| -> BTreeMap<String, String> {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    };
    let shop = files(&[
        ("shop.json", r#"{"uid": "shop", "title": "Shop"}"#),
        ("bad.json", "{"),
    ]);
    create(&maps, "shop", json!({"grafana_dashboard": "1"}), &shop).await;
    let both = json!({"grafana_dashboard": "1", "masthead.dev/dashboard": "true"});
    let clash = files(&[("again.json", r#"{"uid": "shop", "title": "Again"}"#)]);
    create(&maps, "shop-again", both, &clash).await;
    let plain = files(&[("x.json", r#"{"uid": "x", "title": "X"}"#)]);
    create(&maps, "no-label", json!({}), &plain).await;

    eventually("the good dashboard is in a shard", async || {
        shards(&maps).await == files(&[("shop.json", r#"{"uid": "shop", "title": "Shop"}"#)])
    })
    .await;
    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), namespace);
    eventually("the bad ones are named", async || {
        let problems = stacks.get("main").await.unwrap().status.unwrap().problems;
        let field = |map: &str, key: &str| format!("ConfigMap {namespace}/{map} data[{key}]");
        [field("shop", "bad.json"), field("shop-again", "again.json")]
            .iter()
            .all(|field| problems.iter().any(|problem| problem.field == *field))
    })
    .await;
    let events: Api<Event> = Api::namespaced(bench.client.clone(), namespace);
    eventually("each has an Event", async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        let about = |name: &str| {
            all.iter().any(|event| {
                event.reason.as_deref() == Some("DashboardRefused")
                    && event
                        .regarding
                        .as_ref()
                        .is_some_and(|it| it.name.as_deref() == Some(name))
            })
        };
        about("shop") && about("shop-again")
    })
    .await;

    let mended = json!({"data": {"bad.json": r#"{"uid": "good", "title": "Good"}"#}});
    maps.patch("shop", &PatchParams::default(), &Patch::Merge(mended))
        .await
        .unwrap();
    maps.delete("shop-again", &DeleteParams::default())
        .await
        .unwrap();
    eventually(
        "the mended one is taken, and nothing is named",
        async || {
            let problems = stacks.get("main").await.unwrap().status.unwrap().problems;
            shards(&maps).await.contains_key("good.json") && problems.is_empty()
        },
    )
    .await;
    maps.delete("shop", &DeleteParams::default()).await.unwrap();
    eventually("the shard goes with its dashboards", async || {
        shards(&maps).await.is_empty()
    })
    .await;
}

async fn create(
    maps: &Api<ConfigMap>,
    name: &str,
    labels: serde_json::Value,
    data: &BTreeMap<String, String>,
) {
    let map = json!({"metadata": {"name": name, "labels": labels}, "data": data});
    let map = serde_json::from_value(map).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
}

/// The files in all shards of the stack.
async fn shards(maps: &Api<ConfigMap>) -> BTreeMap<String, String> {
    let ours = ListParams::default().labels("app.kubernetes.io/component=grafana");
    let all = maps.list(&ours).await.unwrap();
    let shards = all.into_iter().filter(|map| {
        let name = map.metadata.name.as_deref().unwrap_or_default();
        let shard = name.strip_prefix("main-grafana-dashboards-");
        shard.is_some_and(|shard| shard != "shipped")
    });
    shards
        .flat_map(|map| map.data.unwrap_or_default())
        .collect()
}

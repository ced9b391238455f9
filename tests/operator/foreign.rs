//! prometheus-operator's kinds: installed, used, spoilt and taken away while the operator runs.

use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Secret},
        events::v1::Event,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{GroupVersionKind, TypeMeta},
};
use masthead::{
    api::{stack::MonitoringStack, status::ForeignCounts},
    resolve::prometheus_operator::objects::{GROUP, Kind},
};
use serde_json::{Value, json};

use crate::{
    apiserver::{OPERATOR, eventually},
    bench::Bench,
    targets,
};

/// The operator runs, and a stack `main` is there.
pub async fn the_kinds_are_followed_while_they_are_installed(bench: &Bench, namespace: &str) {
    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), namespace);
    let before = bench.server.requests().len();
    assert_eq!(counts(&stacks).await, None);
    install(bench).await;
    ship(bench, namespace).await;
    // What a stack asks for makes the operator look at once what the server has.
    switch(&stacks, true).await;
    good_ones_are_used(bench, namespace).await;
    bad_ones_are_named(bench, namespace, &stacks).await;
    they_change_and_are_switched_off(bench, namespace, &stacks).await;
    they_go_with_their_kinds(bench, namespace, &stacks).await;
    let asked = bench.server.requests().split_off(before);
    let missed = asked.iter().filter(|request| {
        let foreign = Kind::ALL
            .iter()
            .any(|kind| kind.plural() == request.resource);
        request.user == OPERATOR && foreign && request.code >= 400
    });
    // A watch may find its kind gone once.
    assert!(missed.count() <= 2 * Kind::ALL.len());
}

/// A good monitor and a bad one, a good group of rules and a wrong one.
async fn ship(bench: &Bench, namespace: &str) {
    let monitors = objects(bench, namespace, Kind::ServiceMonitor);
    create(
        &monitors,
        Kind::ServiceMonitor,
        &monitor(
            "good",
            &json!([{"port": "web", "bearerTokenSecret": {"name": "scrape", "key": "token"}}]),
        ),
    )
    .await;
    create(
        &monitors,
        Kind::ServiceMonitor,
        &monitor("bad", &json!([{"port": "web", "oauth2": {}}])),
    )
    .await;
    let rules = objects(bench, namespace, Kind::PrometheusRule);
    let groups = json!([
        {"name": "of-others", "rules": [{"alert": "Other", "expr": "up == 0", "labels": {"severity": "info"}}]},
        {"name": "wrong", "rules": [{"alert": "Wrong", "expr": "rate(up)"}]},
    ]);
    let rule = json!({"metadata": {"name": "rules"}, "spec": {"groups": groups}});
    create(&rules, Kind::PrometheusRule, &rule).await;
    let secrets: Api<Secret> = Api::namespaced(bench.client.clone(), namespace);
    let secret = json!({"metadata": {"name": "scrape"}, "stringData": {"token": "t"}});
    let secret = serde_json::from_value(secret).unwrap();
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
}

async fn good_ones_are_used(bench: &Bench, namespace: &str) {
    let secrets: Api<Secret> = Api::namespaced(bench.client.clone(), namespace);
    let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), namespace);
    let job = format!("serviceMonitor/{namespace}/good/0");
    eventually(
        "the good monitor is a job, the bad one is none",
        async || {
            let config = config(&maps).await;
            config.contains(&job) && !config.contains("/bad/")
        },
    )
    .await;
    let written: Value = serde_saphyr::from_str(&config(&maps).await).unwrap();
    let mut jobs = written["scrape_configs"].as_array().unwrap().iter();
    let rendered = jobs.find(|it| it["job_name"] == job.as_str()).unwrap();
    targets::a_job_finds_its_targets_and_names_them(bench, namespace, rendered).await;
    eventually("its Secret is copied", async || {
        let copied = secrets.get_opt("main-prometheus-secrets").await.unwrap();
        let data = copied.and_then(|secret| secret.data).unwrap_or_default();
        data.keys().any(|name| name.starts_with("monitor-"))
    })
    .await;
    eventually(
        "the good group is in a rule file, the wrong one is not",
        async || {
            let files = rule_files(&maps).await;
            files.contains("of-others") && !files.contains("Wrong")
        },
    )
    .await;
}

async fn bad_ones_are_named(bench: &Bench, namespace: &str, stacks: &Api<MonitoringStack>) {
    eventually("the status names what is left out", async || {
        let Some(found) = counts(stacks).await else {
            return false;
        };
        let notes: Vec<_> = found
            .notes
            .iter()
            .map(|note| (note.object.as_str(), note.left_out))
            .collect();
        let (bad, rules) = (
            format!("ServiceMonitor {namespace}/bad"),
            format!("PrometheusRule {namespace}/rules"),
        );
        (found.selected, found.refused) == (3, 1)
            && notes == [(bad.as_str(), true), (rules.as_str(), true)]
    })
    .await;
    let events: Api<Event> = Api::namespaced(bench.client.clone(), namespace);
    eventually("and so does an Event on each", async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        ["bad", "rules"].iter().all(|name| {
            all.iter().any(|event| {
                let about = event.regarding.as_ref().and_then(|it| it.name.as_deref());
                about == Some(name) && event.reason.as_deref() == Some("LeftOut")
            })
        })
    })
    .await;
}

async fn they_change_and_are_switched_off(
    bench: &Bench,
    namespace: &str,
    stacks: &Api<MonitoringStack>,
) {
    let monitors = objects(bench, namespace, Kind::ServiceMonitor);
    let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), namespace);
    let mended = json!({"spec": {"endpoints": [{"port": "web"}]}});
    let params = PatchParams::default();
    monitors
        .patch("bad", &params, &Patch::Merge(mended))
        .await
        .unwrap();
    eventually("a mended one is taken at once", async || {
        config(&maps).await.contains("/bad/")
    })
    .await;
    switch(stacks, false).await;
    eventually("a stack that wants none has none", async || {
        !config(&maps).await.contains("serviceMonitor/") && counts(stacks).await.is_none()
    })
    .await;
    switch(stacks, true).await;
    eventually("and has them again when it wants them", async || {
        config(&maps).await.contains("serviceMonitor/")
    })
    .await;
}

async fn they_go_with_their_kinds(bench: &Bench, namespace: &str, stacks: &Api<MonitoringStack>) {
    let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), namespace);
    uninstall(bench).await;
    eventually("with its kind an object goes", async || {
        !config(&maps).await.contains("serviceMonitor/")
            && !rule_files(&maps).await.contains("of-others")
    })
    .await;
    eventually("and nothing is said of them", async || {
        counts(stacks).await.is_none()
    })
    .await;
}

fn monitor(name: &str, endpoints: &Value) -> Value {
    let spec = json!({"selector": {"matchLabels": {"app": name}}, "endpoints": endpoints});
    json!({"metadata": {"name": name}, "spec": spec})
}

async fn switch(stacks: &Api<MonitoringStack>, on: bool) {
    let spec = json!({"spec": {"discovery": {"prometheusOperator": {"enabled": on}}}});
    stacks
        .patch("main", &PatchParams::default(), &Patch::Merge(spec))
        .await
        .unwrap();
}

async fn counts(stacks: &Api<MonitoringStack>) -> Option<ForeignCounts> {
    stacks
        .get("main")
        .await
        .unwrap()
        .status?
        .prometheus_operator
}

async fn config(maps: &Api<ConfigMap>) -> String {
    let map = maps.get("main-prometheus").await.unwrap();
    map.data
        .unwrap_or_default()
        .remove("prometheus.yml")
        .unwrap_or_default()
}

/// The text of all rule files of Prometheus.
async fn rule_files(maps: &Api<ConfigMap>) -> String {
    let all = maps.list(&ListParams::default()).await.unwrap();
    let shards = all.into_iter().filter(|map| {
        let name = map.metadata.name.as_deref().unwrap_or_default();
        name.starts_with("main-prometheus-rules-")
    });
    shards
        .flat_map(|map| map.data.unwrap_or_default().into_values())
        .collect()
}

fn version(kind: Kind) -> &'static str {
    match kind {
        Kind::ScrapeConfig => "v1alpha1",
        _ => "v1",
    }
}

fn objects(bench: &Bench, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    let kind_of = GroupVersionKind::gvk(GROUP, version(kind), kind.name());
    let resource = ApiResource::from_gvk_with_plural(&kind_of, kind.plural());
    Api::namespaced_with(bench.client.clone(), namespace, &resource)
}

async fn create(api: &Api<DynamicObject>, kind: Kind, object: &Value) {
    let mut object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    object.types = Some(TypeMeta {
        api_version: format!("{GROUP}/{}", version(kind)),
        kind: kind.name().to_owned(),
    });
    // Established is told a little before the resource is served.
    eventually("the object is created", async || {
        api.create(&PostParams::default(), &object).await.is_ok()
    })
    .await;
}

fn name(kind: Kind) -> String {
    format!("{}.{GROUP}", kind.plural())
}

/// The kinds as prometheus-operator installs them, less the fields.
async fn install(bench: &Bench) {
    let crds: Api<CustomResourceDefinition> = Api::all(bench.client.clone());
    for kind in Kind::ALL {
        let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let schema = json!({"openAPIV3Schema": {
            "type": "object", "properties": {"spec": free, "status": free}, "required": ["spec"],
        }});
        let singular = kind.name().to_lowercase();
        let crd = json!({
            "metadata": {"name": name(kind)},
            "spec": {
                "group": GROUP, "scope": "Namespaced",
                "names": {"kind": kind.name(), "plural": kind.plural(), "singular": singular},
                "versions": [{
                    "name": version(kind), "served": true, "storage": true, "schema": schema,
                    "subresources": {"status": {}},
                }],
            },
        });
        let crd = serde_json::from_value(crd).unwrap();
        crds.create(&PostParams::default(), &crd).await.unwrap();
    }
}

async fn uninstall(bench: &Bench) {
    let crds: Api<CustomResourceDefinition> = Api::all(bench.client.clone());
    for kind in Kind::ALL {
        crds.delete(&name(kind), &DeleteParams::default())
            .await
            .unwrap();
    }
}

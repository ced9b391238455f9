//! Objects of prometheus-operator's kinds as people ship them, down to what Prometheus reads.

use std::{collections::BTreeMap, fs, path::Path, process::Command, sync::Arc};

use masthead::{
    api::stack::MonitoringStack,
    resolve::{
        Inputs, Resolution,
        model::SecretValue,
        prometheus_operator::{
            objects::{self, Content, Foreign, Kind, Place},
            references, rules, selected, sources,
        },
        resolve,
    },
};
use serde_json::{Value, json};

use crate::{stack, tool, view};

const FOLDER: &str = "tests/fixtures/prometheus-operator";

/// The objects of a file, and what each has to say.
pub fn objects(file: &str) -> Vec<(Arc<Foreign>, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(FOLDER)
        .join(file);
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let documents = documents.into_iter().filter(|it| !it.is_null());
    documents
        .map(|object| {
            let metadata = &object["metadata"];
            let labels = metadata["labels"].clone();
            let kinds = Kind::ALL.into_iter();
            let foreign = Foreign {
                kind: kinds
                    .into_iter()
                    .find(|kind| object["kind"] == kind.name())
                    .unwrap(),
                api_version: text(&object["apiVersion"]),
                namespace: text(&metadata["namespace"]),
                name: text(&metadata["name"]),
                uid: format!("uid-{}", text(&metadata["name"])),
                generation: Some(1),
                labels: serde_json::from_value(labels).unwrap_or_default(),
                spec: object["spec"].clone(),
            };
            (Arc::new(foreign), text(&metadata["annotations"]["says"]))
        })
        .collect()
}

/// The Secrets and `ConfigMaps` that the objects name.
fn contents() -> BTreeMap<Place, Content> {
    let authority = include_str!("../fixtures/authority.pem");
    let content = |secret, namespace: &str, name: &str, keys: &[(&str, &str)], shared: bool| {
        let place = Place {
            secret,
            namespace: namespace.into(),
            name: name.into(),
        };
        let data = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), SecretValue((*value).into())));
        let content = Content {
            data: data.collect(),
            shared_with: shared
                .then(|| "monitoring".to_owned())
                .into_iter()
                .collect(),
        };
        (place, content)
    };
    [
        content(
            true,
            "shop",
            "exporter-login",
            &[("user", "me"), ("password", "pw")],
            true,
        ),
        content(
            false,
            "shop",
            "exporter-ca",
            &[("ca.crt", authority)],
            false,
        ),
        content(true, "shop", "private", &[("token", "t")], false),
        content(true, "monitoring", "outside", &[("token", "t")], false),
    ]
    .into()
}

pub fn resolved(spec: &Value, objects: &[Arc<Foreign>]) -> Resolution {
    let stack: MonitoringStack = serde_json::from_value(json!({
        "metadata": {"name": "main", "namespace": "monitoring", "uid": "u"}, "spec": spec,
    }))
    .unwrap();
    let like = stack::minimal();
    let mut inputs = Inputs {
        operator: like.operator,
        server: like.server,
        secrets: BTreeMap::new(),
        assume_secrets: false,
        grafana_admin: None,
        grafana_applied: None,
        dashboards: Vec::new(),
        fresh_password: stack::secret("fresh"),
        rules: Vec::new(),
        barred: BTreeMap::new(),
        prometheus_operator: objects::Inputs::default(),
        namespaces: None,
    };
    let sources = sources(&stack.spec, "monitoring", &inputs, &mut Vec::new());
    let taken = selected(&stack.spec, &sources, objects);
    let rules = taken.iter().filter(|it| it.kind == Kind::PrometheusRule);
    let rules: Vec<_> = rules
        .map(|it| (it.clone(), Arc::new(rules::judge(it))))
        .collect();
    inputs.rules = rules
        .iter()
        .flat_map(|(_, judged)| judged.groups.clone())
        .collect();
    let mut contents = contents();
    let wanted = references("monitoring", &taken);
    contents.retain(|place, _| wanted.contains(place));
    inputs.prometheus_operator = objects::Inputs {
        installed: true,
        taken,
        rules,
        contents,
        unreadable: Vec::new(),
    };
    resolve(&stack, &inputs).unwrap()
}

/// The stack scrapes every namespace that the fixtures have but `vault`.
pub fn everything() -> Value {
    let names = [
        "argocd",
        "cert-manager",
        "ingress-nginx",
        "istio-system",
        "kube-system",
        "loki",
        "shop",
        "traefik",
    ];
    json!({"discovery": {"annotations": false, "namespaces": {"names": names}}})
}

fn of(file: &str) -> Vec<Arc<Foreign>> {
    objects(file)
        .into_iter()
        .map(|(object, _)| object)
        .collect()
}

pub fn notes(resolution: &Resolution) -> Vec<String> {
    let notes = resolution.prometheus_operator.notes.iter();
    notes
        .map(|note| format!("{}: {}", note.object.title(), note.problem))
        .collect()
}

/// The jobs that are not the stack's own.
fn jobs(resolution: &Resolution) -> Vec<Value> {
    let config = view::config(&resolution.stack, "main-prometheus", "prometheus.yml");
    let jobs = config["scrape_configs"].as_array().unwrap().iter();
    let foreign = jobs.filter(|job| job["job_name"].as_str().unwrap().contains('/'));
    foreign.cloned().collect()
}

#[test]
fn what_people_ship_becomes_jobs_that_prometheus_takes() {
    let resolution = resolved(&everything(), &of("monitors.yaml"));
    assert_eq!(
        notes(&resolution),
        ["ServiceMonitor shop/postgres-exporter: spec.scrapeProtocols: not supported, ignored"]
    );
    assert_eq!(resolution.prometheus_operator.refused, 0);
    let text: String = jobs(&resolution)
        .iter()
        .map(|job| serde_saphyr::to_string(&[job]).unwrap())
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/prometheus-operator.yaml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        text == fs::read_to_string(&path).unwrap_or_default(),
        "{} differs from what is rendered: run UPDATE_GOLDEN=1 cargo test --test render, then read the diff",
        path.display()
    );
    check(&resolution);
}

/// promtool's word on the configuration file.
fn check(resolution: &Resolution) {
    let Some(promtool) = tool::find("promtool") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    let mut stack = resolution.stack.clone();
    // The program may be older than the version that is rendered for.
    stack.prometheus.as_mut().unwrap().workload.version = stack::version("3.5.3");
    fs::write(
        &file,
        view::file(&stack, "main-prometheus", "prometheus.yml"),
    )
    .unwrap();
    let mut check = Command::new(&promtool);
    tool::run(check.args(["check", "config", "--syntax-only"]).arg(&file));
}

#[test]
fn a_bad_object_says_why_and_harms_nobody_else() {
    let bad = objects("bad.yaml");
    let good = of("monitors.yaml");
    let all: Vec<_> = bad
        .iter()
        .map(|(object, _)| object.clone())
        .chain(good.clone())
        .collect();
    let resolution = resolved(&everything(), &all);
    let notes = notes(&resolution);
    for (object, says) in &bad {
        let wanted = format!("{}: {says}", object.title());
        assert!(
            notes.iter().any(|note| note.starts_with(&wanted)),
            "{wanted}: {notes:#?}"
        );
    }
    // Nothing else is said, and of the half good one the half is used.
    assert_eq!(notes.len(), bad.len() + 1);
    assert_eq!(resolution.prometheus_operator.refused, bad.len() - 1);
    assert_eq!(jobs(&resolution), jobs(&resolved(&everything(), &good)));
    let files = resolution
        .stack
        .prometheus
        .as_ref()
        .unwrap()
        .rule_files
        .keys();
    assert!(files.eq([&"shop-half-good-uid-half-good-0.yaml".into()]));
}

#[test]
fn a_wrong_endpoint_leaves_the_others_of_its_object_alone() {
    let (monitor, _) = objects("bad.yaml").remove(0);
    let mut monitor = (*monitor).clone();
    monitor.spec["endpoints"]
        .as_array_mut()
        .unwrap()
        .push(json!({"port": "good"}));
    let resolution = resolved(&everything(), &[Arc::new(monitor)]);
    let names = jobs(&resolution)
        .iter()
        .map(|job| job["job_name"].clone())
        .collect::<Vec<_>>();
    assert_eq!(names, ["serviceMonitor/shop/oauth/1"]);
    assert_eq!(resolution.prometheus_operator.refused, 0);
}

#[test]
fn copies_are_files_of_the_components_own_secret() {
    let resolution = resolved(&everything(), &of("monitors.yaml"));
    let secrets = &resolution.stack.prometheus.as_ref().unwrap().secrets;
    assert_eq!(secrets.len(), 4);
    let text = view::file(&resolution.stack, "main-prometheus", "prometheus.yml");
    for name in secrets.keys() {
        assert!(
            text.contains(&format!("/etc/prometheus/secrets/{name}")),
            "{name}"
        );
    }
}

#[test]
fn rules_go_the_way_of_alert_rules_group_by_group() {
    let resolution = resolved(&everything(), &of("rules.yaml"));
    assert_eq!(
        notes(&resolution),
        [
            "PrometheusRule monitoring/node-exporter-rules: spec.groups[1].partial_response_strategy: not supported, ignored"
        ]
    );
    let prometheus = resolution.stack.prometheus.as_ref().unwrap();
    let groups: Vec<_> = prometheus
        .rule_files
        .values()
        .map(|it| it.file.group.as_str())
        .collect();
    assert_eq!(
        groups,
        [
            "general.rules",
            "node-exporter",
            "node-exporter.rules",
            "certificates"
        ]
    );
    let Some(promtool) = tool::find("promtool") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, placed) in &prometheus.rule_files {
        let file = folder.path().join(&**name);
        fs::write(&file, &placed.file.text).unwrap();
        tool::run(Command::new(&promtool).args(["check", "rules"]).arg(&file));
    }
    let general = prometheus
        .rule_files
        .iter()
        .find(|(name, _)| name.contains("general"));
    let (name, placed) = general.unwrap();
    // An author's limit stands; the name then tells the content.
    assert_eq!(placed.file.mark, 50);
    assert!(
        name.len() > "monitoring-general-uid-general-0.yaml".len(),
        "{name}"
    );
    for part in [
        "query_offset: '10s'",
        "team: 'platform'",
        "rule_namespace: 'monitoring'",
        "expr: '1'",
    ] {
        assert!(
            placed.file.text.contains(part),
            "{part}: {}",
            placed.file.text
        );
    }
}

#[test]
fn only_what_a_stack_selects_is_taken() {
    let taken = |spec: Value| {
        resolved(&spec, &of("monitors.yaml"))
            .prometheus_operator
            .selected
    };
    assert_eq!(taken(json!({})), 7);
    assert_eq!(
        taken(json!({"discovery": {"prometheusOperator": {"enabled": false}}})),
        0
    );
    let all = json!({"all": true});
    assert_eq!(taken(json!({"discovery": {"namespaces": all}})), 17);
    let labelled = json!({"namespaces": all, "matchLabels": {"release": "prometheus-operator"}});
    assert_eq!(
        taken(json!({"discovery": {"prometheusOperator": labelled}})),
        1
    );
}

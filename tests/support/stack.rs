//! Resolved stacks to render, and what they are made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use masthead::{
    api::{
        agent_config::{AgentConfig, ContainersConfig, NodeConfig, PodsConfig},
        alerting::{Route, Severity},
        component::Component,
        default_rules::DefaultRulesSpec,
        defaults,
        rule::{AnnotationText, Engine, LabelText, RuleEntry},
        value::{Duration, TaintEffect, Toleration, TolerationOperator, WhenDeleted},
    },
    resolve::{
        model::{
            Agent, Alertmanager, ContainerResources, Discovery, Grafana, Loki, Namespaces,
            Operator, Placed, Prometheus, Receiver, ReceiverKind, RemoteWrite, RuleFiles,
            SecretValue, Server, Stack, Version, Volume, Workload,
        },
        rules,
    },
};

/// What `spec: {}` gives.
pub fn minimal() -> Stack {
    Stack {
        name: "main".into(),
        namespace: "monitoring".into(),
        uid: "7d1f3c52-0f6e-4a3b-9a2e-2f1f6f0c9f11".into(),
        operator: Operator {
            image: "ghcr.io/masthead/masthead:0.1.0".into(),
            namespace: "masthead-system".into(),
            role_prefix: "masthead".into(),
            cluster_domain: "cluster.local".into(),
            cluster_wide: true,
        },
        server: Server {
            policy_v1: true,
            endpoint_slices: true,
            claim_retention: true,
        },
        prometheus: Some(prometheus()),
        alertmanager: Some(Alertmanager {
            workload: workload(Component::Alertmanager),
            receivers: Vec::new(),
            routes: Vec::new(),
            secrets: BTreeMap::new(),
        }),
        loki: Some(Loki {
            workload: workload(Component::Loki),
            retention: "720h".into(),
            rule_files: BTreeMap::new(),
        }),
        grafana: Some(Grafana {
            workload: workload(Component::Grafana),
            admin_user: secret("admin"),
            admin_password: secret("swordfish"),
        }),
        agent: Some(agent()),
        held: BTreeSet::new(),
        default_rules: DefaultRulesSpec::default(),
        postgres_servers: Vec::new(),
        network_policy: true,
        image_pull_secrets: Vec::new(),
        paused: false,
    }
}

/// A stack that uses what there is to use.
pub fn full() -> Stack {
    let mut stack = minimal();
    stack.name = "shop".into();
    stack.image_pull_secrets = vec!["registry".into()];
    if let Some(prometheus) = &mut stack.prometheus {
        prometheus.workload.replicas = 2;
        prometheus.external_labels = [("cluster", "eu-1"), ("price", "5$ off")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        prometheus.remote_write = vec![RemoteWrite {
            name: "mimir".into(),
            url: "https://mimir.example.org/api/v1/push".into(),
            basic_auth: Some(("shop".into(), "remote-write-mimir-password".into())),
        }];
        prometheus.secrets = secrets([("remote-write-mimir-password", "hunter2")]);
        prometheus.discovery = Some(discovered(&["monitoring", "shop"]));
        prometheus.rule_files = rule_files();
    }
    if let Some(alertmanager) = &mut stack.alertmanager {
        alertmanager.workload.replicas = 3;
        alertmanager.receivers = receivers();
        alertmanager.routes = routes();
        alertmanager.secrets = secrets([
            ("receiver-oncall-url", "https://hooks.example.org/T0/B0/x"),
            ("receiver-mail-password", "hunter3"),
            ("receiver-pager-url", "https://pager.example.org/hook?key=x"),
        ]);
    }
    if let Some(loki) = &mut stack.loki {
        loki.rule_files = log_rule_files();
    }
    for component in [
        Component::Prometheus,
        Component::Alertmanager,
        Component::Loki,
        Component::Grafana,
    ] {
        if let Some(workload) = workload_mut(&mut stack, component) {
            workload.node_selector = [("disk".to_owned(), "ssd".to_owned())].into();
            workload.priority_class_name = Some("monitoring".into());
            workload.tolerations = vec![Toleration {
                key: Some("dedicated".into()),
                operator: Some(TolerationOperator::Equal),
                value: Some("monitoring".into()),
                effect: Some(TaintEffect::NoSchedule),
            }];
            if let Some(volume) = &mut workload.volume {
                volume.storage_class_name = Some("fast".into());
                volume.when_deleted = WhenDeleted::Delete;
            }
        }
    }
    stack
}

/// A laptop's old cluster: small, an old Prometheus, and an operator for its own namespace only.
pub fn single_node() -> Stack {
    let mut stack = minimal();
    stack.name = "dev".into();
    stack.namespace = "default".into();
    stack.uid = String::new();
    stack.operator.cluster_wide = false;
    stack.network_policy = false;
    stack.server = Server {
        policy_v1: false,
        endpoint_slices: false,
        claim_retention: false,
    };
    stack.grafana = None;
    if let Some(prometheus) = &mut stack.prometheus {
        prometheus.workload.image = "docker.io/prom/prometheus:v3.5.3-debian".into();
        prometheus.workload.version = version("3.5.3-debian");
        prometheus.workload.replicas = 2;
        prometheus.workload.volume = None;
    }
    stack
}

/// The workload of a component, to change it.
pub fn workload_mut(stack: &mut Stack, component: Component) -> Option<&mut Workload> {
    match component {
        Component::Prometheus => stack.prometheus.as_mut().map(|p| &mut p.workload),
        Component::Alertmanager => stack.alertmanager.as_mut().map(|a| &mut a.workload),
        Component::Loki => stack.loki.as_mut().map(|l| &mut l.workload),
        Component::Grafana => stack.grafana.as_mut().map(|g| &mut g.workload),
        Component::Agent => stack.agent.as_mut().map(|a| &mut a.workload),
    }
}

/// A version that is one.
pub fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// A secret's value.
pub fn secret(text: &str) -> SecretValue {
    SecretValue(text.as_bytes().to_vec())
}

/// One alert, in a file of its own.
pub fn alert_file(namespace: &str, name: &str, expr: &str) -> (String, Placed) {
    let rule = RuleEntry {
        alert: Some("Down".into()),
        expr: expr.into(),
        severity: Some(Severity::Critical),
        ..RuleEntry::default()
    };
    rule_file(namespace, name, &[rule])
}

/// Rules in a file of their own.
pub fn rule_file(namespace: &str, name: &str, rules: &[RuleEntry]) -> (String, Placed) {
    placed(namespace, name, Engine::Prometheus, None, rules)
}

fn placed(
    namespace: &str,
    name: &str,
    engine: Engine,
    interval: Option<&str>,
    rules: &[RuleEntry],
) -> (String, Placed) {
    let file = rules::rule_file(namespace, name, engine, interval, rules);
    let shard = name
        .bytes()
        .fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let placed = Placed {
        shard: shard % rules::SHARDS,
        file: Arc::new(file),
    };
    (format!("{namespace}-{name}-0c1d.yaml"), placed)
}

fn prometheus() -> Prometheus {
    Prometheus {
        workload: workload(Component::Prometheus),
        retention: "30d".into(),
        retention_size: "16384MB".into(),
        scrape_interval: "15s".into(),
        external_labels: BTreeMap::new(),
        remote_write: Vec::new(),
        discovery: Some(discovered(&["monitoring"])),
        rule_files: BTreeMap::new(),
        secrets: BTreeMap::new(),
    }
}

fn discovered(namespaces: &[&str]) -> Discovery {
    let names = namespaces.iter().map(|name| (*name).to_owned());
    Discovery {
        namespaces: Namespaces::These(names.collect()),
    }
}

fn agent() -> Agent {
    let mut workload = workload(Component::Agent);
    workload.image = "ghcr.io/masthead/masthead:0.1.0".into();
    workload.tolerations = vec![Toleration {
        operator: Some(TolerationOperator::Exists),
        ..Toleration::default()
    }];
    Agent {
        workload,
        config: AgentConfig {
            node: Some(NodeConfig::default()),
            containers: Some(ContainersConfig {
                pods: Some(PodsConfig::default()),
                ..ContainersConfig::default()
            }),
            ..AgentConfig::default()
        },
    }
}

fn workload(component: Component) -> Workload {
    let defaults = defaults::of(component);
    let memory = |amount: &str| BTreeMap::from([("memory".to_owned(), amount.to_owned())]);
    Workload {
        image: format!(
            "{}:{}{}",
            defaults.repository, defaults.tag_prefix, defaults.version
        ),
        version: version(defaults.version),
        replicas: 1,
        resources: ContainerResources {
            requests: memory(defaults.memory_request),
            limits: memory(defaults.memory_limit),
        },
        volume: defaults.volume.map(|size| Volume {
            size: size.into(),
            storage_class_name: None,
            when_deleted: WhenDeleted::Retain,
        }),
        node_selector: BTreeMap::new(),
        tolerations: Vec::new(),
        priority_class_name: None,
    }
}

fn secrets<const N: usize>(values: [(&str, &str); N]) -> BTreeMap<String, SecretValue> {
    values
        .map(|(name, value)| (name.to_owned(), secret(value)))
        .into()
}

fn rule_files() -> RuleFiles {
    let ratio = RuleEntry {
        record: Some("shop:checkout_errors:ratio_rate5m".into()),
        expr: "sum(rate(http_requests_total{code=~\"5..\"}[5m]))\n  /\nsum(rate(http_requests_total[5m]))\n".into(),
        labels: [("team".to_owned(), LabelText("shop".into()))].into(),
        ..RuleEntry::default()
    };
    let failing = RuleEntry {
        alert: Some("CheckoutFailing".into()),
        expr: "shop:checkout_errors:ratio_rate5m > 0.05".into(),
        for_: Some(Duration("5m".into())),
        keep_firing_for: Some(Duration("10m".into())),
        severity: Some(Severity::Critical),
        annotations: [(
            "summary".to_owned(),
            AnnotationText("{{ $value | humanizePercentage }} of checkouts fail: look!".into()),
        )]
        .into(),
        ..RuleEntry::default()
    };
    let engine = Engine::Prometheus;
    let checkout = placed("shop", "checkout", engine, Some("1m"), &[ratio, failing]);
    [checkout, alert_file("shop", "down", "up == 0")].into()
}

fn log_rule_files() -> RuleFiles {
    let panics = RuleEntry {
        alert: Some("BotPanics".into()),
        expr: "sum by (pod) (count_over_time({app=\"bot\"} |= \"Traceback\" [5m])) > 0".into(),
        severity: Some(Severity::Warning),
        ..RuleEntry::default()
    };
    [placed("shop", "bot-panics", Engine::Loki, None, &[panics])].into()
}

fn receivers() -> Vec<Receiver> {
    [
        (
            "oncall",
            ReceiverKind::Slack {
                channel: Some("#alerts".into()),
                url_file: "receiver-oncall-url".into(),
            },
        ),
        (
            "mail",
            ReceiverKind::Email {
                to: vec!["ops@example.org".into(), "shop@example.org".into()],
                from: "masthead@example.org".into(),
                smarthost: "smtp.example.org:587".into(),
                auth: Some(("masthead".into(), "receiver-mail-password".into())),
            },
        ),
        (
            "hook",
            ReceiverKind::Webhook {
                url: "http://hook.shop.svc:8080/alerts".into(),
            },
        ),
        (
            "pager",
            ReceiverKind::SecretWebhook {
                url_file: "receiver-pager-url".into(),
            },
        ),
    ]
    .map(|(name, kind)| Receiver {
        name: name.into(),
        kind,
    })
    .into()
}

fn routes() -> Vec<Route> {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    vec![
        Route {
            namespaces: names(&["shop-staging"]),
            ..Route::default()
        },
        Route {
            severity: Some(Severity::Critical),
            namespaces: names(&["shop", "billing"]),
            receivers: names(&["oncall", "mail"]),
            repeat_interval: Some(Duration("1h".into())),
        },
        Route {
            severity: Some(Severity::Critical),
            receivers: names(&["pager"]),
            ..Route::default()
        },
        Route {
            severity: Some(Severity::Warning),
            receivers: names(&["hook"]),
            ..Route::default()
        },
    ]
}

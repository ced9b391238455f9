//! Resolved stacks to render, and what they are made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[path = "notify.rs"]
pub mod notify;

use masthead::{
    api::{
        agent_config::{
            AgentConfig, ContainersConfig, Encoding, FileLogsConfig, JournalConfig, LogsConfig,
            NodeConfig, Pattern, PodLogsConfig, PodMatch, PodMultiline, PodsConfig, PostgresConfig,
            PostgresDiscovery, PostgresLogin, PostgresQuery, PostgresTarget, RateLimit, SslMode,
            StageConfig, ValueKind,
        },
        alerting::{Links, Severity},
        component::Component,
        default_rules::DefaultRulesSpec,
        defaults,
        rule::{AnnotationText, Engine, LabelText, RuleEntry},
        value::{Duration, TaintEffect, Toleration, TolerationOperator, WhenDeleted},
    },
    resolve::{
        model::{
            Agent, Alertmanager, ContainerResources, Discovery, ExternalLoki, Grafana, Loki,
            Namespaces, Operator, Placed, Prometheus, RemoteWrite, RuleFiles, SecretValue, Server,
            Stack, Version, Volume, Workload,
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
            metrics_service: Some("masthead-metrics".into()),
            runbooks: masthead::api::defaults::RUNBOOKS.into(),
            cluster_wide: true,
            host_logs: Some("/var/log".into()),
        },
        server: Server {
            policy_v1: true,
            endpoint_slices: true,
            traefik: false,
        },
        prometheus: Some(prometheus()),
        alertmanager: Some(Alertmanager {
            workload: workload(Component::Alertmanager),
            receivers: Vec::new(),
            routes: Vec::new(),
            time_intervals: Vec::new(),
            inhibit_warnings: true,
            inhibit_rules: Vec::new(),
            links: Links::default(),
            secrets: BTreeMap::new(),
        }),
        loki: Some(Loki {
            workload: workload(Component::Loki),
            retention: "720h".into(),
            rule_files: BTreeMap::new(),
            alertmanager_urls: Vec::new(),
            grafana_link: None,
        }),
        external_loki: None,
        grafana: Some(Grafana {
            workload: workload(Component::Grafana),
            admin_user: secret("admin"),
            admin_password: secret("swordfish"),
            applied: None,
            shipped: Some(BTreeSet::new()),
            shards: BTreeMap::new(),
            root_url: None,
            sub_path: String::new(),
            anonymous_viewer: false,
            ingress: None,
        }),
        agent: Some(agent()),
        held: BTreeSet::new(),
        default_rules: DefaultRulesSpec::default(),
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
        alertmanager.receivers = notify::receivers();
        alertmanager.routes = notify::routes();
        alertmanager.time_intervals = notify::time_intervals();
        alertmanager.inhibit_rules = notify::inhibit_rules();
        alertmanager.links = notify::links();
        alertmanager.secrets = secrets([
            ("receiver-oncall-url", "https://hooks.example.org/T0/B0/x"),
            ("receiver-mail-password", "hunter3"),
            ("receiver-pager-url", "https://pager.example.org/hook?key=x"),
        ]);
    }
    if let Some(loki) = &mut stack.loki {
        loki.rule_files = log_rule_files();
    }
    if let Some(agent) = &mut stack.agent {
        agent.config.postgres = Some(postgres());
        agent.secrets = secrets([
            ("postgres.billing.username", "monitor"),
            ("postgres.billing.password", "hunter4"),
        ]);
        agent.config.logs = Some(log_config());
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

/// A stack whose lines go to a Loki that it does not run.
pub fn external() -> Stack {
    let mut stack = minimal();
    stack.loki = None;
    stack.external_loki = Some(external_loki());
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
        traefik: false,
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
pub fn alert_file(namespace: &str, name: &str, expr: &str) -> (Arc<str>, Placed) {
    let rule = RuleEntry {
        alert: Some("Down".into()),
        expr: expr.into(),
        severity: Some(Severity::Critical),
        ..RuleEntry::default()
    };
    rule_file(namespace, name, &[rule])
}

/// Rules in a file of their own.
pub fn rule_file(namespace: &str, name: &str, rules: &[RuleEntry]) -> (Arc<str>, Placed) {
    placed(namespace, name, Engine::Prometheus, None, rules)
}

fn placed(
    namespace: &str,
    name: &str,
    engine: Engine,
    interval: Option<&str>,
    rules: &[RuleEntry],
) -> (Arc<str>, Placed) {
    let file = rules::rule_file(namespace, name, engine, interval, rules);
    let shard = name
        .bytes()
        .fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let placed = Placed {
        shard: shard % rules::SHARDS,
        file: Arc::new(file),
    };
    (format!("{namespace}-{name}-0c1d.yaml").into(), placed)
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
        jobs: Vec::new(),
        rule_files: BTreeMap::new(),
        alertmanagers: Vec::new(),
        secrets: BTreeMap::new(),
    }
}

fn discovered(namespaces: &[&str]) -> Discovery {
    let names = namespaces.iter().map(|name| (*name).to_owned());
    let namespaces = Namespaces::These(names.collect());
    Discovery {
        annotations: Some(namespaces.clone()),
        reach: namespaces,
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
            logs: Some(LogsConfig {
                pods: Some(PodLogsConfig::default()),
                ..LogsConfig::default()
            }),
            postgres: None,
        },
        secrets: BTreeMap::new(),
    }
}

/// PostgreSQL with all there is.
pub fn postgres() -> PostgresConfig {
    let file = |name: &str| Some(format!("/etc/masthead-secrets/{name}"));
    PostgresConfig {
        targets: vec![PostgresTarget {
            name: "billing".into(),
            host: "db.example.org".into(),
            login: PostgresLogin {
                user_file: file("postgres.billing.username"),
                password_file: file("postgres.billing.password"),
                ssl_mode: SslMode::Require,
                ..PostgresLogin::default()
            },
            only_probe: true,
            ..PostgresTarget::default()
        }],
        discover: Some(PostgresDiscovery {
            namespaces: vec!["shop".into()],
            selector: "app=postgres".into(),
            ..PostgresDiscovery::default()
        }),
        queries: vec![PostgresQuery {
            name: "shop_orders".into(),
            sql: "select status, count(*) as total from orders group by status".into(),
            labels: vec!["status".into()],
            values: [("total".to_owned(), ValueKind::Gauge)].into(),
            every_seconds: 60,
            ..PostgresQuery::default()
        }],
        ..PostgresConfig::default()
    }
}

/// Logs that use what there is to use.
fn log_config() -> LogsConfig {
    let bot = PodMatch {
        match_labels: [("app".to_owned(), "bot".to_owned())].into(),
        ..PodMatch::default()
    };
    let kube_system = PodMatch {
        namespaces: vec!["kube-system".into()],
        ..PodMatch::default()
    };
    LogsConfig {
        labels: [("cluster".to_owned(), "eu-1".to_owned())].into(),
        pods: Some(PodLogsConfig {
            exclude: vec![kube_system],
            multiline: vec![PodMultiline {
                pods: bot,
                first_line: r"^\d{4}-\d\d-\d\d".into(),
            }],
            limit: Some(RateLimit {
                bytes_per_second: 1 << 20,
            }),
            ..PodLogsConfig::default()
        }),
        files: vec![FileLogsConfig {
            path: "/var/log/auth.log".into(),
            labels: [("job".to_owned(), "auth".to_owned())].into(),
            first_line: None,
        }],
        journal: Some(JournalConfig {
            units: vec!["kubelet.service".into()],
            ..JournalConfig::default()
        }),
        stages: vec![StageConfig::Drop(Pattern {
            pods: None,
            pattern: "healthz".into(),
        })],
        ..LogsConfig::default()
    }
}

/// A Loki that runs elsewhere.
pub fn external_loki() -> ExternalLoki {
    ExternalLoki {
        url: "https://loki.example.org/loki/api/v1/push".into(),
        tenant: Some("shop".into()),
        tenants: [("billing".to_owned(), "pay".to_owned())].into(),
        user: Some("masthead".into()),
        token: false,
        ca: true,
        certificate: true,
        encoding: Encoding::Protobuf,
        secrets: secrets([
            ("loki-password", "hunter4"),
            ("loki-ca.crt", "-----BEGIN CERTIFICATE-----"),
            ("loki-client.crt", "-----BEGIN CERTIFICATE-----"),
            ("loki-client.key", "-----BEGIN PRIVATE KEY-----"),
        ]),
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

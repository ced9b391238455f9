//! The dashboards that come with a stack, as far as they can be judged without Grafana.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use masthead::{
    api::{
        agent_config::PostgresConfig,
        component::Component,
        dashboards::Extra,
        rule::{AlertRule, AlertRuleSpec, Engine, RuleEntry},
    },
    render::dashboards::{UID_PREFIX, board::Dashboard, panel::Target, shipped, source::Source},
    resolve::{model::Stack, rules},
};
use promql_parser::parser::{self, Expr};
use serde_json::Value;

use crate::{stack, view};

/// A stack with every dashboard there is.
fn everything() -> Stack {
    let mut stack = stack::minimal();
    if let Some(grafana) = &mut stack.grafana {
        grafana.shipped = Some([Extra::Postgres, Extra::Traefik, Extra::Application].into());
    }
    if let Some(agent) = &mut stack.agent {
        agent.config.logs = Some(masthead::api::agent_config::LogsConfig::default());
    }
    stack
}

fn dashboards(stack: &Stack) -> Vec<Dashboard> {
    shipped(stack, stack.grafana.as_ref().unwrap())
}

fn names(stack: &Stack) -> Vec<&'static str> {
    dashboards(stack).iter().map(|it| it.name).collect()
}

/// Every query of a store, with the place it stands at and values for Grafana's variables.
fn queries(source: Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for dashboard in dashboards(&everything()) {
        for panel in dashboard.panels() {
            let asked = panel.targets().iter().filter(|it| it.source == source);
            found.extend(asked.map(|Target { expr, .. }| {
                let place = format!("{} / {}", dashboard.title, panel.title());
                (place, filled(&dashboard, expr))
            }));
        }
    }
    found
}

fn filled(dashboard: &Dashboard, expr: &str) -> String {
    let mut expr = with_times(expr);
    for variable in &dashboard.variables {
        expr = expr.replace(&format!("${}", variable.name()), ".+");
    }
    expr
}

/// Grafana's own variables, filled in.
fn with_times(expr: &str) -> String {
    expr.replace("$__rate_interval", "5m")
        .replace("$__range", "1h")
        .replace("$__auto", "1m")
}

#[test]
fn every_query_is_right_and_asks_for_declared_variables_only() {
    let mut wrong = Vec::new();
    for source in [Source::Prometheus, Source::Loki] {
        for (place, expr) in queries(source) {
            wrong.extend(problems(source, &place, &expr));
            if source == Source::Loki && !expr.contains("{namespace=~") {
                wrong.push(format!("{place}: asks for every stream: {expr}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_dashboard_of_the_sample_application_asks_right_queries() {
    let text = include_str!("../../manifests/samples/app/dashboard.json");
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let mut wrong = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let source = match target["datasource"]["uid"].as_str() {
                Some("prometheus") => Source::Prometheus,
                Some("loki") => Source::Loki,
                other => panic!("no such source: {other:?}"),
            };
            let expr = with_times(target["expr"].as_str().unwrap());
            wrong.extend(problems(source, panel["title"].as_str().unwrap(), &expr));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the checker of rules says of a query. A query for log lines is no rule, but their number is.
fn problems(source: Source, place: &str, expr: &str) -> Vec<String> {
    let (engine, expr) = match source {
        Source::Loki if expr.starts_with('{') => {
            (Engine::Loki, format!("count_over_time({expr} [1m])"))
        }
        Source::Loki => (Engine::Loki, expr.to_owned()),
        Source::Prometheus => (Engine::Prometheus, expr.to_owned()),
    };
    let rule = AlertRule::new(
        "r",
        AlertRuleSpec {
            engine,
            rules: vec![RuleEntry {
                record: Some("r".into()),
                expr: expr.clone(),
                ..RuleEntry::default()
            }],
            ..AlertRuleSpec::default()
        },
    );
    let mut wrong: Vec<_> = rules::problems(&rule)
        .iter()
        .map(|it| format!("{place}: {it}: {expr}"))
        .collect();
    if expr.contains('$') {
        wrong.push(format!("{place}: a variable that is not declared: {expr}"));
    }
    wrong
}

/// The metrics that an expression reads.
fn metrics(expr: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let parsed = parser::parse(expr).unwrap();
    let mut open = vec![&parsed];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Aggregate(it) => {
                open.push(&it.expr);
                open.extend(it.param.as_deref());
            }
            Expr::Unary(it) => open.push(&it.expr),
            Expr::Binary(it) => open.extend([&*it.lhs, &*it.rhs]),
            Expr::Paren(it) => open.push(&it.expr),
            Expr::Subquery(it) => open.push(&it.expr),
            Expr::VectorSelector(it) => found.extend(it.name.clone()),
            Expr::MatrixSelector(it) => found.extend(it.vs.name.clone()),
            Expr::Call(it) => open.extend(it.args.args.iter().map(|arg| &**arg)),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }
    found
}

/// The recording rules of a stack, by the name of what they record.
fn recorded(stack: &Stack) -> BTreeMap<String, String> {
    let name = stack.child_name(Component::Prometheus);
    let mut rules = BTreeMap::new();
    for object in view::objects(stack) {
        if !object.name.starts_with(&format!("{name}-rules-")) {
            continue;
        }
        for text in object.body["data"].as_object().unwrap().values() {
            let file: Value = serde_saphyr::from_str(text.as_str().unwrap()).unwrap();
            for rule in file["groups"][0]["rules"].as_array().unwrap() {
                let text = |field: &str| rule[field].as_str().unwrap_or_default().to_owned();
                rules.insert(text("record"), text("expr"));
            }
        }
    }
    rules
}

/// What the agent and the other parts of a stack tell, by the names of recorded scrapes.
fn told() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut names = BTreeSet::new();
    for file in [
        "guest-node.node_exporter-after.txt",
        "hardware.node_exporter.txt",
        "cgroup2/kube/kubelet.txt",
        "asked-names.txt",
    ] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        names.extend(series.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())));
    }
    names
}

#[test]
fn every_metric_that_is_asked_for_is_told_by_somebody() {
    let (told, recorded) = (told(), recorded(&everything()));
    let mut unknown = BTreeSet::new();
    let asked = queries(Source::Prometheus);
    let rules = recorded
        .iter()
        .map(|(name, expr)| (name.clone(), expr.clone()));
    for (place, expr) in asked.into_iter().chain(rules) {
        for name in metrics(&expr) {
            if !told.contains(&name) && !recorded.contains_key(&name) {
                unknown.insert(format!("{place}: {name}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn every_panel_says_which_question_it_answers() {
    for dashboard in dashboards(&everything()) {
        assert!(!dashboard.description.is_empty());
        for panel in dashboard.panels() {
            let place = format!("{} / {}", dashboard.title, panel.title());
            assert!(panel.description().len() > 10, "{place}");
            assert!(!panel.targets().is_empty(), "{place}");
        }
    }
}

#[test]
fn no_two_panels_share_an_id_or_a_place() {
    for dashboard in dashboards(&everything()) {
        let json = dashboard.json();
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in json["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()));
            let grid = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            assert!(grid("x") + grid("w") <= 24, "{panel}");
            for x in grid("x")..grid("x") + grid("w") {
                for y in grid("y")..grid("y") + grid("h") {
                    assert!(cells.insert((x, y)), "{}: {panel}", dashboard.title);
                }
            }
        }
    }
}

#[test]
fn every_link_leads_to_a_dashboard_that_is_there() {
    let uids: BTreeSet<String> = dashboards(&everything())
        .iter()
        .map(Dashboard::uid)
        .collect();
    for dashboard in dashboards(&everything()) {
        assert!(dashboard.uid().starts_with(UID_PREFIX));
        let text = dashboard.json().to_string();
        for link in text.split("\"/d/").skip(1) {
            let uid = link.split('/').next().unwrap();
            assert!(uids.contains(uid), "{}: {uid}", dashboard.title);
        }
    }
}

#[test]
fn a_dashboard_is_there_where_its_part_of_the_stack_is() {
    let all = stack::minimal();
    let usual = ["overview", "node", "pods", "network", "itself", "logs"];
    assert_eq!(names(&all), usual);
    let mut databases = all.clone();
    let config = &mut databases.agent.as_mut().unwrap().config;
    config.postgres = Some(PostgresConfig::default());
    assert!(names(&databases).contains(&"postgres"));
    let mut elsewhere = stack::external();
    assert!(names(&elsewhere).contains(&"logs"));
    elsewhere.external_loki = None;
    assert!(!names(&elsewhere).contains(&"logs"));
    let mut blind = all.clone();
    blind.agent = None;
    assert_eq!(names(&blind), ["overview", "itself", "logs"]);
    let mut no_logs = all.clone();
    no_logs.loki = None;
    assert_eq!(names(&no_logs), &usual[..5]);
    let mut only_logs = all.clone();
    only_logs.prometheus = None;
    assert_eq!(names(&only_logs), ["logs"]);
    let mut off = all;
    off.grafana.as_mut().unwrap().shipped = None;
    assert_eq!(names(&off), Vec::<&str>::new());
}

#[test]
fn what_one_stack_has_not_is_not_asked_for() {
    let mut stack = stack::minimal();
    let agent = &mut stack.agent.as_mut().unwrap().config;
    (agent.containers, agent.logs) = (None, None);
    stack.alertmanager = None;
    let text: String = dashboards(&stack)
        .iter()
        .map(|it| it.json().to_string())
        .collect();
    for name in ["container_", "alertmanager_notifications", "promtail_"] {
        assert!(!text.contains(name), "{name}");
    }
}

/// `DASHBOARDS_JSON` names a file to write them to, for `hack/dashboards/check`.
#[test]
fn all_dashboards_fit_in_one_config_map() {
    let all: Vec<Value> = dashboards(&everything())
        .iter()
        .map(Dashboard::json)
        .collect();
    let size: usize = all.iter().map(|json| json.to_string().len()).sum();
    assert!(size < 700 * 1024, "{size}");
    if let Some(file) = std::env::var_os("DASHBOARDS_JSON") {
        fs::write(file, serde_json::to_string(&all).unwrap()).unwrap();
    }
}

#[test]
fn the_overview_is_as_people_read_it_last() {
    let overview = &dashboards(&stack::minimal())[0];
    let text = serde_json::to_string_pretty(&overview.json()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dashboard-overview.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        text == fs::read_to_string(&path).unwrap_or_default(),
        "{} differs: run UPDATE_GOLDEN=1 cargo test --test render, then read the diff",
        path.display()
    );
}

#[test]
fn users_dashboards_change_no_pod() {
    let before = everything();
    let mut after = before.clone();
    let shard = masthead::resolve::model::DashboardShard {
        folder: "Shop".into(),
        files: [("a.json".to_owned(), "{}".to_owned())].into(),
    };
    after.grafana.as_mut().unwrap().shards = [(3, shard)].into();
    assert_eq!(view::templates(&before), view::templates(&after));
    let providers = view::config(&after, "main-grafana", "dashboards.yaml");
    let users = &providers["providers"][1];
    assert_eq!(users["folder"], "Shop");
    assert_eq!(users["options"]["path"], "/etc/grafana/dashboards/3");
    assert_eq!(
        view::file(&after, "main-grafana-dashboards-3", "a.json"),
        "{}"
    );
}

//! What the dashboards ask for, asked of a real Prometheus that scraped a real agent.

use std::collections::BTreeMap;

use masthead::{
    api::{
        dashboards::{Extra, ShippedSpec},
        stack::DashboardsSpec,
    },
    render::dashboards::{shipped, source::Source},
    resolve::{
        self, Inputs,
        model::{Operator, SecretValue, Server},
    },
};

use crate::{
    steps_sample,
    support::{Cluster, eventually},
};

/// A query that has no answer yet.
struct Open {
    place: String,
    expr: String,
}

/// Every panel of every dashboard that this stack would have, had it a Grafana, those of the sample
/// application among them. Panels whose emptiness is good news are only asked whether Prometheus
/// understands them; those that are empty are listed.
pub async fn every_panel_has_data(cluster: &Cluster) {
    let mut open = Vec::new();
    for (place, expr, may_be_empty) in queries(cluster).await {
        let answer = cluster.series(&expr).await;
        if may_be_empty {
            assert!(answer.is_some(), "{place}: refused: {expr}");
            if answer == Some(0) {
                eprintln!("empty, which is good news: {place}");
            }
        } else {
            open.push(Open { place, expr });
        }
    }
    let all = open.len();
    // Rates need two scrapes, and recorded ones one evaluation more.
    let left = std::sync::Mutex::new(open);
    let answered = eventually_or("every panel's query is answered", || async {
        let mut waiting = Vec::new();
        let asked = std::mem::take(&mut *left.lock().unwrap());
        for query in asked {
            if cluster.series(&query.expr).await.unwrap_or(0) == 0 {
                waiting.push(query);
            }
        }
        let done = waiting.is_empty();
        *left.lock().unwrap() = waiting;
        done.then_some(())
    })
    .await;
    let left = left.into_inner().unwrap();
    let without: Vec<String> = left
        .iter()
        .map(|query| format!("{}: {}", query.place, query.expr))
        .collect();
    assert!(
        answered && without.is_empty(),
        "of {all} queries these have no data: {without:#?}"
    );
    eprintln!("{all} queries of panels have data");
}

/// [`eventually`], but a question that is never answered is the caller's to tell.
async fn eventually_or<F: Future<Output = Option<()>>>(what: &str, ask: impl Fn() -> F) -> bool {
    let patience = std::time::Duration::from_secs(150);
    tokio::time::timeout(patience, eventually(what, ask))
        .await
        .is_ok()
}

async fn queries(cluster: &Cluster) -> Vec<(String, String, bool)> {
    let mut stack = cluster.stack().await;
    stack.spec.dashboards = Some(DashboardsSpec {
        shipped: Some(ShippedSpec {
            extra: vec![Extra::Traefik, Extra::Application],
            ..ShippedSpec::default()
        }),
        ..DashboardsSpec::default()
    });
    let resolution = resolve::resolve(&stack, &inputs()).unwrap();
    let model = resolution.stack;
    let mut queries = Vec::new();
    for dashboard in shipped(&model, model.grafana.as_ref().unwrap()) {
        for panel in dashboard.panels() {
            let asked = panel
                .targets()
                .iter()
                .filter(|it| it.source == Source::Prometheus);
            for target in asked {
                let mut expr = with_times(&target.expr);
                for variable in &dashboard.variables {
                    expr = expr.replace(&format!("${}", variable.name()), ".+");
                }
                let place = format!("{} / {}", dashboard.title, panel.title());
                queries.push((place, expr, panel.may_be_empty()));
            }
        }
    }
    let of_sample = steps_sample::dashboard_queries().into_iter();
    queries.extend(of_sample.map(|(place, expr)| (place, with_times(&expr), false)));
    queries
}

/// In place of Grafana's variables the times that a stack of some minutes has data for.
fn with_times(expr: &str) -> String {
    expr.replace("$__rate_interval", "1m")
        .replace("$__range", "5m")
}

fn inputs() -> Inputs {
    Inputs {
        operator: Operator {
            image: "masthead".into(),
            namespace: "masthead-system".into(),
            role_prefix: "masthead".into(),
            cluster_domain: "cluster.local".into(),
            metrics_service: Some("masthead-metrics".into()),
            runbooks: masthead::api::defaults::RUNBOOKS.into(),
            cluster_wide: true,
            host_logs: None,
        },
        server: Server {
            policy_v1: false,
            endpoint_slices: false,
            traefik: false,
        },
        secrets: BTreeMap::new(),
        assume_secrets: true,
        grafana_admin: None,
        grafana_applied: None,
        dashboards: Vec::new(),
        fresh_password: SecretValue(b"unused".to_vec()),
        rules: Vec::new(),
        barred: BTreeMap::new(),
        prometheus_operator: resolve::prometheus_operator::objects::Inputs::default(),
        namespaces: None,
    }
}

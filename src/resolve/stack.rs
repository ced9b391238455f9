//! The whole stack: each component on its own, so that a wrong one leaves the others alone.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::{
    Inputs, Resolution, alerting, duration, metrics,
    model::{Agent, Grafana, Loki, SecretValue, Stack},
    problem::Problem,
    rules,
    workload::Common,
};
use crate::api::{
    agent_config::{AgentConfig, NodeConfig},
    component::Component,
    defaults,
    stack::{AgentSpec, DashboardsSpec, LogsSpec, MonitoringStack, MonitoringStackSpec},
    value::{Scheduling, Toleration, TolerationOperator},
};

const DAY_MILLIS: u64 = 24 * 3_600_000;

/// Resolves a stack. An error means that nothing of it can be rendered.
pub fn resolve(stack: &MonitoringStack, inputs: &Inputs) -> Result<Resolution, Vec<Problem>> {
    check_name(&stack.name_any())?;
    let spec = &stack.spec;
    let (rule_files, rules) = rules::judge(&inputs.rules);
    let mut parts = Parts {
        problems: Vec::new(),
        held: BTreeSet::new(),
    };
    let prometheus = parts.take(Component::Prometheus, spec, |problems| {
        metrics::resolve(spec, inputs, rule_files, problems)
    });
    let alertmanager = parts.take(Component::Alertmanager, spec, |problems| {
        alerting::resolve(spec, inputs, problems)
    });
    let loki = parts.take(Component::Loki, spec, |_| resolve_loki(spec));
    let grafana = parts.take(Component::Grafana, spec, |problems| {
        resolve_grafana(spec, inputs, problems)
    });
    let agent = parts.take(Component::Agent, spec, |_| resolve_agent(spec, inputs));
    Ok(Resolution {
        stack: Stack {
            name: stack.name_any(),
            namespace: stack.namespace().unwrap_or_else(|| "default".into()),
            uid: stack.metadata.uid.clone().unwrap_or_default(),
            operator: inputs.operator.clone(),
            server: inputs.server,
            prometheus,
            alertmanager,
            loki,
            grafana,
            agent,
            held: parts.held,
            network_policy: spec
                .security
                .as_ref()
                .and_then(|it| it.network_policy)
                .unwrap_or(true),
            image_pull_secrets: spec
                .image_pull_secrets
                .iter()
                .map(|secret| secret.name.0.clone())
                .collect(),
            paused: spec.paused.unwrap_or(false),
        },
        problems: parts.problems,
        // Without Prometheus nobody evaluates them: the stack takes none.
        rules: if enabled(Component::Prometheus, spec) {
            rules
        } else {
            Vec::new()
        },
    })
}

/// Collects what goes wrong while the components are resolved one by one.
struct Parts {
    problems: Vec<Problem>,
    held: BTreeSet<Component>,
}

impl Parts {
    /// One component: none when it is switched off, or held when its specification is wrong.
    fn take<T>(
        &mut self,
        component: Component,
        spec: &MonitoringStackSpec,
        resolve: impl FnOnce(&mut Vec<Problem>) -> Result<T, Problem>,
    ) -> Option<T> {
        if !enabled(component, spec) {
            return None;
        }
        match resolve(&mut self.problems) {
            Ok(resolved) => Some(resolved),
            Err(problem) => {
                self.problems.push(problem);
                self.held.insert(component);
                None
            }
        }
    }
}

/// Every component is on unless its `enabled` says otherwise.
fn enabled(component: Component, spec: &MonitoringStackSpec) -> bool {
    match component {
        Component::Prometheus => spec.metrics.as_ref().and_then(|it| it.enabled),
        Component::Alertmanager => spec.alerting.as_ref().and_then(|it| it.enabled),
        Component::Loki => spec.logs.as_ref().and_then(|it| it.enabled),
        Component::Grafana => spec.dashboards.as_ref().and_then(|it| it.enabled),
        Component::Agent => spec.agent.as_ref().and_then(|it| it.enabled),
    }
    .unwrap_or(true)
}

/// The same check as the CRD's rule: servers before 1.25 do not run those.
fn check_name(name: &str) -> Result<(), Vec<Problem>> {
    let label = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let message = if name.len() > Stack::MAX_NAME {
        format!(
            "{name:?} has {} characters: {} at most, so that the names of the stack's objects fit",
            name.len(),
            Stack::MAX_NAME
        )
    } else if !label {
        format!(
            "{name:?}: letters, digits and dashes, starting with a letter, since Services are named after it"
        )
    } else {
        return Ok(());
    };
    Err(vec![Problem::new("metadata.name", message)])
}

fn resolve_loki(spec: &MonitoringStackSpec) -> Result<Loki, Problem> {
    let default = LogsSpec::default();
    let logs = spec.logs.as_ref().unwrap_or(&default);
    let field = "spec.logs.retention";
    let retention = metrics::duration_or(field, logs.retention.as_ref(), defaults::RETENTION)?;
    let millis = duration::parse_millis(&retention).unwrap_or_default();
    if millis < DAY_MILLIS {
        let message = format!("{retention} is too short: Loki keeps whole days, 1d at least");
        return Err(Problem::new(field, message));
    }
    Ok(Loki {
        workload: Common {
            component: Component::Loki,
            image: logs.image.as_deref(),
            version: logs.version.as_deref(),
            replicas: None,
            resources: logs.resources.as_ref(),
            storage: logs.storage.as_ref(),
            scheduling: spec.scheduling.as_ref(),
        }
        .resolve()?,
        retention: format!("{}h", millis.div_ceil(3_600_000)),
        // Rules over logs are judged, and refused, by `rules::problems`.
        rule_files: BTreeMap::new(),
    })
}

fn resolve_grafana(
    spec: &MonitoringStackSpec,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Grafana, Problem> {
    let default = DashboardsSpec::default();
    let dashboards = spec.dashboards.as_ref().unwrap_or(&default);
    let workload = Common {
        component: Component::Grafana,
        image: dashboards.image.as_deref(),
        version: dashboards.version.as_deref(),
        replicas: None,
        resources: dashboards.resources.as_ref(),
        storage: dashboards.storage.as_ref(),
        scheduling: spec.scheduling.as_ref(),
    }
    .resolve()?;
    let named = dashboards
        .admin_secret_ref
        .as_ref()
        .map(|reference| &reference.name.0);
    let given = named.and_then(|name| match inputs.secrets.get(name).map(credentials) {
        Some(Some(found)) => Some(found),
        None if inputs.assume_secrets => None,
        found => {
            let what = if found.is_some() {
                format!("the Secret {name:?} lacks the keys admin-user and admin-password")
            } else {
                format!("there is no Secret {name:?} in this namespace")
            };
            problems.push(Problem::new("spec.dashboards.adminSecretRef", what));
            None
        }
    });
    let (admin_user, admin_password) = given
        .or_else(|| inputs.grafana_admin.as_ref().and_then(credentials))
        .unwrap_or_else(|| {
            (
                SecretValue(b"admin".to_vec()),
                inputs.fresh_password.clone(),
            )
        });
    Ok(Grafana {
        workload,
        admin_user,
        admin_password,
    })
}

/// The admin's name and password, if a Secret holds both.
fn credentials(data: &BTreeMap<String, SecretValue>) -> Option<(SecretValue, SecretValue)> {
    let value = |key: &str| data.get(key).filter(|value| !value.0.is_empty()).cloned();
    Some((value("admin-user")?, value("admin-password")?))
}

fn resolve_agent(spec: &MonitoringStackSpec, inputs: &Inputs) -> Result<Agent, Problem> {
    let default = AgentSpec::default();
    let agent = spec.agent.as_ref().unwrap_or(&default);
    let everywhere = Toleration {
        operator: Some(TolerationOperator::Exists),
        ..Toleration::default()
    };
    let scheduling = Scheduling {
        node_selector: agent.node_selector.clone(),
        tolerations: vec![everywhere],
        priority_class_name: agent.priority_class_name.clone(),
    };
    let node = agent.node.clone().unwrap_or_default();
    Ok(Agent {
        workload: Common {
            component: Component::Agent,
            image: Some(&inputs.operator.image),
            version: Some(env!("CARGO_PKG_VERSION")),
            replicas: None,
            resources: agent.resources.as_ref(),
            storage: None,
            scheduling: Some(&scheduling),
        }
        .resolve()?,
        config: AgentConfig {
            node: node.enabled.unwrap_or(true).then_some(NodeConfig {
                disable: node.disable,
                ..NodeConfig::default()
            }),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use crate::{
        api::{component::Component, rule::AlertRule, stack::MonitoringStack},
        resolve::{
            Inputs, Resolution,
            model::{Operator, SecretValue, Server},
        },
    };

    fn stack(spec: &str) -> MonitoringStack {
        serde_saphyr::from_str(&format!(
            "apiVersion: masthead.dev/v1alpha1\nkind: MonitoringStack\nmetadata: {{name: main, namespace: shop, uid: u}}\nspec: {spec}\n"
        ))
        .unwrap()
    }

    fn inputs() -> Inputs {
        let key = |key: &str, value: &str| (key.to_owned(), SecretValue(value.into()));
        Inputs {
            operator: Operator {
                image: "masthead:1".into(),
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
            secrets: [
                ("slack".to_owned(), [key("url", "https://hooks")].into()),
                (
                    "admin".to_owned(),
                    [key("admin-user", "me"), key("admin-password", "mine")].into(),
                ),
            ]
            .into(),
            assume_secrets: false,
            grafana_admin: None,
            fresh_password: SecretValue(b"fresh".to_vec()),
            rules: Vec::new(),
        }
    }

    fn resolved(spec: &str) -> Resolution {
        resolve(&stack(spec), &inputs()).unwrap()
    }

    fn said(resolution: &Resolution) -> Vec<String> {
        resolution
            .problems
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_empty_specification_is_a_complete_stack() {
        let found = resolved("{}");
        assert_eq!(said(&found), [""; 0]);
        let stack = found.stack;
        assert_eq!(stack.components().count(), 5);
        assert!(stack.network_policy && !stack.paused);
        let prometheus = stack.prometheus.unwrap();
        assert_eq!(prometheus.retention, "30d");
        assert_eq!(prometheus.retention_size, "16384MB");
        assert_eq!(stack.loki.unwrap().retention, "720h");
        assert_eq!(stack.agent.unwrap().workload.image, "masthead:1");
    }

    #[test]
    fn a_component_that_is_off_is_neither_rendered_nor_held() {
        let stack = resolved("{logs: {enabled: false, retention: nonsense}}").stack;
        assert!(stack.loki.is_none() && stack.held.is_empty());
    }

    #[test]
    fn a_stack_without_prometheus_judges_no_rule() {
        let mut inputs = inputs();
        inputs.rules.push(AlertRule::default());
        let judged = |spec: &str| resolve(&stack(spec), &inputs).unwrap().rules.len();
        assert_eq!(judged("{}"), 1);
        assert_eq!(judged("{metrics: {enabled: false}}"), 0);
    }

    #[test]
    fn a_wrong_component_is_held_and_the_others_go_on() {
        let found = resolved("{metrics: {version: 1.0.0}, logs: {retention: 1h}}");
        assert_eq!(
            found.stack.held,
            [Component::Prometheus, Component::Loki].into()
        );
        assert_eq!(found.stack.components().count(), 3);
        assert_eq!(
            said(&found),
            [
                "spec.metrics.version: 1.0.0 is too old: 3.0.0 or newer is needed",
                "spec.logs.retention: 1h is too short: Loki keeps whole days, 1d at least",
            ]
        );
    }

    #[test]
    fn a_missing_secret_takes_out_its_receiver_only() {
        let found = resolved(
            "{alerting: {receivers: [
               {name: oncall, slack: {webhookSecretRef: {name: slack, key: url}}},
               {name: gone, slack: {webhookSecretRef: {name: nowhere, key: url}}}],
             routes: [{severity: critical, receivers: [gone, oncall]}, {receivers: [gone]}, {receivers: []}]}}",
        );
        assert_eq!(
            said(&found),
            [
                "spec.alerting.receivers[gone].slack.webhookSecretRef: there is no Secret \"nowhere\" in this namespace"
            ]
        );
        let alertmanager = found.stack.alertmanager.unwrap();
        assert_eq!(alertmanager.receivers.len(), 1);
        assert_eq!(
            alertmanager.secrets["slack-oncall-url"],
            SecretValue("https://hooks".into())
        );
        let routes: Vec<_> = alertmanager
            .routes
            .iter()
            .map(|route| route.receivers.len())
            .collect();
        assert_eq!(
            routes,
            [1, 0],
            "the route that lost its only receiver is gone, the mute stays"
        );
    }

    #[test]
    fn a_route_to_an_unknown_receiver_says_so() {
        let found = resolved("{alerting: {routes: [{receivers: [nobody]}]}}");
        assert_eq!(
            said(&found),
            [
                "spec.alerting.routes[0].receivers: there is no receiver \"nobody\" in spec.alerting.receivers"
            ]
        );
    }

    #[test]
    fn the_admin_password_is_made_once_and_then_kept() {
        let stack = stack("{}");
        let mut inputs = inputs();
        let password = |inputs: &Inputs| {
            resolve(&stack, inputs)
                .unwrap()
                .stack
                .grafana
                .unwrap()
                .admin_password
        };
        assert_eq!(password(&inputs), SecretValue(b"fresh".to_vec()));
        let kept = [("admin-user", "admin"), ("admin-password", "kept")];
        let kept = kept.map(|(key, value)| (key.to_owned(), SecretValue(value.into())));
        inputs.grafana_admin = Some(kept.into());
        assert_eq!(password(&inputs), SecretValue(b"kept".to_vec()));
    }

    #[test]
    fn a_named_admin_secret_wins_and_a_missing_one_is_told() {
        let found = resolved("{dashboards: {adminSecretRef: {name: admin}}}");
        assert_eq!(
            found.stack.grafana.unwrap().admin_user,
            SecretValue(b"me".to_vec())
        );
        let found = resolved("{dashboards: {adminSecretRef: {name: gone}}}");
        assert_eq!(
            said(&found),
            ["spec.dashboards.adminSecretRef: there is no Secret \"gone\" in this namespace"]
        );
    }

    #[test]
    fn secrets_never_show_when_a_stack_is_printed() {
        let found = resolved("{dashboards: {adminSecretRef: {name: admin}}}");
        assert!(!format!("{found:?}").contains("mine"));
    }

    #[test]
    fn names_that_cannot_be_a_service_are_refused_here_as_by_the_server() {
        for name in ["Main", "1st", "a.b", "-a", "a-", &"a".repeat(40)] {
            let mut stack = stack("{}");
            stack.metadata.name = Some(name.to_owned());
            assert_eq!(
                resolve(&stack, &inputs()).unwrap_err()[0].field,
                "metadata.name",
                "{name}"
            );
            assert!(stack.validate_cel().is_err(), "{name}");
        }
        assert!(stack("{}").validate_cel().is_ok());
    }

    #[test]
    fn the_servers_rules_and_resolve_agree() {
        for spec in [
            "{alerting: {receivers: [{name: a}]}}",
            "{alerting: {receivers: [{name: a, webhook: {}}]}}",
            "{alerting: {receivers: [{name: a, webhook: {url: 'http://a', urlSecretRef: {name: slack, key: url}}}]}}",
            "{alerting: {receivers: [{name: a, webhook: {url: 'http://a'}, slack: {webhookSecretRef: {name: slack, key: url}}}]}}",
            "{alerting: {receivers: [{name: a, email: {to: [a@b], from: a@b, smarthost: 'b:25', username: u}}]}}",
        ] {
            assert!(stack(spec).validate_cel().is_err(), "{spec}");
            assert!(!resolved(spec).problems.is_empty(), "{spec}");
        }
        let fine = "{alerting: {receivers: [{name: a, webhook: {url: 'http://a'}}]}}";
        assert!(stack(fine).validate_cel().is_ok());
        assert_eq!(said(&resolved(fine)), [""; 0]);
    }
}

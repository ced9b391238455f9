use super::{
    fixture::{inputs, resolved, said, stack},
    resolve,
};
use crate::{
    api::{component::Component, rule::AlertRule},
    resolve::{Inputs, model::SecretValue, rules::judge},
};

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
    let agent = stack.agent.unwrap();
    assert_eq!(agent.workload.image, "masthead:1");
    let pods = agent.config.containers.unwrap().pods.unwrap();
    assert_eq!(pods.namespace, None);
}

#[test]
fn agents_watch_no_more_than_the_operator() {
    let mut inputs = inputs();
    inputs.operator.cluster_wide = false;
    let found = resolve(&stack("{}"), &inputs).unwrap();
    let config = found.stack.agent.unwrap().config;
    let pods = config.containers.unwrap().pods.unwrap();
    assert_eq!(pods.namespace.as_deref(), Some("shop"));
    let config = resolved("{agent: {containers: {enabled: false}}}");
    assert_eq!(config.stack.agent.unwrap().config.containers, None);
}

#[test]
fn a_component_that_is_off_is_neither_rendered_nor_held() {
    let stack = resolved("{logs: {enabled: false, retention: nonsense}}").stack;
    assert!(stack.loki.is_none() && stack.held.is_empty());
}

#[test]
fn a_stack_without_prometheus_judges_no_rule() {
    let mut inputs = inputs();
    inputs
        .rules
        .push(std::sync::Arc::new(judge(&AlertRule::default())));
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
fn a_secret_that_cannot_pull_images_is_named_and_reaches_the_pods_all_the_same() {
    let mut inputs = inputs();
    let config = (".dockerconfigjson".to_owned(), SecretValue(b"{}".to_vec()));
    inputs.secrets.insert("registry".into(), [config].into());
    let found = resolve(
        &stack("{imagePullSecrets: [{name: registry}, {name: gone}, {name: slack}]}"),
        &inputs,
    )
    .unwrap();
    assert_eq!(
        said(&found),
        [
            "spec.imagePullSecrets[1]: there is no Secret \"gone\" in this namespace",
            "spec.imagePullSecrets[2]: the Secret \"slack\" pulls no image: make it with kubectl create secret docker-registry",
        ]
    );
    assert_eq!(
        found.stack.image_pull_secrets,
        ["registry", "gone", "slack"]
    );
}

#[test]
fn a_wrong_collector_is_named_and_the_agent_goes_on_without_it() {
    let found = resolved("{agent: {node: {disable: [cpu, gpu]}}}");
    let [problem] = &said(&found)[..] else {
        panic!("one problem: {:?}", found.problems)
    };
    assert!(
        problem.starts_with(
            "spec.agent.node.disable[1]: no collector is named \"gpu\"; there are arp, "
        ),
        "{problem}"
    );
    let agent = found.stack.agent.unwrap();
    assert_eq!(agent.config.node.unwrap().disable, ["cpu"]);
}

#[test]
fn durations_that_prometheus_cannot_hold_hold_their_component() {
    let found = resolved(
        "{metrics: {retention: 300y}, logs: {retention: '0'}, alerting: {routes: [{receivers: [], repeatInterval: 293y}]}}",
    );
    assert_eq!(
        said(&found),
        [
            "spec.metrics.retention: \"300y\" is not a duration above zero and up to 292y: write such as 30d",
            "spec.alerting.routes[0].repeatInterval: \"293y\" is not a duration above zero and up to 292y: write such as 4h",
            "spec.logs.retention: \"0\" is not a duration above zero and up to 292y: write such as 30d",
        ]
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
        "{agent: {node: {netdev: {devices: {include: a, exclude: b}}}}}",
    ] {
        assert!(stack(spec).validate_cel().is_err(), "{spec}");
        assert!(!resolved(spec).problems.is_empty(), "{spec}");
    }
    let fine = "{alerting: {receivers: [{name: a, webhook: {url: 'http://a'}}]}}";
    assert!(stack(fine).validate_cel().is_ok());
    assert_eq!(said(&resolved(fine)), [""; 0]);
}

#[test]
fn an_ingress_redirects_by_what_the_cluster_has() {
    use crate::resolve::model::HttpAnswer;

    let answer = |class: &str, traefik: bool| {
        let mut inputs = inputs();
        inputs.server.traefik = traefik;
        let spec = format!(
            "{{dashboards: {{ingress: {{host: g.example.org, className: {class}, tls: {{secretRef: {{name: t}}}}}}}}}}"
        );
        let resolution = resolve(&stack(&spec), &inputs).unwrap();
        let grafana = resolution.stack.grafana.clone().unwrap();
        assert_eq!(grafana.root_url.as_deref(), Some("https://g.example.org/"));
        (grafana.ingress.unwrap().http, said(&resolution).len())
    };
    assert_eq!(answer("traefik", true), (HttpAnswer::TraefikRedirect, 0));
    assert_eq!(answer("traefik", false), (HttpAnswer::Nothing, 1));
    assert_eq!(answer("nginx", true), (HttpAnswer::Same, 0));
    assert_eq!(answer("haproxy", false), (HttpAnswer::Same, 1));
}

#[test]
fn a_redirect_without_a_certificate_is_told() {
    let resolution = resolved(
        "{dashboards: {ingress: {host: g.example.org, redirectToHttps: true}, rootUrl: 'http://g.example.org/grafana/'}}",
    );
    assert_eq!(
        said(&resolution),
        ["spec.dashboards.ingress.redirectToHttps: needs tls: there is no HTTPS to redirect to"]
    );
    assert_eq!(resolution.stack.grafana.unwrap().sub_path, "/grafana");
}

//! Each flow, wherever it has to show.

use masthead::{
    api::component::Component,
    render::{
        flows::{self, Offer, Peer},
        meta,
    },
    resolve::model::Stack,
};
use serde_json::Value;

use crate::{stack, view};

#[test]
fn each_flow_is_a_container_port_a_service_port_an_ingress_rule_and_a_scrape_job() {
    let mut stack = stack::minimal();
    stack.agent.as_mut().unwrap().config.postgres = Some(stack::postgres());
    let prometheus = view::config(&stack, "main-prometheus", "prometheus.yml");
    let jobs = prometheus["scrape_configs"].as_array().unwrap();
    for port in flows::PORTS {
        let name = stack.child_name(port.component);
        let container = &template_of(&stack, &name)["containers"][0];
        let declared = container["ports"].as_array().unwrap().iter().any(|one| {
            one["name"] == port.name
                && one["containerPort"] == port.number
                && one["protocol"] == port.protocol.name()
        });
        assert!(declared, "{name}: no container port {}", port.name);

        let service = view::find(&stack, "Service", &name).map(|service| service.body);
        let offered = service.is_some_and(|service| {
            let ports = service["spec"]["ports"].as_array().unwrap();
            ports
                .iter()
                .any(|one| one["targetPort"] == port.name && one["port"] == port.number)
        });
        assert_eq!(
            offered,
            port.offer == Offer::Service,
            "{name} {}",
            port.name
        );

        assert_eq!(admitted(&stack, port), expected_peers(&stack, port));

        if let Some(scrape) = port.scrape {
            let job = jobs.iter().find(|job| job["job_name"] == scrape.job);
            let keep = &job.unwrap()["relabel_configs"][0]["regex"];
            assert_eq!(keep, &format!("{};{}", port.component.name(), port.name));
            assert!(
                port.from.contains(&Peer::Anyone)
                    || port.from.contains(&Peer::Component(Component::Prometheus)),
                "{name} {}: scraped, but Prometheus is not let in",
                port.name
            );
        }
    }
}

fn template_of(stack: &Stack, name: &str) -> Value {
    let (_, template) = view::templates(stack)
        .into_iter()
        .find(|(workload, _)| workload == name)
        .unwrap();
    serde_json::to_value(template.spec).unwrap()
}

/// The `from` of the rule for a port.
fn admitted(stack: &Stack, port: &flows::Port) -> Value {
    let policy = view::find(stack, "NetworkPolicy", &stack.child_name(port.component)).unwrap();
    let rules = policy.body["spec"]["ingress"].as_array().unwrap();
    let rule = rules.iter().find(|rule| {
        rule["ports"][0]["port"] == port.number
            && rule["ports"][0]["protocol"] == port.protocol.name()
    });
    rule.unwrap()["from"].clone()
}

fn expected_peers(stack: &Stack, port: &flows::Port) -> Value {
    if port.from.contains(&Peer::Anyone) {
        return Value::Null;
    }
    let peer = |peer: &Peer| match peer {
        Peer::Anyone => Value::Null,
        Peer::Operator => serde_json::json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "masthead-system"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "masthead"}},
        }),
        Peer::Component(component) => serde_json::json!({
            "podSelector": {"matchLabels": meta::selector(stack, *component)},
        }),
    };
    port.from.iter().map(peer).collect()
}

#[test]
fn series_about_other_pods_carry_no_label_of_their_own_target() {
    let targets = |job: &str| -> Vec<String> {
        let prometheus = view::config(&stack::minimal(), "main-prometheus", "prometheus.yml");
        let jobs = prometheus["scrape_configs"].as_array().unwrap();
        let job = jobs.iter().find(|one| one["job_name"] == job).unwrap();
        let steps = job["relabel_configs"].as_array().unwrap();
        let targets = steps
            .iter()
            .filter_map(|step| step["target_label"].as_str());
        targets.map(str::to_owned).collect()
    };
    // A label of the target would hide the one of the series, or stand where it has none.
    assert_eq!(targets("cadvisor"), ["node", "instance"]);
    assert!(targets("node-exporter").contains(&"pod".to_owned()));
}

#[test]
fn what_the_agent_does_not_gather_is_not_scraped_and_not_allowed() {
    let mut stack = stack::minimal();
    let config = &mut stack.agent.as_mut().unwrap().config;
    (config.containers, config.logs) = (None, None);
    let prometheus = view::config(&stack, "main-prometheus", "prometheus.yml");
    let jobs = prometheus["scrape_configs"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["job_name"] != "cadvisor"));
    let pod = template_of(&stack, "main-agent");
    assert_eq!(pod["automountServiceAccountToken"], false);
    let objects = view::objects(&stack);
    assert!(!objects.iter().any(|object| {
        object.resource.kind.ends_with("RoleBinding")
            && object.body.to_string().contains("main-agent")
    }));
}

#[test]
fn servers_are_asked_for_by_name_and_a_new_one_changes_no_pod() {
    let mut stack = stack::minimal();
    stack.agent.as_mut().unwrap().config.postgres = Some(stack::postgres());
    let template = |stack: &Stack| {
        let templates = view::templates(stack).into_iter();
        let mut agents = templates.filter(|(name, _)| name == "main-agent");
        serde_json::to_value(agents.next().unwrap().1).unwrap()
    };
    let before = template(&stack);
    let postgres = stack.agent.as_mut().unwrap().config.postgres.as_mut();
    let postgres = postgres.unwrap();
    let mut shop = postgres.targets[0].clone();
    shop.name = "shop".into();
    postgres.targets.push(shop);
    postgres.queries.clear();
    assert_eq!(template(&stack), before);

    let prometheus = view::config(&stack, "main-prometheus", "prometheus.yml");
    let jobs = prometheus["scrape_configs"].as_array().unwrap();
    let job = |name: &str| jobs.iter().find(|job| job["job_name"] == name).unwrap();
    assert_eq!(job("postgres-exporter")["honor_labels"], true);
    let named = job("postgres-exporter-targets");
    assert_eq!(named["metrics_path"], "/probe");
    assert_eq!(
        named["static_configs"][0]["targets"],
        serde_json::json!(["billing", "shop"])
    );
    let steps = named["relabel_configs"].as_array().unwrap();
    let address = steps
        .iter()
        .find(|step| step["target_label"] == "__address__")
        .unwrap();
    assert_eq!(
        address["replacement"],
        "main-agent.monitoring.svc.cluster.local:9187"
    );
}

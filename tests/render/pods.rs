//! What holds for the pods of every stack.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::{DaemonSet, StatefulSet},
    core::v1::{Container, PodSpec, PodTemplateSpec},
};
use masthead::{api::component::Component, resolve::model::Stack};

use crate::{stack, view};

fn pods() -> Vec<(String, PodSpec)> {
    let stacks = [
        stack::minimal,
        stack::full,
        stack::single_node,
        stack::external,
    ];
    stacks
        .iter()
        .flat_map(|stack| view::templates(&stack()))
        .map(|(name, template)| (name, template.spec.unwrap()))
        .collect()
}

fn containers() -> Vec<(String, Container)> {
    pods()
        .into_iter()
        .flat_map(|(name, pod)| {
            pod.containers
                .into_iter()
                .map(move |one| (name.clone(), one))
        })
        .collect()
}

#[test]
fn no_rule_receiver_or_secret_changes_a_pod_template() {
    let before = stack::full();
    let mut after = before.clone();
    let prometheus = after.prometheus.as_mut().unwrap();
    prometheus.rule_files.clear();
    prometheus.secrets.clear();
    prometheus.remote_write.clear();
    prometheus.external_labels.clear();
    prometheus.scrape_interval = "30s".into();
    let alertmanager = after.alertmanager.as_mut().unwrap();
    alertmanager.routes.clear();
    alertmanager.receivers.clear();
    alertmanager.secrets.clear();
    after.loki.as_mut().unwrap().rule_files.clear();
    after.grafana.as_mut().unwrap().admin_password = stack::secret("changed");
    let templates = |stack: &Stack| -> Vec<(String, PodTemplateSpec)> {
        view::templates(stack)
            .into_iter()
            // A scrape interval is part of a data source, which Grafana reads at its start.
            .filter(|(name, _)| name != "shop-grafana")
            .collect()
    };
    assert_eq!(templates(&before), templates(&after));
}

#[test]
fn a_configuration_that_is_read_at_the_start_rolls_the_pods() {
    let before = stack::minimal();
    let mut after = before.clone();
    after.loki.as_mut().unwrap().retention = "24h".into();
    let config = &mut after.agent.as_mut().unwrap().config;
    config.containers.as_mut().unwrap().labels = vec!["team".into()];
    let templates = view::templates(&before);
    let changed: Vec<_> = view::templates(&after)
        .into_iter()
        .filter(|template| !templates.contains(template))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(changed, ["main-agent", "main-loki"]);
}

#[test]
fn what_the_agent_follows_in_its_file_replaces_no_pod() {
    let before = stack::full();
    let mut after = before.clone();
    let config = &mut after.agent.as_mut().unwrap().config;
    config.node.as_mut().unwrap().disable = vec!["cpu".into()];
    let logs = config.logs.as_mut().unwrap();
    (logs.files, logs.journal, logs.pods) = (Vec::new(), None, None);
    // Neither does another Loki, whose secrets are files of a mount that is always there.
    after.external_loki = Some(stack::external_loki());
    let agent = |stack| view::get::<DaemonSet>(stack, "DaemonSet", "shop-agent").spec;
    assert_eq!(agent(&before), agent(&after));
    let file = |stack| view::file(stack, "shop-agent", "agent.yaml");
    assert_ne!(file(&before), file(&after));
}

#[test]
fn every_container_is_hardened() {
    for (name, container) in containers() {
        let security = container.security_context.unwrap();
        assert_eq!(security.allow_privilege_escalation, Some(false), "{name}");
        assert_eq!(security.read_only_root_filesystem, Some(true), "{name}");
        assert_eq!(security.privileged, None, "{name}");
        let capabilities = security.capabilities.unwrap();
        assert_eq!(capabilities.drop.unwrap(), ["ALL"], "{name}");
        let wanted = name
            .ends_with("-agent")
            .then(|| vec!["DAC_READ_SEARCH".to_owned()]);
        assert_eq!(capabilities.add, wanted, "{name}");
    }
}

#[test]
fn every_pod_but_the_agents_runs_as_an_ordinary_user() {
    for (name, pod) in pods() {
        let security = pod.security_context.unwrap();
        assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        assert_eq!(
            (pod.host_network, pod.host_pid, pod.host_ipc),
            (None, None, None)
        );
        if name.ends_with("-agent") {
            assert_eq!(security.run_as_user, Some(0));
        } else {
            assert_eq!(security.run_as_non_root, Some(true), "{name}");
            assert!(security.run_as_user > Some(0), "{name}");
            assert_eq!(security.fs_group, security.run_as_user, "{name}");
        }
    }
}

#[test]
fn only_those_that_ask_the_api_get_a_token() {
    for (name, pod) in pods() {
        let wanted = name.ends_with("-prometheus") || name.ends_with("-agent");
        assert_eq!(pod.automount_service_account_token, Some(wanted), "{name}");
    }
}

#[test]
fn every_container_has_three_probes_on_a_port_it_declares() {
    for (name, container) in containers() {
        let ports: Vec<_> = container
            .ports
            .unwrap()
            .into_iter()
            .filter_map(|port| port.name)
            .collect();
        let probes = [
            container.startup_probe,
            container.readiness_probe,
            container.liveness_probe,
        ];
        for probe in probes {
            let get = probe.unwrap().http_get.unwrap();
            let port = serde_json::to_value(get.port).unwrap();
            assert!(ports.iter().any(|name| port == name.as_str()), "{name}");
        }
    }
}

#[test]
fn every_mount_has_its_volume_and_every_volume_its_mount() {
    let mut workloads = 0;
    for stack in [stack::minimal(), stack::full(), stack::single_node()] {
        for (name, template) in view::templates(&stack) {
            let pod = template.spec.unwrap();
            let mut volumes: BTreeSet<_> = pod
                .volumes
                .unwrap()
                .into_iter()
                .map(|volume| volume.name)
                .collect();
            if let Some(set) = view::find(&stack, "StatefulSet", &name) {
                let set: StatefulSet = serde_json::from_value(set.body.to_value()).unwrap();
                let claims = set.spec.unwrap().volume_claim_templates.unwrap_or_default();
                volumes.extend(claims.into_iter().filter_map(|claim| claim.metadata.name));
            }
            let mounts: Vec<_> = pod.containers[0].volume_mounts.clone().unwrap();
            assert!(mounts.iter().all(|mount| mount.sub_path.is_none()));
            let mounted: BTreeSet<_> = mounts.into_iter().map(|mount| mount.name).collect();
            assert_eq!(volumes, mounted, "{name}");
            workloads += 1;
        }
    }
    assert_eq!(workloads, 14);
}

fn agent_pod(stack: &Stack) -> PodSpec {
    let agent: DaemonSet = view::get(stack, "DaemonSet", "main-agent");
    agent.spec.unwrap().template.spec.unwrap()
}

#[test]
fn nothing_on_the_node_can_be_written_but_the_one_folder_that_remembers_what_was_sent() {
    let written = |stack: &Stack| -> Vec<String> {
        let pod = agent_pod(stack);
        let mounts = pod.containers[0].volume_mounts.clone().unwrap();
        let written = mounts.iter().filter(|mount| mount.read_only != Some(true));
        let volumes = pod.volumes.unwrap();
        let paths = written.map(|mount| {
            let volume = volumes.iter().find(|volume| volume.name == mount.name);
            volume.unwrap().host_path.clone().unwrap().path
        });
        paths.collect()
    };
    let mut stack = stack::minimal();
    assert_eq!(written(&stack), ["/var/lib/masthead/monitoring_main"]);
    stack.agent.as_mut().unwrap().config.logs = None;
    assert!(written(&stack).is_empty());
}

#[test]
fn replicas_keep_apart_where_they_can_and_nowhere_must() {
    for (name, pod) in pods() {
        let spread = pod.affinity.and_then(|affinity| affinity.pod_anti_affinity);
        let required = spread.as_ref().and_then(|spread| {
            spread
                .required_during_scheduling_ignored_during_execution
                .clone()
        });
        assert_eq!(required, None, "{name}");
        let replicated = ["shop-prometheus", "shop-alertmanager", "dev-prometheus"];
        assert_eq!(
            spread.is_some(),
            replicated.contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn a_single_alertmanager_opens_no_cluster_and_three_find_each_other() {
    let args = |stack: &Stack| -> Vec<String> {
        let name = stack.child_name(Component::Alertmanager);
        let set: StatefulSet = view::get(stack, "StatefulSet", &name);
        let pod = set.spec.unwrap().template.spec.unwrap();
        pod.containers[0].args.clone().unwrap()
    };
    assert!(args(&stack::minimal()).contains(&"--cluster.listen-address=".to_owned()));
    let peers = args(&stack::full())
        .into_iter()
        .filter(|arg| arg.starts_with("--cluster.peer="))
        .count();
    assert_eq!(peers, 3);
}

#[test]
fn retention_is_a_flag_until_the_file_can_hold_it() {
    let has_flag = |version: &str| {
        let mut stack = stack::minimal();
        stack.prometheus.as_mut().unwrap().workload.version = stack::version(version);
        let set: StatefulSet = view::get(&stack, "StatefulSet", "main-prometheus");
        let args = set.spec.unwrap().template.spec.unwrap().containers[0]
            .args
            .clone();
        let flag = args
            .unwrap()
            .contains(&"--storage.tsdb.retention.time=30d".to_owned());
        let config = view::config(&stack, "main-prometheus", "prometheus.yml");
        let key = config["storage"]["tsdb"]["retention"]["time"] == "30d";
        assert_ne!(flag, key, "{version}");
        flag
    };
    assert!(has_flag("3.0.0"));
    assert!(has_flag("3.10.4"));
    assert!(!has_flag("3.11.0"));
    assert!(!has_flag("4.0.0"));
}

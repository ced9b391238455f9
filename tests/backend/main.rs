//! The controller against real Prometheus and Alertmanager processes.

// Helpers of tests are tests to the reader, but not to the lint's configuration.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(feature = "controller")]

#[path = "../support/stack.rs"]
#[allow(dead_code)]
mod fixture;
mod grafana;
mod inbox;
mod kubelet;
mod loki;
mod notify;
mod process;
mod refused;
mod stack;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kubelet::{Kubelet, nobody};
use masthead::{
    api::{
        component::Component,
        status::{AlertState, RuleHealth, Targets},
    },
    controller::{
        backend::{BackendError, Backends},
        deliver::{ConfigState, Deliverer},
    },
    render::{Delivery, Proof, deliveries, render},
    resolve::model::Stack,
};
use process::{Process, alertmanager, pod, prometheus, tool};
use tempfile::TempDir;

/// The files of a component as its volumes hold them, below another folder than `/etc`, in the
/// order: configuration, then rules.
fn files(stack: &Stack, component: Component, folder: &Path) -> Vec<(PathBuf, String)> {
    let root = folder.to_str().unwrap();
    let name = stack.child_name(component);
    let mut files = Vec::new();
    for object in render(stack).into_ordered() {
        if object.body["kind"] != "ConfigMap" || !object.name.starts_with(&name) {
            continue;
        }
        let map: ConfigMap = serde_json::from_value(object.body.to_value()).unwrap();
        let shard = object.name.strip_prefix(&format!("{name}-rules-"));
        let below = shard.map_or(PathBuf::new(), |shard| Path::new("rules").join(shard));
        for (file, text) in map.data.unwrap_or_default() {
            let text = text.replace("/etc/prometheus", root);
            files.push((folder.join(&below).join(file), text));
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

fn write(files: &[(PathBuf, String)]) {
    for (path, text) in files {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A stack's Prometheus or Alertmanager as a local process, with the kubelet of its pod.
struct Running {
    component: Component,
    folder: TempDir,
    process: Process,
    kubelet: Kubelet,
    deliverer: Deliverer,
}

impl Running {
    async fn start(component: Component, stack: &Stack) -> Option<Self> {
        let binary = tool(component.name())?;
        let folder = TempDir::new().unwrap();
        write(&files(stack, component, folder.path()));
        let process = match component {
            Component::Prometheus => prometheus(&binary, &folder).await,
            _ => alertmanager(&binary, &folder).await,
        };
        let kubelet = Kubelet::new("pod-0");
        let client = kubelet.client();
        Some(Self {
            component,
            folder,
            process,
            kubelet,
            deliverer: Deliverer::new(client.clone(), Backends::new(client, true)),
        })
    }

    fn delivery(&self, stack: &Stack) -> Delivery {
        let mut all = deliveries(stack).into_iter();
        let delivery = all.find(|d| d.component == self.component).unwrap();
        Delivery {
            port: self.process.port,
            ..delivery
        }
    }

    /// Applies a stack: its files come with the next touch.
    async fn apply(&self, stack: &Stack) -> ConfigState {
        self.kubelet
            .want(files(stack, self.component, self.folder.path()));
        self.deliver(stack, &BTreeSet::from([self.component])).await
    }

    /// Takes away the rule files that a stack no longer has, as the kubelet does with a volume's.
    fn replace(&self, stack: &Stack) {
        let files = files(stack, self.component, self.folder.path());
        let wanted: BTreeSet<_> = files.into_iter().map(|(path, _)| path).collect();
        let shards = fs::read_dir(self.folder.path().join("rules"))
            .into_iter()
            .flatten();
        for shard in shards.flatten() {
            for file in fs::read_dir(shard.path()).into_iter().flatten().flatten() {
                if !wanted.contains(&file.path()) {
                    fs::remove_file(file.path()).unwrap();
                }
            }
        }
    }

    /// Puts a stack's files where they belong at once.
    fn place(&self, stack: &Stack) {
        write(&files(stack, self.component, self.folder.path()));
    }

    /// Kills Prometheus and starts it again; what it says when it ends at once.
    async fn restart(&mut self, binary: &Path) -> Result<(), String> {
        self.process.end();
        self.process = process::prometheus_or_its_end(binary, &self.folder).await?;
        Ok(())
    }

    /// Where a rule file is.
    fn file(&self, stack: &Stack, name: &str) -> PathBuf {
        let files = files(stack, self.component, self.folder.path());
        let mut found = files.into_iter().map(|(path, _)| path);
        found.find(|path| path.ends_with(name)).unwrap()
    }

    async fn deliver(&self, stack: &Stack, touched: &BTreeSet<Component>) -> ConfigState {
        let delivery = self.delivery(stack);
        let states: BTreeMap<_, _> = self.deliverer.deliver(stack, &[delivery], touched).await;
        states[&self.component].clone()
    }
}

#[tokio::test]
async fn a_changed_rule_is_loaded_and_said_to_be_within_a_second_of_its_configmap() {
    let before = stack::stack(&[("checkout", "vector(1)")]);
    let Some(running) = Running::start(Component::Prometheus, &before).await else {
        return;
    };
    let idle = running.deliver(&before, &BTreeSet::new()).await;
    assert!(idle.loaded, "{idle:?}");
    assert_eq!(
        running.kubelet.touches(),
        0,
        "an idle reconcile writes nothing"
    );

    let after = stack::stack(&[("checkout", "vector(2)"), ("second", "vector(3)")]);
    let start = Instant::now();
    let state = running.apply(&after).await;
    let took = start.elapsed();
    assert!(state.loaded, "{state:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let listing = state.rules.clone().unwrap();
    let listed: Vec<&str> = listing.groups.keys().map(AsRef::as_ref).collect();
    assert_eq!(
        listed,
        [
            "monitoring-checkout-0c1d.yaml",
            "monitoring-second-0c1d.yaml"
        ]
    );
    assert_eq!(running.kubelet.touches(), 1);

    let again = running.deliver(&after, &BTreeSet::new()).await;
    assert!(again.loaded, "what is loaded stays loaded: {again:?}");
    assert_eq!(
        running.kubelet.touches(),
        1,
        "an idle reconcile writes nothing"
    );
}

#[tokio::test]
async fn rules_that_prometheus_refuses_are_not_loaded_although_it_shows_the_new_configuration() {
    let before = stack::stack(&[("checkout", "vector(1)")]);
    let Some(running) = Running::start(Component::Prometheus, &before).await else {
        return;
    };
    let broken = stack::stack(&[("checkout", "vector(1)"), ("typo", "sum(")]);
    let state = running.apply(&broken).await;
    assert!(!state.loaded);
    let message = state.message.unwrap();
    assert!(
        message.starts_with("pod pod-0: failed to reload config"),
        "{message}"
    );
    assert!(state.refused);
    let listing = state.rules.unwrap();
    let listed: Vec<&str> = listing.groups.keys().map(AsRef::as_ref).collect();
    assert_eq!(
        listed,
        ["monitoring-checkout-0c1d.yaml"],
        "the last good rules go on"
    );

    let Proof::PrometheusConfigHolds(marker) = running.delivery(&broken).proof else {
        panic!("not the proof of Prometheus");
    };
    let backends = Backends::new(nobody(), true);
    let port = running.process.port;
    let shown = backends
        .prometheus_config(&pod("pod-0"), port)
        .await
        .unwrap();
    assert!(
        shown.contains(&marker),
        "which is why the configuration alone proves nothing"
    );
}

#[tokio::test]
async fn a_broken_file_is_told_in_prometheus_own_words() {
    let good = stack::stack(&[]);
    let Some(running) = Running::start(Component::Prometheus, &good).await else {
        return;
    };
    let file = running.folder.path().join("prometheus.yml");
    fs::write(file, "scrape_configs: [").unwrap();
    let backends = Backends::new(nobody(), true);
    let refused = backends
        .prometheus_reload(&pod("pod-0"), running.process.port)
        .await;
    let Err(BackendError::Refused { status, words }) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert_eq!(status.as_u16(), 500);
    assert!(
        words.contains("parsing YAML file") && words.contains("line 1"),
        "{words}"
    );
}

#[tokio::test]
async fn targets_are_counted_by_prometheus_itself() {
    let Some(binary) = tool("prometheus") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let config = "scrape_configs: [{job_name: down, scrape_interval: 100ms, scrape_timeout: 100ms, static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:2']}]}]";
    write(&[(folder.path().join("prometheus.yml"), config.into())]);
    let process = prometheus(&binary, &folder).await;
    let backends = Backends::new(nobody(), true);
    let asked_pod = pod("pod-0");
    let mut targets = Targets::default();
    // Prometheus takes up new targets every five seconds.
    for _ in 0..200 {
        let asked =
            backends.prometheus_targets_summary(&asked_pod, process.port, Duration::from_secs(30));
        targets = asked.await.unwrap();
        if targets.down == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(targets, Targets { up: 0, down: 2 });
}

#[tokio::test]
async fn alertmanager_says_which_file_it_runs_by_its_hash() {
    let before = stack::stack(&[]);
    let Some(running) = Running::start(Component::Alertmanager, &before).await else {
        return;
    };
    let idle = running.deliver(&before, &BTreeSet::new()).await;
    assert!(
        idle.loaded,
        "the hash of the rendered file is the one it tells: {idle:?}"
    );
    assert_eq!(running.kubelet.touches(), 0);

    let after = stack::with_a_receiver(&before);
    assert_ne!(running.delivery(&before), running.delivery(&after));
    let state = running.apply(&after).await;
    assert!(state.loaded, "{state:?}");
    assert_eq!(running.kubelet.touches(), 1);
}

#[tokio::test]
async fn what_alertmanager_refuses_is_told_in_its_words_and_heals() {
    let before = stack::stack(&[]);
    let Some(running) = Running::start(Component::Alertmanager, &before).await else {
        return;
    };
    let state = running.apply(&stack::with_a_wrong_interval(&before)).await;
    assert!(!state.loaded);
    let message = state.message.unwrap();
    assert!(message.contains("Mars/Olympus"), "{message}");

    let state = running.apply(&stack::with_a_receiver(&before)).await;
    assert!(state.loaded, "{state:?}");
    assert_eq!(state.message, None);
}

#[tokio::test]
async fn a_configuration_that_never_arrives_is_given_up_after_a_bounded_time_and_few_touches() {
    let before = stack::stack(&[]);
    let Some(running) = Running::start(Component::Alertmanager, &before).await else {
        return;
    };
    let after = stack::with_a_receiver(&before);
    let start = Instant::now();
    let mut state = ConfigState::default();
    for _ in 0..4 {
        state = running.deliver(&after, &BTreeSet::new()).await;
    }
    assert!(start.elapsed() < Duration::from_secs(14));
    assert!(!state.loaded);
    assert_eq!(
        state.message.as_deref(),
        Some("pod pod-0: the new files have not reached the pod yet")
    );
    assert_eq!(
        running.kubelet.touches(),
        5,
        "then the kubelet's own look must do"
    );
}

#[tokio::test]
async fn a_pod_that_nobody_answers_for_is_said_to_be_silent_at_once() {
    let start = Instant::now();
    let backends = Backends::new(nobody(), true);
    let silent = backends.prometheus_config(&pod("pod-0"), 1).await;
    assert!(
        matches!(silent, Err(BackendError::Unreachable { port: 1, .. })),
        "{silent:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn an_edited_rule_and_a_deleted_one_are_loaded_when_prometheus_lists_it_so() {
    let rules: Vec<_> = (0..100).map(|n| (format!("r{n}"), "vector(1)")).collect();
    let all: Vec<_> = rules
        .iter()
        .map(|(name, expr)| (name.as_str(), *expr))
        .collect();
    let before = stack::stack(&all);
    let Some(running) = Running::start(Component::Prometheus, &before).await else {
        return;
    };
    assert!(running.deliver(&before, &BTreeSet::new()).await.loaded);
    let mut edited = all.clone();
    edited[7].1 = "vector(2)";
    let after = stack::stack(&edited);
    let state = running.apply(&after).await;
    assert!(state.loaded, "{state:?}");
    let wanted = &after.prometheus.as_ref().unwrap().rule_files;
    let groups = state.rules.unwrap().groups;
    assert_eq!(groups.len(), 100);
    for (file, placed) in wanted {
        assert_eq!(groups[file].mark, placed.file.mark, "{file}");
    }
    let fewer = stack::stack(&edited[1..]);
    fs::remove_file(running.file(&before, "monitoring-r0-0c1d.yaml")).unwrap();
    let state = running.apply(&fewer).await;
    assert!(state.loaded, "{state:?}");
    assert!(
        !state
            .rules
            .unwrap()
            .groups
            .contains_key("monitoring-r0-0c1d.yaml")
    );
}

#[tokio::test]
async fn the_state_of_each_rule_is_what_prometheus_says() {
    let stack = stack::stack(&[
        ("fires", "vector(1)"),
        ("quiet", "vector(1) > 2"),
        (
            "ill",
            "vector(1) * on(a) group_left(b) (label_replace(vector(1), \"c\", \"1\", \"\", \"\") or label_replace(vector(1), \"c\", \"2\", \"\", \"\"))",
        ),
    ]);
    let Some(running) = Running::start(Component::Prometheus, &stack).await else {
        return;
    };
    for _ in 0..600 {
        let state = running.deliver(&stack, &BTreeSet::new()).await;
        let groups = state.rules.unwrap().groups;
        let of =
            |name: &str| groups[format!("monitoring-{name}-0c1d.yaml").as_str()].rules[0].clone();
        let (fires, quiet, ill) = (of("fires"), of("quiet"), of("ill"));
        if [&fires, &quiet, &ill]
            .iter()
            .all(|rule| rule.health != RuleHealth::Unknown)
        {
            assert_eq!((fires.state, fires.firing), (Some(AlertState::Firing), 1));
            assert_eq!((quiet.state, quiet.firing), (Some(AlertState::Inactive), 0));
            assert_eq!(ill.health, RuleHealth::Err);
            assert!(ill.last_error.unwrap().contains("many-to-many"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never evaluated");
}

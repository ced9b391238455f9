use serde_json::{Value, json};

use super::*;

/// A component with what was read of it.
struct Case {
    component: Component,
    workload: WorkloadState,
    pods: Vec<Pod>,
    claims: Vec<PersistentVolumeClaim>,
    events: Vec<Event>,
}

impl Case {
    fn new(component: Component, desired: i32) -> Self {
        Self {
            component,
            workload: WorkloadState {
                kind: "StatefulSet",
                name: format!("shop-{}", component.name()),
                uid: "workload".into(),
                desired,
                updated: desired,
                caught_up: true,
                ..WorkloadState::default()
            },
            pods: Vec::new(),
            claims: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A pod with the fields of its status.
    fn pod(mut self, name: &str, status: impl Into<Value>) -> Self {
        let status = status.into();
        let pod =
            json!({"metadata": {"name": name, "namespace": "shop", "uid": name}, "status": status});
        self.pods.push(serde_json::from_value(pod).unwrap());
        self
    }

    fn event(mut self, uid: &str, reason: &str, second: u8, message: &str) -> Self {
        let event = json!({"metadata": {"name": "e", "namespace": "shop"}, "type": "Warning",
            "reason": reason, "message": message, "involvedObject": {"uid": uid},
            "lastTimestamp": format!("2026-08-01T10:00:{second:02}Z")});
        self.events.push(serde_json::from_value(event).unwrap());
        self
    }

    fn claim(mut self, name: &str, phase: &str) -> Self {
        let claim = json!({"metadata": {"name": name, "uid": name}, "status": {"phase": phase}});
        self.claims.push(serde_json::from_value(claim).unwrap());
        self
    }

    fn told(&self) -> (&'static str, String) {
        let finding = diagnose(&Evidence {
            component: self.component,
            workload: &self.workload,
            pods: &self.pods,
            claims: &self.claims,
            events: &self.events,
            now: "2026-08-01T11:00:00Z".parse().unwrap(),
        });
        (finding.reason, finding.message)
    }

    fn suspects(&self) -> Vec<String> {
        suspects(self.component, &self.workload, &self.pods, &self.claims)
    }
}

fn waiting(image: &str, reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{"name": "main", "image": image, "imageID": "",
        "ready": false, "restartCount": 0, "started": false,
        "state": {"waiting": {"reason": reason, "message": message}}}]})
}

fn crashed(state: &Value, last: &Value) -> Value {
    json!({"phase": "Running", "containerStatuses": [{"name": "prometheus", "image": "i", "imageID": "",
        "ready": false, "restartCount": 4, "started": false, "state": state,
        "lastState": {"terminated": last}}]})
}

fn end(reason: &str, code: i32, message: &str) -> Value {
    json!({"reason": reason, "exitCode": code, "message": message,
        "startedAt": "2026-08-01T10:00:00Z", "finishedAt": "2026-08-01T10:00:02Z"})
}

fn ready() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
}

const GRAFANA: &str = "docker.io/grafana/grafana:13.1.3";
const REFUSED: &str = "rpc error: code = Unknown desc = failed to pull and unpack image \"docker.io/grafana/grafana:13.1.3\": failed to do request: Head \"https://registry-1.docker.io/v2/\": dial tcp 98.85.153.80:443: connect: connection refused";

#[test]
fn an_image_that_no_node_can_pull_names_pod_image_cause_and_field() {
    let status = waiting(GRAFANA, "ErrImagePull", REFUSED);
    let case = Case::new(Component::Grafana, 1).pod("shop-grafana-5d8", status);
    let expected = "pod shop-grafana-5d8: cannot pull docker.io/grafana/grafana:13.1.3: connection refused; set spec.dashboards.image to a registry that the nodes can reach";
    assert_eq!(case.told(), ("ImagePullFailed", expected.into()));
}

#[test]
fn between_two_pulls_the_same_is_told_from_the_event() {
    let status = waiting(GRAFANA, "ErrImagePull", REFUSED);
    let pulling = Case::new(Component::Grafana, 1).pod("shop-grafana-5d8", status);
    let back_off = format!("Back-off pulling image \"{GRAFANA}\"");
    let resting = Case::new(Component::Grafana, 1)
        .pod(
            "shop-grafana-5d8",
            waiting(GRAFANA, "ImagePullBackOff", &back_off),
        )
        .event("shop-grafana-5d8", "Failed", 1, "Error: ErrImagePull")
        .event(
            "shop-grafana-5d8",
            "Failed",
            0,
            &format!("Failed to pull image \"{GRAFANA}\": {REFUSED}"),
        );
    assert_eq!(pulling.told(), resting.told());
}

#[test]
fn a_private_registry_asks_for_credentials() {
    let status = waiting(
        "reg/x:1",
        "ErrImagePull",
        "failed to authorize: unexpected status: 401 Unauthorized",
    );
    let (_, message) = Case::new(Component::Loki, 1)
        .pod("shop-loki-0", status)
        .told();
    assert!(message.ends_with("401 Unauthorized; check spec.logs.image and give its credentials in spec.imagePullSecrets"), "{message}");
}

#[test]
fn a_crash_is_told_the_same_way_at_every_turn_of_its_loop() {
    let message = "time=2026-08-01T10:00:02Z level=ERROR msg=\"opening storage failed\" err=\"no space left on device\"\n";
    let last = end("Error", 1, message);
    let back_off = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=prometheus pod=x"}});
    let running = json!({"running": {"startedAt": "2026-08-01T10:05:00Z"}});
    let ended = json!({"terminated": last});
    let told: Vec<_> = [back_off, running, ended]
        .iter()
        .map(|state| {
            Case::new(Component::Prometheus, 1)
                .pod("shop-prometheus-0", crashed(state, &last))
                .told()
        })
        .collect();
    let expected = "pod shop-prometheus-0: prometheus ended with exit code 1: level=ERROR msg=\"opening storage failed\" err=\"no space left on device\"; see kubectl logs -n shop shop-prometheus-0 -c prometheus --previous";
    assert_eq!(told[0], ("CrashLooping", expected.into()));
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}

#[test]
fn a_process_above_its_memory_limit_asks_for_more_memory() {
    let running = json!({"running": {"startedAt": "2026-08-01T10:05:00Z"}});
    let case = Case::new(Component::Prometheus, 1).pod(
        "shop-prometheus-0",
        crashed(&running, &end("OOMKilled", 137, "")),
    );
    let expected = "pod shop-prometheus-0: prometheus needed more memory than its limit; raise spec.metrics.resources.limits.memory";
    assert_eq!(case.told(), ("OutOfMemory", expected.into()));
}

#[test]
fn a_container_that_came_back_with_its_node_is_only_starting() {
    let long = json!({"reason": "Unknown", "exitCode": 255, "startedAt": "2026-07-01T10:00:00Z", "finishedAt": "2026-08-01T10:00:00Z"});
    let running = json!({"running": {"startedAt": "2026-08-01T10:05:00Z"}});
    let case =
        Case::new(Component::Prometheus, 1).pod("shop-prometheus-0", crashed(&running, &long));
    assert_eq!(
        case.told(),
        ("Starting", "pod shop-prometheus-0: is starting".into())
    );
}

#[test]
fn a_missing_secret_is_quoted_from_the_kubelet() {
    let status = waiting(
        "i",
        "CreateContainerConfigError",
        "secret \"smtp\" not found",
    );
    let case = Case::new(Component::Alertmanager, 1).pod("shop-alertmanager-0", status);
    let expected = "pod shop-alertmanager-0: cannot make the container: secret \"smtp\" not found";
    assert_eq!(case.told(), ("ContainerConfigFailed", expected.into()));
}

#[test]
fn a_pod_without_a_node_says_what_the_scheduler_says() {
    let status = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."}]});
    let case = Case::new(Component::Loki, 1).pod("shop-loki-0", status);
    let expected = "pod shop-loki-0: no node takes it: 0/3 nodes are available: 3 Insufficient memory; lower spec.logs.resources.requests or add a node";
    assert_eq!(case.told(), ("Unschedulable", expected.into()));
}

#[test]
fn a_claim_without_a_storage_class_goes_before_the_pod_that_waits_for_it() {
    let status = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."}]});
    let case = Case::new(Component::Prometheus, 1)
        .pod("shop-prometheus-0", status)
        .claim("data-shop-prometheus-0", "Pending")
        .event(
            "data-shop-prometheus-0",
            "FailedBinding",
            0,
            "no persistent volumes available for this claim and no storage class is set",
        );
    let (reason, message) = case.told();
    assert_eq!(reason, "VolumePending");
    assert!(
        message.starts_with(
            "volume claim data-shop-prometheus-0 is pending: no persistent volumes available"
        ),
        "{message}"
    );
    assert!(
        message.contains("set spec.metrics.storage.storageClassName"),
        "{message}"
    );
    assert_eq!(
        case.suspects(),
        ["data-shop-prometheus-0", "shop-prometheus-0"]
    );
}

#[test]
fn pods_that_pod_security_forbids_quote_the_server_without_random_names() {
    let case = |name: &str| {
        Case::new(Component::Agent, 1).event("workload", "FailedCreate", 3, &format!("Error creating: pods \"{name}\" is forbidden: violates PodSecurity \"baseline:latest\": hostPath volumes (volumes \"proc\", \"sys\")"))
    };
    let expected = "StatefulSet shop-agent: no pod can be made: violates PodSecurity \"baseline:latest\": hostPath volumes (volumes \"proc\", \"sys\"); label the namespace pod-security.kubernetes.io/enforce=privileged or set spec.agent.enabled: false";
    assert_eq!(
        case("shop-agent-x7k2p").told(),
        ("PodsRefused", expected.into())
    );
    assert_eq!(
        case("shop-agent-x7k2p").told(),
        case("shop-agent-9zzzz").told()
    );
    assert_eq!(case("a").suspects(), ["workload"]);
}

#[test]
fn what_admission_refuses_names_the_field_that_would_mend_it() {
    let told = |component: Component, message: &str| {
        let case = Case::new(component, 1).event("workload", "FailedCreate", 3, message);
        let (reason, message) = case.told();
        assert_eq!(reason, "PodsRefused");
        message
    };
    for (component, message, remedy) in [
        (
            Component::Prometheus,
            "create Claim data-shop-prometheus-0 for Pod shop-prometheus-0 in StatefulSet shop-prometheus failed error: persistentvolumeclaims \"data-shop-prometheus-0\" is forbidden: exceeded quota: memory, requested: requests.storage=20Gi, used: requests.storage=0, limited: requests.storage=1Gi",
            "; raise the ResourceQuota or lower spec.metrics.storage.size",
        ),
        (
            Component::Loki,
            "create Pod shop-loki-0 in StatefulSet shop-loki failed error: pods \"shop-loki-0\" is forbidden: exceeded quota: requests.storage, requested: limits.memory=512Mi, used: limits.memory=0, limited: limits.memory=64Mi",
            "; raise the ResourceQuota or lower spec.logs.resources",
        ),
        (
            Component::Agent,
            "Error creating: pods \"shop-agent-x7k2p\" is forbidden: exceeded quota: few, requested: pods=1, used: pods=4, limited: pods=4",
            "; raise the ResourceQuota",
        ),
        (
            Component::Agent,
            "Error creating: pods \"shop-agent-x7k2p\" is forbidden: failed quota: compute: must specify limits.cpu,requests.cpu",
            "; the quota wants limits.cpu,requests.cpu: set it in spec.agent.resources",
        ),
        (
            Component::Agent,
            "Error creating: pods \"shop-agent-x7k2p\" is forbidden: no PriorityClass with name urgent was found",
            "; set spec.agent.priorityClassName to one that kubectl get priorityclass lists",
        ),
        (
            Component::Loki,
            "create Pod shop-loki-0 in StatefulSet shop-loki failed error: pods \"shop-loki-0\" is forbidden: no PriorityClass with name urgent was found",
            "; set spec.scheduling.priorityClassName to one that kubectl get priorityclass lists",
        ),
    ] {
        let message = told(component, message);
        assert!(message.ends_with(remedy), "{message}");
    }
}

#[test]
fn agents_that_fit_no_node_name_the_selector() {
    let workload = |desired: i32| WorkloadState {
        kind: "DaemonSet",
        name: "shop-agent".into(),
        desired,
        ..WorkloadState::default()
    };
    let selector = [("disk".to_owned(), "ssd".to_owned())].into();
    let finding = fits_nowhere(&workload(0), &selector).unwrap();
    assert_eq!(finding.reason, "Unschedulable");
    assert_eq!(
        finding.message,
        "DaemonSet shop-agent: no node has the labels disk=ssd; check spec.agent.nodeSelector"
    );
    assert_eq!(fits_nowhere(&workload(1), &selector), None);
    assert_eq!(fits_nowhere(&workload(0), &BTreeMap::new()), None);
}

#[test]
fn a_daemon_set_whose_first_pod_is_refused_says_so_though_it_counts_no_node_yet() {
    let message = "Error creating: pods \"shop-agent-\" is forbidden: no PriorityClass with name nobodys was found";
    let mut case = Case::new(Component::Agent, 0).event("workload", "FailedCreate", 1, message);
    case.workload.caught_up = false;
    let (reason, message) = case.told();
    assert_eq!(reason, "PodsRefused");
    assert!(
        message.contains("set spec.agent.priorityClassName"),
        "{message}"
    );
    assert_eq!(case.suspects(), ["workload"]);
}

#[test]
fn a_refusal_that_was_followed_by_a_success_is_over() {
    let case = Case::new(Component::Loki, 1)
        .event(
            "workload",
            "FailedCreate",
            1,
            "create Pod failed error: exceeded quota",
        )
        .event(
            "workload",
            "SuccessfulCreate",
            2,
            "create Pod shop-loki-0 successful",
        );
    assert_eq!(case.told().0, "Starting");
}

#[test]
fn a_volume_that_cannot_be_mounted_is_told_by_its_cause_not_its_summary() {
    let case = Case::new(Component::Grafana, 1)
        .pod("p", waiting("i", "ContainerCreating", ""))
        .event("p", "FailedMount", 1, "MountVolume.SetUp failed for volume \"admin\" : secret \"shop-grafana-admin\" not found")
        .event("p", "FailedMount", 2, "Unable to attach or mount volumes: unmounted volumes=[admin]");
    let expected = "pod p: MountVolume.SetUp failed for volume \"admin\" : secret \"shop-grafana-admin\" not found";
    assert_eq!(case.told(), ("PodSetupFailed", expected.into()));
}

#[test]
fn a_running_process_that_is_not_ready_tells_since_when_and_what_its_probe_says() {
    let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-08-01T09:00:00Z"}],
        "containerStatuses": [{"name": "loki", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "started": true,
            "state": {"running": {}}}]});
    let case = Case::new(Component::Loki, 1)
        .pod("shop-loki-0", status)
        .event(
            "shop-loki-0",
            "Unhealthy",
            1,
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        );
    let expected = "pod shop-loki-0: loki runs but is not ready since 2026-08-01T09:00:00Z: Readiness probe failed: HTTP probe failed with statuscode: 503";
    assert_eq!(case.told(), ("NotReady", expected.into()));
}

#[test]
fn the_worst_pod_comes_first_then_the_first_by_name_with_a_count_of_its_like() {
    let pull = || waiting("reg/agent:1", "ImagePullBackOff", "");
    let case = Case::new(Component::Agent, 5)
        .pod("agent-a", json!({"phase": "Pending"}))
        .pod("agent-d", pull())
        .pod("agent-c", pull())
        .pod("agent-b", pull())
        .pod("agent-e", ready());
    let (reason, message) = case.told();
    assert_eq!(reason, "ImagePullFailed");
    assert!(
        message.starts_with(
            "pod agent-b: cannot pull reg/agent:1; the agents run the operator's own image"
        ),
        "{message}"
    );
    assert!(message.ends_with(" (and 2 more pods)"), "{message}");
    assert_eq!(case.suspects(), ["agent-b"]);
}

#[test]
fn ready_pods_of_an_old_template_are_a_rollout() {
    let mut case = Case::new(Component::Loki, 2)
        .pod("a", ready())
        .pod("b", ready());
    case.workload.updated = 1;
    assert_eq!(
        case.told(),
        (
            "RollingOut",
            "StatefulSet shop-loki: 1 of 2 pods are up to date".into()
        )
    );
}

#[test]
fn a_pod_that_does_not_go_is_named() {
    let mut case = Case::new(Component::Loki, 1).pod("shop-loki-0", ready());
    case.pods[0].metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-08-01T10:05:00Z")).unwrap();
    let (reason, message) = case.told();
    assert_eq!(reason, "RollingOut");
    assert!(
        message.starts_with("pod shop-loki-0 is to be gone by 2026-08-01T10:05:00Z"),
        "{message}"
    );
}

#[test]
fn what_every_start_goes_through_is_told_only_when_it_lasts() {
    let unschedulable = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled",
        "status": "False", "reason": "Unschedulable", "message": "unbound claims"}]});
    let mut case = Case::new(Component::Loki, 1).pod("shop-loki-0", unschedulable);
    let made = |time: &str| Some(serde_json::from_value(json!(time)).unwrap());
    case.pods[0].metadata.creation_timestamp = made("2026-08-01T10:59:50Z");
    assert_eq!(
        case.told(),
        ("Starting", "pod shop-loki-0: is starting".into())
    );
    case.pods[0].metadata.creation_timestamp = made("2026-08-01T10:59:00Z");
    assert_eq!(case.told().0, "Unschedulable");
}

#[test]
fn pods_that_are_over_explain_nothing() {
    let case = Case::new(Component::Grafana, 1)
        .pod("evicted", json!({"phase": "Failed", "reason": "Evicted"}))
        .pod("new", json!({"phase": "Pending"}));
    assert_eq!(case.told(), ("Starting", "pod new: is starting".into()));
}

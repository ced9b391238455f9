//! The sample application as kubectl makes it of its folder: hardened, bounded, watched, and the
//! same on the single-node cluster but for its images.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{Container, PodSpec},
};
use serde_json::Value;

/// The objects of a folder, or nothing where there is no kubectl, which CI does not accept.
fn objects(folder: &str) -> Option<Vec<Value>> {
    let folder = super::root().join("manifests/samples").join(folder);
    let output = Command::new("kubectl")
        .arg("kustomize")
        .arg(folder)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: kubectl cannot be run ({error}): hack/tools/install clients");
            return None;
        }
        Err(error) => panic!("kubectl: {error}"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(serde_saphyr::from_multiple(&text).unwrap())
}

/// The pods of the workloads, by name. A field that Kubernetes does not know fails.
fn pods(objects: &[Value]) -> BTreeMap<String, PodSpec> {
    let mut pods = BTreeMap::new();
    for object in objects {
        let mut unknown = Vec::new();
        let ignored = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
        let pod = match object["kind"].as_str().unwrap() {
            "Deployment" => {
                let it: Deployment = serde_ignored::deserialize(object, ignored).unwrap();
                it.spec.unwrap().template.spec.unwrap()
            }
            "StatefulSet" => {
                let it: StatefulSet = serde_ignored::deserialize(object, ignored).unwrap();
                it.spec.unwrap().template.spec.unwrap()
            }
            _ => continue,
        };
        assert!(unknown.is_empty(), "{object}: unknown {unknown:?}");
        pods.insert(object["metadata"]["name"].as_str().unwrap().to_owned(), pod);
    }
    pods
}

fn images(pods: &BTreeMap<String, PodSpec>) -> BTreeSet<&str> {
    let containers = pods.values().flat_map(|pod| &pod.containers);
    containers.filter_map(|it| it.image.as_deref()).collect()
}

#[test]
fn every_container_is_bounded_and_may_nothing() {
    let (Some(app), Some(local)) = (objects("app"), objects("app-single-node")) else {
        return;
    };
    for (name, pod) in pods(&app).iter().chain(&pods(&local)) {
        let token = pod.automount_service_account_token;
        assert_eq!(token, Some(false), "{name}");
        let security = pod.security_context.as_ref().unwrap();
        assert_eq!(security.run_as_non_root, Some(true), "{name}");
        let profile = security.seccomp_profile.as_ref().unwrap();
        assert_eq!(profile.type_, "RuntimeDefault", "{name}");
        for container in &pod.containers {
            is_bounded_and_may_nothing(name, container);
        }
    }
}

fn is_bounded_and_may_nothing(pod: &str, container: &Container) {
    let place = format!("{pod} / {}", container.name);
    let security = container.security_context.as_ref().unwrap();
    assert_eq!(security.read_only_root_filesystem, Some(true), "{place}");
    assert_eq!(security.allow_privilege_escalation, Some(false), "{place}");
    let capabilities = security.capabilities.as_ref().unwrap();
    assert_eq!(capabilities.drop.as_deref().unwrap(), ["ALL"], "{place}");
    let resources = container.resources.as_ref().unwrap();
    let limits = resources.limits.as_ref().unwrap();
    assert!(limits.contains_key("memory"), "{place}");
    let requests = resources.requests.as_ref().unwrap();
    assert!(requests.contains_key("memory"), "{place}");
}

/// The limits, requests and health checks of the page that the project began with.
#[test]
fn each_part_has_its_limits_and_its_health_check() {
    let Some(app) = objects("app") else { return };
    let pods = pods(&app);
    let names: Vec<_> = pods.keys().map(String::as_str).collect();
    assert_eq!(names, ["bot", "postgres", "traefik", "web"]);
    for (name, limit, request, period) in [
        ("traefik", "256Mi", "128Mi", 10),
        ("bot", "512Mi", "256Mi", 30),
        ("postgres", "512Mi", "256Mi", 10),
        ("web", "128Mi", "64Mi", 30),
    ] {
        let container = &pods[name].containers[0];
        let resources = container.resources.as_ref().unwrap();
        assert_eq!(resources.limits.as_ref().unwrap()["memory"].0, limit);
        assert_eq!(resources.requests.as_ref().unwrap()["memory"].0, request);
        let probe = container.liveness_probe.as_ref().unwrap();
        assert_eq!(probe.period_seconds, Some(period), "{name}");
        assert!(container.readiness_probe.is_some(), "{name}");
        assert!(container.startup_probe.is_some(), "{name}");
    }
}

/// What is not replaced cannot be pulled, and what is replaced by a name of nobody's neither.
#[test]
fn the_single_node_cluster_has_every_image() {
    let (Some(app), Some(local)) = (objects("app"), objects("app-single-node")) else {
        return;
    };
    let (of_app, of_local) = (pods(&app), pods(&local));
    let kept: Vec<_> = images(&of_app)
        .intersection(&images(&of_local))
        .copied()
        .collect();
    assert!(kept.is_empty(), "not replaced: {kept:?}");
    let built = super::read("hack/images/build");
    for image in images(&of_local) {
        assert!(built.contains(&format!("echo {image} ;;")), "{image}");
    }
}

/// No object of either folder holds a password.
#[test]
fn no_secret_is_written_down() {
    for folder in ["app", "app-single-node"] {
        let Some(objects) = objects(folder) else {
            return;
        };
        assert!(objects.iter().all(|it| it["kind"] != "Secret"), "{folder}");
    }
}

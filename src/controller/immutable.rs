//! Fields that the server lets nobody change: the live value is kept, so that all the rest of
//! the object still goes on, and a problem says what stays and how to change it.

use serde_json::Value;

use super::{drift, live::Key};
use crate::{api::component::Component, resolve::problem::Problem};

/// The fields of `spec` that cannot change, by kind.
const FIELDS: [(&str, &[&str]); 4] = [
    (
        "StatefulSet",
        &[
            "podManagementPolicy",
            "revisionHistoryLimit",
            "selector",
            "serviceName",
            "volumeClaimTemplates",
        ],
    ),
    ("Deployment", &["selector"]),
    ("DaemonSet", &["selector"]),
    (
        "PersistentVolumeClaim",
        &["accessModes", "resources", "storageClassName", "volumeMode"],
    ),
];

/// The size of a claim: it is no field to keep but one to grow, see [`super::volumes`].
const SIZE: &str = "requests.storage";

/// Puts the live values of immutable fields into `desired` and says which really differ.
pub fn keep(key: &Key, component: Component, live: &Value, desired: &mut Value) -> Vec<Problem> {
    let Some((_, fields)) = FIELDS.iter().find(|(kind, _)| *kind == key.kind) else {
        return Vec::new();
    };
    let Some(spec) = desired.get_mut("spec").and_then(Value::as_object_mut) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for field in *fields {
        let (old, new) = (live.pointer(&format!("/spec/{field}")), spec.get(*field));
        let Some(new) = new else { continue };
        let paths = drift::covers(old.unwrap_or(&Value::Null), new);
        if paths.is_empty() {
            continue;
        }
        if paths.iter().any(|path| !path.ends_with(SIZE)) {
            problems.push(problem(key, component, field, &paths));
        }
        match old {
            Some(old) => spec.insert((*field).to_owned(), old.clone()),
            None => spec.remove(*field),
        };
    }
    problems
}

fn problem(key: &Key, component: Component, field: &str, paths: &[String]) -> Problem {
    let of_class = |path: &String| path.ends_with("storageClassName");
    let class = field == "storageClassName" || paths.iter().any(of_class);
    let place = match component.field() {
        spec if class => format!("spec.{spec}.storage.storageClassName"),
        spec => format!("spec.{spec}"),
    };
    let remedy = match key.kind.as_str() {
        "PersistentVolumeClaim" => {
            "to change it, keep what matters elsewhere, then delete the claim: a new one is made"
                .to_owned()
        }
        "StatefulSet" => format!(
            "to change it, run `kubectl delete statefulset {} --cascade=orphan`: the pods stay \
             and a new one is made around them",
            key.name
        ),
        _ => "to change it, delete the object: a new one is made".to_owned(),
    };
    let message = format!("{key} keeps its spec.{field}, which cannot be changed; {remedy}");
    Problem::new(place, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(kind: &str) -> Key {
        Key {
            kind: kind.into(),
            namespace: Some("ns".into()),
            name: "main-prometheus".into(),
        }
    }

    fn claims(size: &str, class: &str) -> Value {
        json!([{"metadata": {"name": "data"}, "spec": {
            "storageClassName": class, "resources": {"requests": {"storage": size}},
        }}])
    }

    #[test]
    fn the_live_value_of_an_immutable_field_is_kept_and_named() {
        let live = json!({"spec": {"serviceName": "a", "replicas": 1}});
        let mut desired = json!({"spec": {"serviceName": "b", "replicas": 2}});
        let problems = keep(
            &key("StatefulSet"),
            Component::Prometheus,
            &live,
            &mut desired,
        );
        assert_eq!(
            desired,
            json!({"spec": {"serviceName": "a", "replicas": 2}})
        );
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].field, "spec.metrics");
        assert!(problems[0].message.contains("spec.serviceName"));
        assert!(problems[0].message.contains("--cascade=orphan"));
    }

    #[test]
    fn fields_that_only_have_server_defaults_more_are_left_as_rendered() {
        let mut live = json!({"spec": {"volumeClaimTemplates": claims("1024Mi", "fast")}});
        live["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] = json!("Filesystem");
        let mut desired = json!({"spec": {"volumeClaimTemplates": claims("1Gi", "fast")}});
        let before = desired.clone();
        let problems = keep(
            &key("StatefulSet"),
            Component::Prometheus,
            &live,
            &mut desired,
        );
        assert_eq!(desired, before);
        assert!(problems.is_empty());
    }

    #[test]
    fn another_size_is_kept_without_a_problem_since_the_claims_themselves_grow() {
        let live = json!({"spec": {"volumeClaimTemplates": claims("1Gi", "fast")}});
        let mut desired = json!({"spec": {"volumeClaimTemplates": claims("2Gi", "fast")}});
        let problems = keep(
            &key("StatefulSet"),
            Component::Prometheus,
            &live,
            &mut desired,
        );
        assert_eq!(desired, live);
        assert!(problems.is_empty());
    }

    #[test]
    fn another_storage_class_is_a_problem_of_that_field() {
        let live = json!({"spec": {"volumeClaimTemplates": claims("1Gi", "fast")}});
        let mut desired = json!({"spec": {"volumeClaimTemplates": claims("2Gi", "slow")}});
        let problems = keep(&key("StatefulSet"), Component::Loki, &live, &mut desired);
        assert_eq!(desired, live);
        assert_eq!(problems[0].field, "spec.logs.storage.storageClassName");
    }

    #[test]
    fn a_claim_keeps_its_class_and_size() {
        let spec = |class: &str, size: &str| {
            json!({"spec": {
                "storageClassName": class, "resources": {"requests": {"storage": size}},
            }})
        };
        let live = spec("fast", "1Gi");
        let mut desired = spec("slow", "2Gi");
        let problems = keep(
            &key("PersistentVolumeClaim"),
            Component::Grafana,
            &live,
            &mut desired,
        );
        assert_eq!(desired, live);
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].field,
            "spec.dashboards.storage.storageClassName"
        );
    }

    #[test]
    fn kinds_without_immutable_fields_are_left_alone() {
        let live = json!({"spec": {"selector": {"a": "1"}}});
        let mut desired = json!({"spec": {"selector": {"a": "2"}}});
        assert!(keep(&key("Service"), Component::Loki, &live, &mut desired).is_empty());
        assert_eq!(desired, json!({"spec": {"selector": {"a": "2"}}}));
    }
}

//! What holds for the objects of every stack.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRoleBinding, RoleBinding},
};
use masthead::{
    api::{component::Component, rule::AlertRule},
    render::{
        self, meta,
        objects::{Object, Stage},
    },
    resolve::{
        model::{Discovery, Namespaces, Stack},
        rules::SHARDS,
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{stack, view};

fn all() -> [Stack; 3] {
    [stack::minimal(), stack::full(), stack::single_node()]
}

#[test]
fn every_object_is_one_that_kubernetes_knows_to_the_last_field() {
    for object in all().iter().flat_map(view::objects) {
        let unknown = match object.resource.kind.as_str() {
            "ClusterRoleBinding" => unknown_fields::<ClusterRoleBinding>(&object.body),
            "ConfigMap" => unknown_fields::<ConfigMap>(&object.body),
            "DaemonSet" => unknown_fields::<DaemonSet>(&object.body),
            "Deployment" => unknown_fields::<Deployment>(&object.body),
            "NetworkPolicy" => unknown_fields::<NetworkPolicy>(&object.body),
            "PersistentVolumeClaim" => unknown_fields::<PersistentVolumeClaim>(&object.body),
            // The older version has the same fields.
            "PodDisruptionBudget" => unknown_fields::<PodDisruptionBudget>(&with_version(
                object.body.to_value(),
                "policy/v1",
            )),
            // A custom resource's type writes both by itself, and does not read them.
            "AlertRule" => {
                let mut unknown = unknown_fields::<AlertRule>(&object.body);
                unknown.retain(|field| field != "apiVersion" && field != "kind");
                unknown
            }
            "RoleBinding" => unknown_fields::<RoleBinding>(&object.body),
            "Secret" => unknown_fields::<Secret>(&object.body),
            "Service" => unknown_fields::<Service>(&object.body),
            "ServiceAccount" => unknown_fields::<ServiceAccount>(&object.body),
            "StatefulSet" => unknown_fields::<StatefulSet>(&object.body),
            kind => vec![format!("the whole kind {kind}")],
        };
        assert!(unknown.is_empty(), "{}: unknown {unknown:?}", object.name);
    }
}

/// The fields that the type does not take. k8s-openapi skips them silently, so what it took is
/// written again and compared.
fn unknown_fields<K: DeserializeOwned + serde::Serialize>(body: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let object: K =
        serde_ignored::deserialize(body, |path| unknown.push(path.to_string())).unwrap();
    let again = serde_json::to_value(&object).unwrap();
    if &again != body {
        unknown.push(format!("{body} became {again}"));
    }
    unknown
}

fn with_version(mut body: Value, version: &str) -> Value {
    body["apiVersion"] = version.into();
    body
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    for stack in all() {
        let text = |stack: &Stack| -> Vec<String> {
            let objects = view::objects(stack);
            objects
                .iter()
                .map(|object| object.body.to_string())
                .collect()
        };
        assert_eq!(text(&stack), text(&stack.clone()));
    }
}

#[test]
fn no_two_objects_share_a_kind_and_a_name() {
    for stack in all() {
        let objects = view::objects(&stack);
        let names: BTreeSet<_> = objects
            .iter()
            .map(|object| (&object.resource.kind, &object.name))
            .collect();
        assert_eq!(names.len(), objects.len());
    }
}

#[test]
fn every_object_is_bound_to_its_stack_but_the_claim() {
    for stack in [stack::minimal(), stack::full()] {
        for object in view::objects(&stack) {
            let metadata = &object.body["metadata"];
            let owner = &metadata["ownerReferences"][0]["uid"];
            let by_label = &metadata["labels"][meta::STACK_UID_LABEL];
            let kept = object.resource.kind == "PersistentVolumeClaim";
            if object.namespace.as_ref() != Some(&stack.namespace) {
                assert!(owner.is_null() && by_label == stack.uid.as_str());
            } else if kept {
                assert!(owner.is_null() && by_label.is_null(), "{}", object.name);
            } else {
                assert_eq!(owner, stack.uid.as_str(), "{}", object.name);
            }
            assert_eq!(metadata["labels"][meta::INSTANCE_LABEL], stack.name);
        }
    }
}

#[test]
fn every_object_tells_its_own_hash_and_no_pod_template_does() {
    for stack in all() {
        for object in view::objects(&stack) {
            let text = object.body.to_string();
            assert!(object.body["metadata"]["annotations"][meta::RENDERED_ANNOTATION].is_string());
            assert_eq!(text.matches(meta::RENDERED_ANNOTATION).count(), 1);
        }
    }
}

#[test]
fn the_hash_of_an_object_changes_with_its_content_alone() {
    let before = stack::minimal();
    let mut after = before.clone();
    after.grafana.as_mut().unwrap().admin_password = stack::secret("changed");
    let changed: Vec<_> = changed(&before, &after);
    assert_eq!(changed, ["Secret main-grafana-admin"]);
}

#[test]
fn what_is_read_comes_before_what_reads_it() {
    let stages: Vec<_> = view::objects(&stack::full())
        .iter()
        .map(|object| object.stage)
        .collect();
    assert!(stages.is_sorted());
    assert_eq!(stages.last(), Some(&Stage::Workload));
}

#[test]
fn a_changed_rule_changes_one_shard_and_nothing_else() {
    let mut before = stack::full();
    let rules = &mut before.prometheus.as_mut().unwrap().rule_files;
    rules.extend((0..200).map(|n| stack::alert_file("shop", &format!("rule-{n}"), "up == 0")));
    let mut after = before.clone();
    let (name, file) = stack::alert_file("shop", "rule-7", "up == 1");
    after
        .prometheus
        .as_mut()
        .unwrap()
        .rule_files
        .insert(name, file);
    let changed = changed(&before, &after);
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].starts_with("ConfigMap shop-prometheus-rules-"));
}

#[test]
fn many_rules_fill_every_shard() {
    let mut stack = stack::minimal();
    stack.prometheus.as_mut().unwrap().rule_files = (0..500)
        .map(|n| stack::alert_file("shop", &format!("rule-{n}"), "up == 0"))
        .collect();
    let shards: Vec<_> = view::objects(&stack)
        .into_iter()
        .filter(|object| object.name.starts_with("main-prometheus-rules-"))
        .collect();
    assert_eq!(shards.len(), usize::from(SHARDS));
}

/// The kinds and names of the objects that differ.
fn changed(before: &Stack, after: &Stack) -> Vec<String> {
    let before: Vec<Object> = view::objects(before);
    view::objects(after)
        .into_iter()
        .filter(|object| !before.contains(object))
        .map(|object| format!("{} {}", object.resource.kind, object.name))
        .collect()
}

#[test]
fn the_longest_stack_name_fits_every_object_and_label() {
    let mut stack = stack::full();
    stack.name = "a".repeat(Stack::MAX_NAME);
    stack.namespace = "n".repeat(63);
    for object in view::objects(&stack) {
        let limit = match object.resource.kind.as_str() {
            // The label `controller-revision-hash` holds it with a dash and ten characters more.
            "StatefulSet" => 52,
            "Service" => 63,
            _ => 253,
        };
        assert!(object.name.len() <= limit, "{}: too long", object.name);
        let labels = object.body["metadata"]["labels"].as_object().unwrap();
        for (label, value) in labels {
            assert!(value.as_str().unwrap().len() <= 63, "{label}");
        }
    }
}

#[test]
fn budgets_are_rendered_for_replicas_in_the_version_the_server_knows() {
    let budgets = |stack: &Stack| -> Vec<_> {
        view::objects(stack)
            .into_iter()
            .filter(|object| object.resource.kind == "PodDisruptionBudget")
            .map(|object| {
                (
                    object.name,
                    object.resource.api_version,
                    object.body.to_value(),
                )
            })
            .map(|(name, version, body)| (name, version, body["apiVersion"].clone()))
            .collect()
    };
    assert!(budgets(&stack::minimal()).is_empty());
    assert_eq!(budgets(&stack::full()).len(), 2);
    assert_eq!(
        budgets(&stack::single_node()),
        [(
            "dev-prometheus".to_owned(),
            "policy/v1beta1".to_owned(),
            Value::from("policy/v1beta1")
        )]
    );
}

#[test]
fn a_held_component_is_left_alone_and_changes_no_other() {
    let whole = stack::minimal();
    for component in Component::ALL {
        let mut stack = without(&whole, component);
        stack.held.insert(component);
        let of_others: Vec<_> = view::objects(&whole)
            .into_iter()
            .filter(|object| {
                object.body["metadata"]["labels"][meta::COMPONENT_LABEL] != component.name()
            })
            .collect();
        assert_eq!(view::objects(&stack), of_others);
    }
}

#[test]
fn a_component_that_is_off_is_named_nowhere() {
    for component in Component::ALL {
        let stack = without(&stack::minimal(), component);
        let name = stack.child_name(component);
        for object in view::objects(&stack) {
            assert!(!object.body.to_string().contains(&name), "{}", object.name);
        }
    }
}

fn without(stack: &Stack, component: Component) -> Stack {
    let mut stack = stack.clone();
    match component {
        Component::Prometheus => stack.prometheus = None,
        Component::Alertmanager => stack.alertmanager = None,
        Component::Loki => stack.loki = None,
        Component::Grafana => stack.grafana = None,
        Component::Agent => stack.agent = None,
    }
    stack
}

#[test]
fn cluster_wide_rights_are_bound_only_where_the_operator_may() {
    let cluster_scoped = |stack: &Stack| {
        view::objects(stack)
            .into_iter()
            .filter(|object| object.namespace.is_none())
            .count()
    };
    // Prometheus' of the nodes, the agent's of the pods.
    assert_eq!(cluster_scoped(&stack::minimal()), 2);
    assert_eq!(cluster_scoped(&stack::single_node()), 0);
    let config = view::file(&stack::single_node(), "dev-prometheus", "prometheus.yml");
    assert!(!config.contains("kubelet"));
}

#[test]
fn prometheus_may_read_the_namespaces_that_are_scraped_and_no_other() {
    let bound = |namespaces| {
        let mut stack = stack::minimal();
        stack.prometheus.as_mut().unwrap().discovery = Some(Discovery {
            annotations: None,
            reach: namespaces,
        });
        let objects = view::objects(&stack).into_iter();
        let bindings =
            objects.filter(|object| object.body["roleRef"]["name"] == "masthead-prometheus");
        bindings
            .map(|binding| binding.namespace)
            .collect::<Vec<_>>()
    };
    let these = ["monitoring", "shop"].map(str::to_owned);
    let own = || Some("monitoring".to_owned());
    assert_eq!(
        bound(Namespaces::These(these.into())),
        [own(), Some("shop".into())]
    );
    assert_eq!(bound(Namespaces::All), [None, own()]);
}

#[test]
fn names_with_dashes_cannot_collide_in_the_cluster() {
    let name = |namespace: &str, name: &str| {
        let mut stack = stack::minimal();
        (stack.namespace, stack.name) = (namespace.into(), name.into());
        let objects = render::render(&stack).into_ordered();
        let binding = objects
            .into_iter()
            .find(|object| object.namespace.is_none());
        binding.unwrap().name
    };
    assert_ne!(name("a-b", "c"), name("a", "b-c"));
}

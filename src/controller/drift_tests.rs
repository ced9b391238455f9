use serde_json::json;

use super::covers;

fn paths(live: &serde_json::Value, desired: &serde_json::Value) -> Vec<String> {
    covers(live, desired)
}

#[test]
fn defaults_and_fields_of_others_are_no_drift() {
    let desired = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 1}});
    let live = json!({
        "metadata": {"labels": {"a": "1", "theirs": "x"}, "uid": "u", "managedFields": []},
        "spec": {"replicas": 1, "updateStrategy": {"type": "RollingUpdate"}},
        "status": {"replicas": 1},
    });
    assert_eq!(paths(&live, &desired), Vec::<String>::new());
}

#[test]
fn a_changed_field_and_a_removed_label_are_found_by_their_paths() {
    let desired = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 2}});
    let live = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 1}});
    assert_eq!(
        paths(&live, &desired),
        ["metadata.labels.b", "spec.replicas"]
    );
}

#[test]
fn a_whole_branch_that_is_gone_is_one_path() {
    let desired = json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}});
    let live = json!({"spec": {"template": {}}});
    assert_eq!(paths(&live, &desired), ["spec.template.spec"]);
}

#[test]
fn containers_are_compared_by_name_and_injected_ones_are_left_alone() {
    let desired = json!({"spec": {"containers": [{"name": "main", "image": "a:1"}]}});
    let live = json!({"spec": {"containers": [
        {"name": "injected", "image": "mesh"},
        {"name": "main", "image": "a:1", "terminationMessagePath": "/dev/termination-log"},
    ]}});
    assert!(paths(&live, &desired).is_empty());
    let changed = json!({"spec": {"containers": [
        {"name": "injected", "image": "mesh"}, {"name": "main", "image": "a:2"},
    ]}});
    assert_eq!(
        paths(&changed, &desired),
        ["spec.containers[name=main].image"]
    );
    let gone = json!({"spec": {"containers": [{"name": "injected", "image": "mesh"}]}});
    assert_eq!(paths(&gone, &desired), ["spec.containers[name=main]"]);
}

#[test]
fn every_list_that_the_server_merges_by_key_is_compared_by_key() {
    for (list, ours, theirs) in [
        ("initContainers", json!({"name": "a"}), json!({"name": "b"})),
        (
            "env",
            json!({"name": "A", "value": "1"}),
            json!({"name": "B"}),
        ),
        ("volumes", json!({"name": "a"}), json!({"name": "b"})),
        (
            "volumeMounts",
            json!({"mountPath": "/a", "name": "a"}),
            json!({"mountPath": "/b", "name": "a"}),
        ),
        (
            "imagePullSecrets",
            json!({"name": "a"}),
            json!({"name": "b"}),
        ),
        ("ownerReferences", json!({"uid": "a"}), json!({"uid": "b"})),
        (
            "topologySpreadConstraints",
            json!({"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}),
            json!({"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}),
        ),
    ] {
        let desired = json!({"x": {list: [ours]}});
        let both = json!({"x": {list: [theirs, ours]}});
        assert!(paths(&both, &desired).is_empty(), "{list}");
        let without = json!({"x": {list: [theirs]}});
        assert_eq!(paths(&without, &desired).len(), 1, "{list}");
    }
}

#[test]
fn ports_of_containers_and_services_are_merged_by_number_and_protocol() {
    let desired = json!({"spec": {"ports": [{"name": "web", "port": 80, "targetPort": "web"}]}});
    let live = json!({"spec": {"ports": [
        {"name": "extra", "port": 81, "protocol": "TCP"},
        {"name": "web", "port": 80, "targetPort": "web", "protocol": "TCP", "nodePort": 30000},
    ]}});
    assert!(paths(&live, &desired).is_empty());
    let udp = json!({"spec": {"ports": [{"name": "web", "port": 80, "protocol": "UDP"}]}});
    assert_eq!(paths(&udp, &desired), ["spec.ports[port,protocol=80,TCP]"]);

    let desired = json!({"containers": [{"name": "a", "ports": [{"containerPort": 1}]}]});
    let live = json!({"containers": [{"name": "a", "ports": [
        {"containerPort": 2, "protocol": "TCP"}, {"containerPort": 1, "protocol": "TCP"},
    ]}]});
    assert!(paths(&live, &desired).is_empty());
}

#[test]
fn an_extra_element_of_a_list_that_is_one_value_is_drift() {
    let desired = json!({"spec": {"args": ["--a"], "tolerations": [{"operator": "Exists"}]}});
    let live = json!({"spec": {
        "args": ["--a", "--b"],
        "tolerations": [{"operator": "Exists"}, {"key": "x"}],
    }});
    assert_eq!(paths(&live, &desired), ["spec.args", "spec.tolerations"]);
    let other = json!({"spec": {"args": ["--z"], "tolerations": [{"operator": "Exists"}]}});
    assert_eq!(paths(&other, &desired), ["spec.args[0]"]);
}

#[test]
fn a_network_policy_may_have_no_rule_peer_or_port_too_many() {
    let desired = json!({"spec": {"ingress": [
        {"from": [{"podSelector": {}}], "ports": [{"port": 9090}]},
    ]}});
    let live = |rule: serde_json::Value| json!({"spec": {"ingress": [rule]}});
    let same = live(json!({
        "from": [{"podSelector": {}}], "ports": [{"port": 9090, "protocol": "TCP"}],
    }));
    assert!(paths(&same, &desired).is_empty());
    let wider = live(json!({
        "from": [{"podSelector": {}, "namespaceSelector": {}}], "ports": [{"port": 9090}],
    }));
    assert_eq!(
        paths(&wider, &desired),
        ["spec.ingress[0].from[0].namespaceSelector"]
    );
    let more = json!({"spec": {"ingress": [
        {"from": [{"podSelector": {}}], "ports": [{"port": 9090}]}, {},
    ]}});
    assert_eq!(paths(&more, &desired), ["spec.ingress"]);
    let ports = live(json!({
        "from": [{"podSelector": {}}], "ports": [{"port": 9090}, {"port": 22}],
    }));
    assert_eq!(paths(&ports, &desired), ["spec.ingress[0].ports"]);
}

#[test]
fn amounts_are_compared_by_value_and_only_amounts() {
    let desired = json!({"resources": {
        "requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": 1},
    }});
    let live = json!({"resources": {
        "requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1"},
    }});
    assert!(paths(&live, &desired).is_empty());
    let more = json!({"resources": {
        "requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"cpu": "1"},
    }});
    assert_eq!(paths(&more, &desired), ["resources.requests.memory"]);
    let text = json!({"data": {"x": "0.5"}});
    assert_eq!(paths(&json!({"data": {"x": "500m"}}), &text), ["data.x"]);
    let temporary = json!({"emptyDir": {"sizeLimit": "1024Mi"}});
    assert!(paths(&json!({"emptyDir": {"sizeLimit": "1Gi"}}), &temporary).is_empty());
}

#[test]
fn what_was_rendered_as_nothing_is_covered_by_nothing() {
    let desired = json!({"a": null, "b": [], "c": {"d": null}});
    assert!(paths(&json!({"c": {}}), &desired).is_empty());
}

#[test]
fn a_false_that_the_server_does_not_have_is_drift() {
    let desired = json!({"spec": {"automountServiceAccountToken": false}});
    assert_eq!(
        paths(&json!({"spec": {}}), &desired),
        ["spec.automountServiceAccountToken"]
    );
}

#[test]
fn a_value_of_another_type_is_drift() {
    assert_eq!(paths(&json!({"a": "1"}), &json!({"a": 1})), ["a"]);
    assert_eq!(paths(&json!({"a": "1"}), &json!({"a": {"b": 1}})), ["a"]);
    assert_eq!(paths(&json!({"a": {}}), &json!({"a": ["x"]})), ["a"]);
}

#[test]
fn an_object_covers_itself() {
    let object = json!({"spec": {"ports": [{"port": 1}], "ingress": [{}], "args": ["x"]}});
    assert!(paths(&object, &object).is_empty());
}

//! The rights that the chart gives the operator, bound to users of the test.

use std::{fs, path::Path};

use kube::{
    Client,
    api::{ApiResource, DynamicObject, PostParams},
};
use masthead::controller::live;
use serde_json::{Value, json};

use crate::apiserver::{OPERATOR, TENANT};

const GROUP: &str = "rbac.authorization.k8s.io";

/// What the chart installs by default, as it is, but for the subject.
pub async fn cluster_wide(client: &Client) {
    for mut object in installed() {
        if object["subjects"].is_array() {
            object["subjects"] = subject(OPERATOR);
        }
        create(client, object).await;
    }
}

/// What it installs with `watchNamespaces`: the same rules, but for those on the cluster, in a
/// role of each namespace.
pub async fn namespaced(client: &Client, home: &str, namespaces: &[&str]) {
    let installed = installed();
    let role = |kind: &str, name: &str| {
        let found = installed
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.unwrap()["rules"].as_array().unwrap().clone()
    };
    let of_cluster = |rule: &Value| {
        let resources = rule["resources"].to_string();
        ["clusterrolebindings", "namespaces", "storageclasses"]
            .iter()
            .any(|plural| resources.contains(plural))
    };
    let mut rules = role("ClusterRole", "masthead-operator");
    rules.retain(|rule| !of_cluster(rule));
    for namespace in namespaces {
        grant(client, namespace, "masthead-operator", &rules).await;
    }
    grant(
        client,
        home,
        "masthead-lease",
        &role("Role", "masthead-lease"),
    )
    .await;
}

async fn grant(client: &Client, namespace: &str, name: &str, rules: &[Value]) {
    let metadata = json!({"name": name, "namespace": namespace});
    let role = json!({"kind": "Role", "metadata": metadata, "rules": rules});
    create(client, role).await;
    let role = json!({"apiGroup": GROUP, "kind": "Role", "name": name});
    let binding = json!({
        "kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": subject(TENANT),
    });
    create(client, binding).await;
}

/// The roles and bindings of the rendered chart.
fn installed() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    let text = fs::read_to_string(path).unwrap();
    let objects = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap_or_default());
    objects.filter(|object| plural(object).is_some()).collect()
}

fn plural(object: &Value) -> Option<&'static str> {
    match object["kind"].as_str()? {
        "ClusterRole" => Some("clusterroles"),
        "ClusterRoleBinding" => Some("clusterrolebindings"),
        "Role" => Some("roles"),
        "RoleBinding" => Some("rolebindings"),
        _ => None,
    }
}

fn subject(user: &str) -> Value {
    json!([{"kind": "User", "name": user, "apiGroup": GROUP}])
}

async fn create(client: &Client, object: Value) {
    let resource = ApiResource {
        group: GROUP.into(),
        version: "v1".into(),
        api_version: format!("{GROUP}/v1"),
        kind: object["kind"].as_str().unwrap().into(),
        plural: plural(&object).unwrap().into(),
    };
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let namespace = object.metadata.namespace.clone();
    let api = live::api(client, &resource, namespace.as_deref());
    api.create(&PostParams::default(), &object).await.unwrap();
}

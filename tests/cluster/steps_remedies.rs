//! Stacks that the cluster refuses in part: each says which field of it would help.

use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use masthead::api::stack::MonitoringStack;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::support::{Cluster, condition, eventually};

const TROUBLED: &str = "troubled";

/// A stack of one component, the condition that tells of it, and what that has to name.
struct Case {
    name: &'static str,
    spec: Value,
    condition: &'static str,
    named: &'static [&'static str],
}

fn cases(prometheus: &str) -> Vec<Case> {
    vec![
        Case {
            name: "quota",
            spec: json!({"alerting": {"storage": {"size": "1Gi"}}, "agent": {"enabled": false}}),
            condition: "AlertingReady",
            named: &["exceeded quota", "lower spec.alerting.storage.size"],
        },
        Case {
            name: "priority",
            spec: json!({
                "agent": {"priorityClassName": "nobodys"}, "alerting": {"enabled": false},
            }),
            condition: "AgentReady",
            named: &["nobodys", "set spec.agent.priorityClassName"],
        },
        Case {
            name: "pull",
            spec: json!({
                "imagePullSecrets": [{"name": "gone"}],
                "agent": {"enabled": false}, "alerting": {"enabled": false},
            }),
            condition: "Degraded",
            named: &["spec.imagePullSecrets[0]", "\"gone\""],
        },
        Case {
            name: "selector",
            spec: json!({
                "agent": {"nodeSelector": {"disk": "golden"}}, "alerting": {"enabled": false},
            }),
            condition: "AgentReady",
            named: &["disk=golden", "check spec.agent.nodeSelector"],
        },
        Case {
            name: "class",
            spec: json!({
                "alerting": {"storage": {"size": "16Mi", "storageClassName": "nobodys"}},
                "agent": {"enabled": false},
            }),
            condition: "AlertingReady",
            named: &["nobodys", "set spec.alerting.storage.storageClassName"],
        },
        // A program that does not know the flags it is given.
        Case {
            name: "crash",
            spec: json!({
                "alerting": {
                    "image": prometheus, "version": "0.33.1", "storage": {"size": "16Mi"},
                },
                "agent": {"enabled": false},
            }),
            condition: "AlertingReady",
            named: &["crash-alertmanager-0", "see kubectl logs -n troubled"],
        },
    ]
}

async fn create<K>(api: &Api<K>, object: Value)
where
    K: Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// What no case is about is switched off.
fn stack(case: &Case) -> Value {
    let mut spec = case.spec.clone();
    for component in ["metrics", "logs", "dashboards"] {
        spec[component] = json!({"enabled": false});
    }
    json!({
        "apiVersion": "masthead.dev/v1alpha1",
        "kind": "MonitoringStack",
        "metadata": {"name": case.name},
        "spec": spec,
    })
}

pub async fn what_the_cluster_refuses_is_told_with_the_field_that_helps(cluster: &Cluster) {
    let client: Client = cluster.client.clone();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    create(&namespaces, json!({"metadata": {"name": TROUBLED}})).await;
    let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), TROUBLED);
    create(
        &quotas,
        json!({
            "metadata": {"name": "small"}, "spec": {"hard": {"requests.storage": "100Mi"}},
        }),
    )
    .await;
    let stacks: Api<MonitoringStack> = Api::namespaced(client, TROUBLED);
    let spec = cluster.stack().await.spec;
    let cases = cases(&spec.metrics.unwrap().image.unwrap().0);
    for case in &cases {
        create(&stacks, stack(case)).await;
    }
    for case in &cases {
        eventually(&format!("{}: the field that helps", case.name), || async {
            let stack = stacks.get(case.name).await.unwrap();
            let (_, _, message) = condition(&stack, case.condition);
            case.named
                .iter()
                .all(|part| message.contains(part))
                .then_some(())
        })
        .await;
    }
    namespaces
        .delete(TROUBLED, &DeleteParams::default())
        .await
        .unwrap();
}

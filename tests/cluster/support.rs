//! A cluster that already runs, and patient ways to look at it.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use masthead::api::stack::MonitoringStack;
use serde_json::Value;

/// The namespace of the sample stack.
pub const NAMESPACE: &str = "monitoring";
/// The name of the sample stack.
pub const STACK: &str = "main";

/// How long a step may take on a slow machine before it counts as stuck.
const PATIENCE: Duration = Duration::from_mins(3);

/// The cluster of `KUBECONFIG`.
pub struct Cluster {
    pub client: Client,
}

impl Cluster {
    pub async fn connect() -> Self {
        Self {
            client: Client::try_default()
                .await
                .expect("KUBECONFIG names the cluster"),
        }
    }

    pub fn stacks(&self) -> Api<MonitoringStack> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub async fn stack(&self) -> MonitoringStack {
        self.stacks().get(STACK).await.unwrap()
    }

    /// Merges into the stack's specification, as `kubectl patch --type merge` does.
    pub async fn patch_stack(&self, spec: Value) -> MonitoringStack {
        let patch = serde_json::json!({ "spec": spec });
        self.stacks()
            .patch(STACK, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap()
    }

    /// Gives the stack an external label, and asks Prometheus itself whether it runs with it once
    /// the status says so.
    pub async fn load_label(&self, cluster: &str) {
        let labels = serde_json::json!({"metrics": {"externalLabels": {"cluster": cluster}}});
        self.patch_stack(labels).await;
        self.until(&format!("the label {cluster} is loaded"), is_ready)
            .await;
        let config = self.ask("main-prometheus", "/api/v1/status/config").await;
        let config = config.unwrap()["data"]["yaml"].to_string();
        assert!(config.contains(&format!("cluster: {cluster}")), "{config}");
    }

    /// The pods of the stack: name to uid.
    pub async fn pods(&self) -> BTreeMap<String, String> {
        let labels =
            format!("app.kubernetes.io/instance={STACK},app.kubernetes.io/managed-by=masthead");
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let listed = pods
            .list(&ListParams::default().labels(&labels))
            .await
            .unwrap();
        listed
            .into_iter()
            .map(|pod| (pod.name_any(), pod.uid().unwrap()))
            .collect()
    }

    /// Asks a Service of the stack by HTTP; the answer's body as JSON, or nothing.
    pub async fn ask(&self, service: &str, path: &str) -> Option<Value> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), NAMESPACE);
        let spec = services.get(service).await.ok()?.spec?;
        let port = spec.ports?.first()?.port;
        let url = format!("http://{}:{port}{path}", spec.cluster_ip?);
        let answer = Command::new("curl")
            .args(["-sS", "--max-time", "5", &url])
            .output()
            .unwrap();
        serde_json::from_slice(&answer.stdout).ok()
    }

    /// The value of an instant query that gives one series.
    pub async fn query(&self, expr: &str) -> Option<f64> {
        let query = expr
            .bytes()
            .fold(String::new(), |query, byte| format!("{query}%{byte:02X}"));
        let answer = self
            .ask("main-prometheus", &format!("/api/v1/query?query={query}"))
            .await?;
        answer["data"]["result"][0]["value"][1]
            .as_str()?
            .parse()
            .ok()
    }

    /// Waits until the stack's status is as asked for, else fails with the status.
    pub async fn until(
        &self,
        what: &str,
        holds: impl Fn(&MonitoringStack) -> bool,
    ) -> MonitoringStack {
        let started = Instant::now();
        loop {
            let stack = self.stack().await;
            if holds(&stack) {
                eprintln!("{what}: after {:.1?}", started.elapsed());
                return stack;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{what}: not so: {:#?}",
                stack.status
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Waits until a question is answered, else fails.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            eprintln!("{what}: after {:.1?}", started.elapsed());
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not so");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The status of a condition, and its message.
pub fn condition(stack: &MonitoringStack, type_: &str) -> (String, String, String) {
    let conditions = stack.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == type_)
        .map(|found| {
            (
                found.status.clone(),
                found.reason.clone(),
                found.message.clone(),
            )
        })
        .next()
        .unwrap_or_default()
}

/// Whether the stack is Ready for its newest generation.
pub fn is_ready(stack: &MonitoringStack) -> bool {
    let observed = stack
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed == stack.metadata.generation && condition(stack, "Ready").0 == "True"
}

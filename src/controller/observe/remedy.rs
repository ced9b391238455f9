//! What a person can do about it, in terms of the stack's own fields.

use crate::api::component::Component;

/// An image that cannot be pulled.
pub fn image(component: Component, cause: &str) -> String {
    let cause = cause.to_lowercase();
    if component == Component::Agent {
        return "the agents run the operator's own image: set the chart's image to one that the nodes can pull".into();
    }
    let field = component.field();
    if [
        "unauthorized",
        "denied",
        "authorization",
        "authentication",
        "forbidden",
    ]
    .iter()
    .any(|word| cause.contains(word))
    {
        return format!(
            "check spec.{field}.image and give its credentials in spec.imagePullSecrets"
        );
    }
    if cause.contains("not found") || cause.contains("unknown") {
        return format!("check spec.{field}.image and spec.{field}.version");
    }
    format!("set spec.{field}.image to a registry that the nodes can reach")
}

/// A process that needed more memory than its limit.
pub fn memory(component: Component) -> String {
    let field = component.field();
    format!("raise spec.{field}.resources.limits.memory")
}

/// A process that ends again and again.
pub fn crash(namespace: &str, pod: &str, container: &str) -> String {
    format!("see kubectl logs -n {namespace} {pod} -c {container} --previous")
}

/// A pod that no node takes.
pub fn scheduling(component: Component, message: &str) -> Option<String> {
    let field = component.field();
    let scheduling = scheduling_field(component);
    if message.contains("Insufficient") || message.contains("Too many pods") {
        return Some(format!(
            "lower spec.{field}.resources.requests or add a node"
        ));
    }
    if message.contains("volume node affinity") {
        return Some("the volume belongs to a node that does not take the pod".into());
    }
    if message.contains("node affinity") || message.contains("node selector") {
        return Some(format!("check {scheduling}.nodeSelector"));
    }
    (message.contains("taint") && component != Component::Agent)
        .then(|| "add to spec.scheduling.tolerations".into())
}

/// A claim without a volume.
pub fn volume(component: Component, message: &str) -> Option<String> {
    let field = component.field();
    (message.contains("storage class") || message.contains("storageclass"))
        .then(|| format!("set spec.{field}.storage.storageClassName to a class that kubectl get storageclass lists"))
}

/// Pods and claims that the API server refuses.
pub fn refusal(component: Component, message: &str) -> Option<String> {
    let field = component.field();
    if message.contains("PodSecurity") || message.contains("pod security policy") {
        let level = if component == Component::Agent {
            "privileged"
        } else {
            "baseline"
        };
        return Some(format!(
            "label the namespace pod-security.kubernetes.io/enforce={level} or set spec.{field}.enabled: false"
        ));
    }
    if message.contains("PriorityClass") {
        let scheduling = scheduling_field(component);
        return Some(format!(
            "set {scheduling}.priorityClassName to one that kubectl get priorityclass lists"
        ));
    }
    message.contains("quota").then(|| quota(field, message))
}

/// `exceeded quota: q, requested: limits.memory=512Mi, used: …`, or
/// `failed quota: q: must specify limits.cpu`.
fn quota(field: &str, message: &str) -> String {
    if let Some((_, unset)) = message.split_once("must specify ") {
        return format!("the quota wants {unset}: set it in spec.{field}.resources");
    }
    let requested = message.split_once("requested: ").map_or("", |(_, it)| it);
    let requested = requested.split(", used: ").next().unwrap_or_default();
    if requested.contains("requests.storage") {
        format!("raise the ResourceQuota or lower spec.{field}.storage.size")
    } else if requested.contains("memory") || requested.contains("cpu") {
        format!("raise the ResourceQuota or lower spec.{field}.resources")
    } else {
        "raise the ResourceQuota".into()
    }
}

/// Where a component's scheduling is: the agent has its own.
fn scheduling_field(component: Component) -> &'static str {
    match component {
        Component::Agent => "spec.agent",
        _ => "spec.scheduling",
    }
}

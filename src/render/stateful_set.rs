//! The StatefulSet of a component that keeps data, with what belongs to every such set.

use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetSpec},
        core::v1::PodTemplateSpec,
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use kube::api::ApiResource;

use super::{
    meta, network,
    objects::{Object, Objects, Stage},
    volume,
};
use crate::{
    api::component::Component,
    resolve::model::{Stack, Workload},
};

/// The StatefulSet, its headless Service and its disruption budget.
#[must_use]
pub fn objects(
    stack: &Stack,
    component: Component,
    workload: &Workload,
    template: PodTemplateSpec,
) -> Objects {
    let mut objects = Objects::default();
    objects.add(Stage::Network, &network::headless_service(stack, component));
    if workload.replicas > 1 {
        disruption_budget(stack, component, &mut objects);
    }
    let set = stateful_set(stack, component, workload, template);
    objects.add(Stage::Workload, &set);
    objects
}

fn stateful_set(
    stack: &Stack,
    component: Component,
    workload: &Workload,
    mut template: PodTemplateSpec,
) -> StatefulSet {
    let claims = workload
        .volume
        .as_ref()
        .map(|volume| vec![volume::claim_template(stack, component, volume)]);
    if let (None, Some(pod)) = (&claims, &mut template.spec) {
        // Nothing is kept, but the process still needs a place to write.
        pod.volumes
            .get_or_insert_default()
            .push(volume::empty_dir(volume::DATA));
    }
    StatefulSet {
        metadata: meta::owned(stack, component, stack.child_name(component)),
        spec: Some(StatefulSetSpec {
            service_name: Some(meta::headless_name(stack, component)),
            replicas: Some(workload.replicas),
            // Replicas need no order; in order, one that cannot start would hold back a repair of it.
            pod_management_policy: Some("Parallel".into()),
            selector: selector(stack, component),
            template,
            volume_claim_templates: claims,
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// One pod at a time may be taken away on purpose.
fn disruption_budget(stack: &Stack, component: Component, objects: &mut Objects) {
    let budget = PodDisruptionBudget {
        metadata: meta::owned(stack, component, stack.child_name(component)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(stack, component)),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    };
    let mut added = Objects::default();
    added.add(Stage::Network, &budget);
    if stack.server.policy_v1 {
        objects.extend(added);
    } else {
        for budget in added.into_ordered() {
            objects.add_untyped(as_v1beta1(budget));
        }
    }
}

/// Servers before 1.21 know the same fields under the older version.
fn as_v1beta1(mut budget: Object) -> Object {
    budget.resource = ApiResource {
        api_version: "policy/v1beta1".into(),
        version: "v1beta1".into(),
        ..budget.resource
    };
    if let Some(version) = budget.body.get_mut("apiVersion") {
        *version = budget.resource.api_version.clone().into();
    }
    budget
}

fn selector(stack: &Stack, component: Component) -> LabelSelector {
    LabelSelector {
        match_labels: Some(meta::selector(stack, component)),
        ..LabelSelector::default()
    }
}

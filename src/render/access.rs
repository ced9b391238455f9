//! Service accounts, and the bindings to the roles that the chart owns. The operator binds roles,
//! it never writes them: so it needs no right to escalate.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject},
};

use super::meta;
use crate::{api::component::Component, resolve::model::Stack};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The account of a component's pods. A pod that talks to the API mounts its token itself.
#[must_use]
pub fn service_account(stack: &Stack, component: Component) -> ServiceAccount {
    ServiceAccount {
        metadata: meta::owned(stack, component, stack.child_name(component)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// Binds a role of the chart to a component, in the stack's namespace.
#[must_use]
pub fn role_binding(stack: &Stack, component: Component, role: &str) -> RoleBinding {
    RoleBinding {
        metadata: meta::owned(stack, component, stack.child_name(component)),
        role_ref: cluster_role(stack, role),
        subjects: Some(vec![account(stack, component)]),
    }
}

/// Binds a role of the chart to a component, in another namespace than the stack's.
#[must_use]
pub fn role_binding_in(
    stack: &Stack,
    component: Component,
    role: &str,
    namespace: &str,
) -> RoleBinding {
    RoleBinding {
        metadata: meta::in_namespace(stack, component, role, namespace),
        role_ref: cluster_role(stack, role),
        subjects: Some(vec![account(stack, component)]),
    }
}

/// Binds a role of the chart to a component, in the whole cluster. `name` tells the bindings of
/// one component apart.
#[must_use]
pub fn cluster_role_binding(
    stack: &Stack,
    component: Component,
    role: &str,
    name: &str,
) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: meta::cluster_scoped(stack, component, name),
        role_ref: cluster_role(stack, role),
        subjects: Some(vec![account(stack, component)]),
    }
}

fn cluster_role(stack: &Stack, role: &str) -> RoleRef {
    RoleRef {
        api_group: RBAC_GROUP.into(),
        kind: "ClusterRole".into(),
        name: format!("{}-{role}", stack.operator.role_prefix),
    }
}

fn account(stack: &Stack, component: Component) -> Subject {
    Subject {
        kind: "ServiceAccount".into(),
        name: stack.child_name(component),
        namespace: Some(stack.namespace.clone()),
        ..Subject::default()
    }
}

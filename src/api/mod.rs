//! The types users write and read. No input or output, no clock, no environment.

// Each `printcolumn(…)` of kube's derive repeats the same keys; the lint takes them for one list.
#![allow(clippy::duplicated_attributes)]

#[cfg(feature = "controller")]
pub mod agent;
pub mod agent_config;
#[cfg(feature = "controller")]
pub mod agent_logs;
#[cfg(feature = "controller")]
pub mod agent_postgres;
#[cfg(feature = "controller")]
pub mod alerting;
#[cfg(feature = "controller")]
pub mod component;
#[cfg(feature = "controller")]
pub mod dashboards;
#[cfg(feature = "controller")]
pub mod default_rules;
#[cfg(feature = "controller")]
pub mod defaults;
#[cfg(feature = "controller")]
pub mod discovery;
#[cfg(feature = "controller")]
pub mod external_loki;
#[cfg(feature = "controller")]
pub mod rule;
#[cfg(feature = "controller")]
pub mod rule_test;
#[cfg(feature = "controller")]
pub mod selector;
#[cfg(feature = "controller")]
pub mod stack;
#[cfg(feature = "controller")]
pub mod status;
#[cfg(feature = "controller")]
mod unquoted;
#[cfg(feature = "controller")]
pub mod value;

#[cfg(feature = "controller")]
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// The API group of every custom resource here.
pub const GROUP: &str = "masthead.dev";
/// The one served and stored version; it only ever grows.
pub const VERSION: &str = "v1alpha1";

/// The custom resource definitions, in the order they are printed and installed.
#[cfg(feature = "controller")]
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    use kube::CustomResourceExt;
    let mut crds = vec![stack::MonitoringStack::crd(), rule::AlertRule::crd()];
    let schemas = crds.iter_mut().flat_map(|crd| &mut crd.spec.versions);
    for schema in schemas.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
    {
        without_null(schema);
    }
    crds
}

/// Takes back that an absent field may also be written as null: old servers publish such a field
/// without its type, so that `kubectl explain` shows nothing of it. Objects keep it, since current
/// servers make a null of one that server-side apply empties, and would then refuse it.
#[cfg(feature = "controller")]
fn without_null(schema: &mut JSONSchemaProps) {
    if schema.type_.as_deref() != Some("object") {
        schema.nullable = None;
    }
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    schema
        .properties
        .iter_mut()
        .flatten()
        .for_each(|(_, property)| without_null(property));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        without_null(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        without_null(values);
    }
}

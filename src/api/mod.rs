//! The types users write and read. No input or output, no clock, no environment.

// Each `printcolumn(…)` of kube's derive repeats the same keys; the lint takes them for one list.
#![allow(clippy::duplicated_attributes)]

pub mod agent_config;
#[cfg(feature = "controller")]
pub mod alerting;
#[cfg(feature = "controller")]
pub mod component;
#[cfg(feature = "controller")]
pub mod defaults;
#[cfg(feature = "controller")]
pub mod rule;
#[cfg(feature = "controller")]
pub mod stack;
#[cfg(feature = "controller")]
pub mod status;
#[cfg(feature = "controller")]
pub mod value;

/// The API group of every custom resource here.
pub const GROUP: &str = "masthead.dev";
/// The one served and stored version; it only ever grows.
pub const VERSION: &str = "v1alpha1";

/// The custom resource definitions, in the order they are printed and installed.
#[cfg(feature = "controller")]
#[must_use]
pub fn crds()
-> Vec<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>
{
    use kube::CustomResourceExt;
    vec![stack::MonitoringStack::crd(), rule::AlertRule::crd()]
}

//! Objects of prometheus-operator's kinds, as the API server has them.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::Value;

use super::rules::JudgedObject;
use crate::resolve::{model::SecretValue, problem::Problem};

/// The API group of the kinds.
pub const GROUP: &str = "monitoring.coreos.com";

/// A kind that is honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Scrapes pods behind Services.
    ServiceMonitor,
    /// Scrapes pods.
    PodMonitor,
    /// Scrapes a prober that looks at addresses.
    Probe,
    /// Scrapes whatever Prometheus can find.
    ScrapeConfig,
    /// Alerts and recorded series.
    PrometheusRule,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ServiceMonitor,
        Self::PodMonitor,
        Self::Probe,
        Self::ScrapeConfig,
        Self::PrometheusRule,
    ];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "ServiceMonitor",
            Self::PodMonitor => "PodMonitor",
            Self::Probe => "Probe",
            Self::ScrapeConfig => "ScrapeConfig",
            Self::PrometheusRule => "PrometheusRule",
        }
    }

    /// The name of its list.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "servicemonitors",
            Self::PodMonitor => "podmonitors",
            Self::Probe => "probes",
            Self::ScrapeConfig => "scrapeconfigs",
            Self::PrometheusRule => "prometheusrules",
        }
    }
}

/// Which object: kind, namespace and name.
pub type Key = (Kind, String, String);

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its kind.
    pub kind: Kind,
    /// The group and version it was read by.
    pub api_version: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: Option<i64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its specification.
    pub spec: Value,
}

impl Foreign {
    /// The object of a manifest; none of a kind that is not honoured.
    #[must_use]
    pub fn from_manifest(mut object: Value) -> Option<Self> {
        let kind = object.get("kind").and_then(Value::as_str)?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let text = |pointer| text(pointer).unwrap_or_default().to_owned();
        let labels = object.pointer("/metadata/labels").cloned();
        let labels = labels.and_then(|labels| serde_json::from_value(labels).ok());
        Some(Self {
            kind,
            api_version: text("/apiVersion"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            generation: None,
            labels: labels.unwrap_or_default(),
            spec: object.get_mut("spec").map(Value::take).unwrap_or_default(),
        })
    }

    /// How it is named to people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind.name(), self.namespace, self.name)
    }

    /// Which it is.
    #[must_use]
    pub fn key(&self) -> Key {
        (self.kind, self.namespace.clone(), self.name.clone())
    }

    /// How Events point to it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.api_version.clone()),
            kind: Some(self.kind.name().to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        }
    }
}

/// A Secret or a `ConfigMap` that objects refer to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Whether it is a Secret; else a `ConfigMap`.
    pub secret: bool,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What was found at a [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The values by key.
    pub data: BTreeMap<String, SecretValue>,
    /// The namespaces that its owner lets read it, from [`SHARED_WITH`].
    pub shared_with: Vec<String>,
}

/// The annotation by which the owner of a Secret or a `ConfigMap` lets the stacks of other
/// namespaces copy it: their names, with commas between.
pub const SHARED_WITH: &str = "masthead.dev/shared-with";

/// What a stack finds of prometheus-operator's kinds.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Whether any of the kinds is installed.
    pub installed: bool,
    /// The objects that the stack takes, by kind, namespace and name.
    pub taken: Vec<Arc<Foreign>>,
    /// What was found of the rules among them.
    pub rules: Vec<(Arc<Foreign>, Arc<JudgedObject>)>,
    /// What the objects that the stack takes refer to, if it exists.
    pub contents: BTreeMap<Place, Content>,
    /// Kinds that are installed and cannot be read, and why.
    pub unreadable: Vec<Problem>,
}

/// What a stack does not do with an object as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The object.
    pub object: Arc<Foreign>,
    /// The field and why.
    pub problem: Problem,
    /// Whether the piece is left out; else only the field is ignored.
    pub left_out: bool,
}

impl Note {
    /// A piece is left out.
    #[must_use]
    pub fn left_out(object: &Arc<Foreign>, problem: Problem) -> Self {
        Self {
            object: object.clone(),
            problem,
            left_out: true,
        }
    }

    /// A field is ignored.
    #[must_use]
    pub fn ignored(object: &Arc<Foreign>, problem: Problem) -> Self {
        Self {
            left_out: false,
            ..Self::left_out(object, problem)
        }
    }
}

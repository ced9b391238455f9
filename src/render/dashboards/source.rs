//! Who is asked: the data sources that every stack's Grafana has under the same uids.

use serde_json::{Value, json};

use crate::api::component::Component;

/// A data source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Metrics.
    Prometheus,
    /// Logs.
    Loki,
}

impl Source {
    /// How panels and variables name it.
    pub fn reference(self) -> Value {
        let name = self.component().name();
        json!({"type": name, "uid": name})
    }

    /// The store behind it.
    pub const fn component(self) -> Component {
        match self {
            Self::Prometheus => Component::Prometheus,
            Self::Loki => Component::Loki,
        }
    }
}

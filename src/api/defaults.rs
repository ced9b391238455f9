//! What an absent field means. One place, so that the docs and the code cannot differ.

use super::component::Component;

/// The folder of the nodes below which stacks may have log files shipped, unless the chart says
/// otherwise.
pub const HOST_LOGS: &str = "/var/log";
/// Where the pages are that say what to do about an alert.
pub const RUNBOOKS: &str = "https://github.com/masthead/masthead/blob/main/docs/runbooks";

/// Scrapes and rule evaluations happen this often.
pub const SCRAPE_INTERVAL: &str = "15s";
/// Metrics and logs are kept this long.
pub const RETENTION: &str = "30d";
/// The share of a volume that Prometheus may fill with blocks, percent; its docs advise 80 to 85.
pub const RETENTION_VOLUME_PERCENT: u64 = 80;

/// From this share of a node's memory on it is too full, percent.
pub const MEMORY_USED_PERCENT: f64 = 90.0;
/// From this share of a node's CPU on it is too busy, percent.
pub const CPU_USED_PERCENT: f64 = 80.0;
/// Below this share of a file system it has too little left, percent.
pub const DISK_FREE_PERCENT: f64 = 10.0;
/// From this number of connections on a PostgreSQL server has too many.
pub const POSTGRES_CONNECTIONS: f64 = 80.0;

/// The default CPU-free resources and volume of one component.
pub struct ComponentDefaults {
    /// The image's repository.
    pub repository: &'static str,
    /// The version, which is also the image's tag once `tag_prefix` stands before it.
    pub version: &'static str,
    /// What stands before the version in the tag: `v` or nothing.
    pub tag_prefix: &'static str,
    /// Memory limit.
    pub memory_limit: &'static str,
    /// Memory request.
    pub memory_request: &'static str,
    /// Size of the volume; none: the component keeps nothing.
    pub volume: Option<&'static str>,
}

/// The defaults of a component. The agent's image is the operator's own, so its image is empty.
#[must_use]
pub const fn of(component: Component) -> ComponentDefaults {
    match component {
        Component::Prometheus => ComponentDefaults {
            repository: "quay.io/prometheus/prometheus",
            version: "3.14.0",
            tag_prefix: "v",
            memory_limit: "512Mi",
            memory_request: "256Mi",
            volume: Some("20Gi"),
        },
        Component::Alertmanager => ComponentDefaults {
            repository: "quay.io/prometheus/alertmanager",
            version: "0.34.0",
            tag_prefix: "v",
            memory_limit: "128Mi",
            memory_request: "64Mi",
            volume: Some("1Gi"),
        },
        Component::Loki => ComponentDefaults {
            repository: "docker.io/grafana/loki",
            version: "3.7.6",
            tag_prefix: "",
            memory_limit: "512Mi",
            memory_request: "256Mi",
            volume: Some("20Gi"),
        },
        Component::Grafana => ComponentDefaults {
            repository: "docker.io/grafana/grafana",
            version: "13.1.3",
            tag_prefix: "",
            memory_limit: "512Mi",
            memory_request: "256Mi",
            volume: Some("1Gi"),
        },
        Component::Agent => ComponentDefaults {
            repository: "",
            version: env!("CARGO_PKG_VERSION"),
            tag_prefix: "",
            memory_limit: "128Mi",
            memory_request: "64Mi",
            volume: None,
        },
    }
}

//! Who talks to whom: the one table that container ports, Services, network policies and scrape
//! jobs are made from, so that none of them can forget a flow.

use crate::api::component::Component::{self, Agent, Alertmanager, Grafana, Loki, Prometheus};

/// Someone who opens connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Masthead's operator.
    Operator,
    /// The pods of a component of the same stack.
    Component(Component),
    /// Whoever reaches the cluster's network.
    Anyone,
}

/// The transport of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Where a port is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// By the component's Service, and by each pod's own name.
    Service,
    /// By each pod's own name, or its address.
    Pod,
}

/// How Prometheus reads metrics from a port, at `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// The job's name; dashboards and mixins select by it.
    pub job: &'static str,
    /// Whether `instance` is the node's name instead of the pod's address.
    pub by_node: bool,
    /// Whether the series have a label `instance` of their own, which stays.
    pub own_instance: bool,
    /// Whether the series tell of other pods, so that the target's own labels must not be on them.
    pub of_others: bool,
}

/// A port of a component, and who may reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Whose port it is.
    pub component: Component,
    /// Its name, unique in the component.
    pub name: &'static str,
    /// Its number.
    pub number: u16,
    /// Its transport.
    pub protocol: Protocol,
    /// Where it is offered.
    pub offer: Offer,
    /// How it is scraped, if it has metrics.
    pub scrape: Option<Scrape>,
    /// Who connects to it.
    pub from: &'static [Peer],
}

/// Every port of every component.
pub const PORTS: &[Port] = &[
    Port {
        component: Prometheus,
        name: "http",
        number: 9090,
        protocol: Protocol::Tcp,
        offer: Offer::Service,
        scrape: Some(by_pod("prometheus")),
        // Loki writes what its recording rules give.
        from: &[
            Peer::Operator,
            Peer::Component(Prometheus),
            Peer::Component(Grafana),
            Peer::Component(Loki),
        ],
    },
    Port {
        component: Alertmanager,
        name: "http",
        number: 9093,
        protocol: Protocol::Tcp,
        offer: Offer::Service,
        scrape: Some(by_pod("alertmanager")),
        from: &[
            Peer::Operator,
            Peer::Component(Prometheus),
            Peer::Component(Grafana),
            Peer::Component(Loki),
        ],
    },
    // Replicas tell each other what was notified: small messages by UDP, whole states by TCP.
    Port {
        component: Alertmanager,
        name: "cluster-tcp",
        number: 9094,
        protocol: Protocol::Tcp,
        offer: Offer::Pod,
        scrape: None,
        from: &[Peer::Component(Alertmanager)],
    },
    Port {
        component: Alertmanager,
        name: "cluster-udp",
        number: 9094,
        protocol: Protocol::Udp,
        offer: Offer::Pod,
        scrape: None,
        from: &[Peer::Component(Alertmanager)],
    },
    Port {
        component: Loki,
        name: "http",
        number: 3100,
        protocol: Protocol::Tcp,
        offer: Offer::Service,
        scrape: Some(by_pod("loki")),
        from: &[
            Peer::Operator,
            Peer::Component(Prometheus),
            Peer::Component(Grafana),
            Peer::Component(Agent),
        ],
    },
    Port {
        component: Grafana,
        name: "http",
        number: 3000,
        protocol: Protocol::Tcp,
        offer: Offer::Service,
        scrape: Some(by_pod("grafana")),
        from: &[Peer::Anyone],
    },
    Port {
        component: Agent,
        name: NODE,
        number: 9100,
        protocol: Protocol::Tcp,
        offer: Offer::Pod,
        // Existing dashboards and mixins ask for this job.
        scrape: Some(by_node("node-exporter")),
        from: &[Peer::Component(Prometheus)],
    },
    Port {
        component: Agent,
        name: CONTAINERS,
        number: 8081,
        protocol: Protocol::Tcp,
        offer: Offer::Pod,
        // The job that kubernetes-mixin asks for.
        scrape: Some(Scrape {
            of_others: true,
            ..by_node("cadvisor")
        }),
        from: &[Peer::Component(Prometheus)],
    },
    Port {
        component: Agent,
        name: POSTGRES,
        number: 9187,
        protocol: Protocol::Tcp,
        // Servers that are not of this node are asked for by name, of whichever agent.
        offer: Offer::Service,
        scrape: Some(Scrape {
            own_instance: true,
            of_others: true,
            ..by_node(POSTGRES_JOB)
        }),
        from: &[Peer::Component(Prometheus)],
    },
    Port {
        component: Agent,
        name: "admin",
        number: 9110,
        protocol: Protocol::Tcp,
        offer: Offer::Pod,
        scrape: Some(by_node("masthead-agent")),
        from: &[Peer::Component(Prometheus)],
    },
];

/// The port that answers a component's HTTP API.
pub const HTTP: &str = "http";
/// The agent's port with the node's metrics.
pub const NODE: &str = "node";
/// The agent's port with the containers' metrics.
pub const CONTAINERS: &str = "containers";
/// The agent's port with PostgreSQL's metrics.
pub const POSTGRES: &str = "postgres";
/// The job of PostgreSQL's metrics.
pub const POSTGRES_JOB: &str = "postgres-exporter";
/// The job of the servers that are configured by name; the label `job` of its series is the other.
pub const POSTGRES_TARGETS_JOB: &str = "postgres-exporter-targets";
/// The job of the operator's own metrics.
pub const OPERATOR_JOB: &str = "masthead-operator";
/// The operator's port.
pub const OPERATOR_PORT: u16 = 8080;

const fn by_pod(job: &'static str) -> Scrape {
    Scrape {
        job,
        by_node: false,
        own_instance: false,
        of_others: false,
    }
}

const fn by_node(job: &'static str) -> Scrape {
    Scrape {
        job,
        by_node: true,
        own_instance: false,
        of_others: false,
    }
}

/// The ports of a component.
pub fn ports(component: Component) -> impl Iterator<Item = &'static Port> {
    PORTS.iter().filter(move |port| port.component == component)
}

/// The number of a component's HTTP API; 0 for the agent, which has none.
#[must_use]
pub fn http_port(component: Component) -> u16 {
    ports(component)
        .find(|port| port.name == HTTP)
        .map_or(0, |port| port.number)
}

impl Protocol {
    /// As Kubernetes writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_ports_of_a_component_share_a_name_or_a_number() {
        for component in Component::ALL {
            let count = ports(component).count();
            let names: BTreeSet<_> = ports(component).map(|port| port.name).collect();
            let numbers: BTreeSet<_> = ports(component)
                .map(|port| (port.number, port.protocol.name()))
                .collect();
            assert_eq!((names.len(), numbers.len()), (count, count));
        }
    }

    #[test]
    fn a_port_name_is_short_enough_for_kubernetes() {
        assert!(PORTS.iter().all(|port| port.name.len() <= 15));
    }

    #[test]
    fn no_two_jobs_share_a_name() {
        let jobs: Vec<_> = PORTS.iter().filter_map(|port| port.scrape).collect();
        let names: BTreeSet<_> = jobs.iter().map(|scrape| scrape.job).collect();
        assert_eq!(names.len(), jobs.len());
    }
}

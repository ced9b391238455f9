//! The dashboards that come with a stack: data, made from what the stack has, so that no panel asks
//! for what nobody gathers.
//!
//! One file for each dashboard, built from [`board`]'s rows and [`panel`]'s panels. Limits are those
//! of the default alerts, from [`crate::api::defaults`].

mod application;
pub mod board;
mod itself;
mod logs;
mod network;
mod node;
mod overview;
pub mod panel;
mod pods;
mod postgres;
mod queries;
pub mod source;
pub mod style;
mod traefik;

use crate::{
    api::{component::Component, dashboards::Extra},
    resolve::model::{Grafana, Stack},
};
use board::Dashboard;

/// The folder of the dashboards that come with the stack.
pub const FOLDER: &str = "Masthead";
/// What their uids start with; no other dashboard may have one like it.
pub const UID_PREFIX: &str = "masthead-";

/// What a stack has that panels can ask for.
struct Parts<'a>(&'a Stack);

impl Parts<'_> {
    fn alertmanager(&self) -> bool {
        self.0.runs(Component::Alertmanager)
    }

    fn loki(&self) -> bool {
        self.0.runs(Component::Loki)
    }

    fn agent(&self) -> bool {
        self.0.runs(Component::Agent)
    }

    /// The agent gathers the nodes' metrics.
    fn node(&self) -> bool {
        self.0.gathers_nodes()
    }

    /// The agent gathers the containers' metrics.
    fn containers(&self) -> bool {
        self.0.gathers_containers()
    }

    /// The agent asks PostgreSQL servers.
    fn postgres(&self) -> bool {
        let agent = self.0.agent.as_ref();
        agent.is_some_and(|agent| agent.config.postgres.is_some())
    }

    /// The agent ships log lines.
    fn agent_logs(&self) -> bool {
        self.0.sends_logs()
    }
}

/// The dashboards that come with a stack; none when they are switched off.
#[must_use]
pub fn shipped(stack: &Stack, grafana: &Grafana) -> Vec<Dashboard> {
    let Some(extras) = &grafana.shipped else {
        return Vec::new();
    };
    let parts = Parts(stack);
    let mut dashboards = Vec::new();
    if stack.runs(Component::Prometheus) {
        dashboards.push(overview::dashboard(&parts));
        if parts.node() {
            dashboards.push(node::dashboard());
        }
        if parts.containers() {
            dashboards.push(pods::dashboard());
        }
        if parts.node() || parts.containers() {
            dashboards.push(network::dashboard(&parts));
        }
        if parts.postgres() && !extras.contains(&Extra::Postgres) {
            dashboards.push(postgres::dashboard());
        }
        dashboards.extend(extras.iter().map(|extra| match extra {
            Extra::Postgres => postgres::dashboard(),
            Extra::Traefik => traefik::dashboard(),
            Extra::Application => application::dashboard(),
        }));
        dashboards.push(itself::dashboard(&parts));
    }
    // A Loki elsewhere has the same uid.
    if parts.loki() || stack.external_loki.is_some() {
        dashboards.push(logs::dashboard());
    }
    dashboards
}

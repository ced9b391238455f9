//! One component's condition and entry in the status.

use super::{Facts, tell};
use crate::{
    api::{
        component::Component,
        status::{ComponentStatus, ConfigStatus},
    },
    controller::conditions::{Says, clip, reason, whole_seconds},
    render::flows,
    resolve::problem::Problem,
};

/// The bound of a process's own words in the status.
const WORDS: usize = 400;

impl Facts<'_> {
    /// The component's condition: the first thing in the way of what the specification says.
    pub(super) fn verdict(&self, component: Component) -> Says {
        let type_ = component.condition();
        if self.resolution.stack.held.contains(&component) {
            let message = format!(
                "{}; what runs goes on as it is",
                tell(&self.problems_of(component))
            );
            return Says::no(type_, reason::INVALID_SPEC, message);
        }
        let failed = self.applied.failed.iter().find(|(of, _)| *of == component);
        if let Some((_, message)) = failed {
            return Says::no(type_, reason::APPLY_FAILED, message.clone());
        }
        let Some(observed) = self.observation.components.get(&component) else {
            return Says::no(type_, reason::NOT_CREATED, "nothing of it was seen yet");
        };
        if let Some(finding) = &observed.finding {
            return Says::no(type_, finding.reason, finding.message.clone());
        }
        if let Some(config) = self.configs.get(&component).filter(|config| !config.loaded) {
            let why = config.message.as_deref().unwrap_or("no pod has loaded it");
            let message = format!("the new configuration is not loaded: {why}");
            return Says::no(type_, reason::CONFIG_NOT_LOADED, message);
        }
        let message = match observed.desired {
            0 => "no node takes a pod of it".into(),
            1 => "1 pod is ready".into(),
            pods => format!("{pods} pods are ready"),
        };
        Says::yes(type_, reason::READY, message)
    }

    fn problems_of(&self, component: Component) -> Vec<Problem> {
        let field = format!("spec.{}", component.field());
        let below = |problem: &&Problem| {
            let rest = problem.field.strip_prefix(&field);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let problems = self.resolution.problems.iter();
        problems.filter(below).cloned().collect()
    }

    /// The component's entry in the status.
    pub(super) fn component_status(&self, component: Component) -> ComponentStatus {
        let stack = &self.resolution.stack;
        let observed = self.observation.components.get(&component);
        let workload = stack.workload(component);
        let mut ports = flows::ports(component);
        let http = ports.find(|port| port.name == flows::HTTP);
        let endpoint = http.map(|port| {
            let service = stack.child_name(component);
            format!("http://{service}.{}.svc:{}", stack.namespace, port.number)
        });
        let old = self.old.and_then(|old| {
            let mut components = old.components.iter();
            components.find(|old| old.name == component.name())
        });
        ComponentStatus {
            name: component.name().to_owned(),
            ready: observed.map_or(0, |seen| seen.ready),
            desired: observed.map_or(0, |seen| seen.desired),
            version: workload
                .map(|workload| workload.version.text.clone())
                .or_else(|| old?.version.clone()),
            endpoint,
            config: self.config_status(component, old.and_then(|old| old.config.as_ref())),
        }
    }

    /// What is not delivered this time keeps what was known of it.
    fn config_status(
        &self,
        component: Component,
        old: Option<&ConfigStatus>,
    ) -> Option<ConfigStatus> {
        let delivered = self.configs.get(&component);
        let Some(config) = delivered.filter(|config| !config.hash.is_empty()) else {
            return old.cloned();
        };
        let known = old.filter(|old| old.hash == config.hash && old.loaded);
        let loaded_at = || {
            let known = known.and_then(|old| old.loaded_at.clone());
            known.unwrap_or_else(|| whole_seconds(self.now).to_string())
        };
        Some(ConfigStatus {
            loaded: config.loaded,
            hash: config.hash.clone(),
            loaded_at: config.loaded.then(loaded_at),
            message: config.message.as_deref().map(|words| clip(words, WORDS)),
        })
    }
}

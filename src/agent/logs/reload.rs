//! The reader takes over a changed configuration.

use std::sync::Arc;

use super::checkpoint::SavedSource;
use super::client::Client;
use super::entries::Work;
use super::plan::Plan;
use super::push::Target;
use super::reader::{QUIET_TURN, Reader};
use super::source::Source;
use super::tenant::Tenant;
use crate::api::agent_config::LogsConfig;

impl Reader {
    /// Takes over a changed configuration. Sources that stay are named anew; how far they are
    /// delivered stays, and what is left out is kept for when it comes again.
    pub(super) fn reload(&mut self) {
        let config = self.parts.live.current();
        let config = config.logs.clone().unwrap_or_else(|| self.nothing());
        if config == self.parts.plan.config {
            return;
        }
        let plan = Plan::after(config, &self.parts.plan.tenants);
        let client = plan
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|plan| Client::new(&plan.config.loki).map_err(|error| error.to_string()));
        let (plan, client) = match (plan, client) {
            (Ok(plan), Ok(client)) => (plan, client),
            (_, error) => {
                // Not to be expected: it was tried when the file was read.
                tracing::error!(
                    error = error.err(),
                    "the logs' configuration stays as it is"
                );
                return;
            }
        };
        if plan.config.state != self.parts.plan.config.state {
            tracing::warn!("logs.state: another folder is used after a restart only");
        }
        if plan.config.loki != self.parts.plan.config.loki {
            self.parts.target.send_replace(Target {
                client: Arc::new(client),
                tenants: plan.tenants.clone(),
            });
        }
        for tenant in 0..self.tenants.len() {
            self.seal(tenant);
        }
        self.tenants.iter_mut().for_each(Tenant::forget);
        for source in self.sources.values_mut() {
            source.queued = false;
            source.settled = None;
        }
        let block = plan.config.limits.line_bytes * 2;
        if block > self.work.buffer.len() {
            self.work = Work::new(block.max(QUIET_TURN));
            self.work.tick();
        }
        self.parts.plan = plan;
        self.look_where();
        tracing::info!("the logs' configuration has changed");
    }

    /// What stands for a configuration without logs: nothing is read.
    fn nothing(&self) -> LogsConfig {
        let now = &self.parts.plan.config;
        LogsConfig {
            loki: now.loki.clone(),
            state: now.state.clone(),
            ..LogsConfig::default()
        }
    }

    /// Puts sources away that are not read any more; what was delivered of them is kept.
    pub(super) fn shelve(&mut self, which: impl Fn(&Source) -> bool) {
        let ids = self
            .sources
            .values()
            .filter(|source| which(source))
            .map(|source| source.id);
        for id in ids.collect::<Vec<_>>() {
            let Some(source) = self.sources.remove(&id) else {
                continue;
            };
            self.by_key.remove(&source.key);
            source
                .watch
                .iter()
                .for_each(|watch| self.hints.leave(*watch));
            self.parts.metrics.lags.remove(&source.lag);
            let files = source.files.into_iter().map(|file| file.record).collect();
            let app = source.app;
            self.saved
                .sources
                .insert(source.key, SavedSource { app, files });
            self.dirty = true;
        }
    }
}

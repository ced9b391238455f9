//! `spec.logs`: Loki.

use super::{
    alerting::{self, external},
    duration, metrics,
    model::{Loki, RuleFiles},
    problem::Problem,
    workload::Common,
};
use crate::api::{
    component::Component,
    defaults,
    stack::{LogsSpec, MonitoringStackSpec},
};

const DAY_MILLIS: u64 = 24 * 3_600_000;

/// Resolves Loki.
pub fn resolve(
    spec: &MonitoringStackSpec,
    rule_files: RuleFiles,
    problems: &mut Vec<Problem>,
) -> Result<Loki, Problem> {
    let default = LogsSpec::default();
    let logs = spec.logs.as_ref().unwrap_or(&default);
    let field = "spec.logs.retention";
    let retention = metrics::duration_or(field, logs.retention.as_ref(), defaults::RETENTION)?;
    let millis = duration::parse_millis(&retention).unwrap_or_default();
    if millis < DAY_MILLIS {
        let message = format!("{retention} is too short: Loki keeps whole days, 1d at least");
        return Err(Problem::new(field, message));
    }
    Ok(Loki {
        workload: Common {
            component: Component::Loki,
            image: logs.image.as_ref(),
            version: logs.version.as_ref(),
            replicas: None,
            resources: logs.resources.as_ref(),
            storage: logs.storage.as_ref(),
            scheduling: spec.scheduling.as_ref(),
        }
        .resolve()?,
        retention: format!("{}h", millis.div_ceil(3_600_000)),
        rule_files,
        alertmanager_urls: external::plain_urls(spec, problems),
        // What is wrong with a link is told once, with Alertmanager's.
        grafana_link: spec
            .alerting
            .as_ref()
            .and_then(|it| alerting::links(it, &mut Vec::new()).grafana),
    })
}

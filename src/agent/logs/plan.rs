//! The configuration, checked and made ready.

use std::sync::Arc;

use anyhow::Context as _;
use regex::bytes::{Regex, RegexBuilder};

use super::client;
use super::fields::Format;
use super::stage::{self, Stages, Step, Taken};
use crate::api::agent_config::{Fields, LogsConfig, PodMatch, StageConfig};

/// What the configuration says, ready to be used.
#[derive(Debug)]
pub struct Plan {
    /// As it was written.
    pub config: LogsConfig,
    /// Tenants by number; the first is the one of everything that has none of its own.
    pub tenants: Arc<[Option<String>]>,
    stages: Vec<(Option<PodMatch>, Step)>,
}

impl Plan {
    /// Checks a configuration.
    ///
    /// # Errors
    /// The message names the field and what would be right.
    pub fn new(config: LogsConfig) -> anyhow::Result<Self> {
        Self::after(config, &[])
    }

    /// Checks a configuration that follows another: its tenants keep their numbers, since batches
    /// on their way go by them.
    ///
    /// # Errors
    /// As those of [`Self::new`].
    pub fn after(config: LogsConfig, tenants: &[Option<String>]) -> anyhow::Result<Self> {
        client::address(&config.loki.url)?;
        let mut tenants = tenants.to_vec();
        match tenants.first_mut() {
            Some(first) => first.clone_from(&config.loki.tenant),
            None => tenants.push(config.loki.tenant.clone()),
        }
        for tenant in config.loki.tenants.values() {
            if !tenants.contains(&Some(tenant.clone())) {
                tenants.push(Some(tenant.clone()));
            }
        }
        let pods = config
            .pods
            .iter()
            .flat_map(|pods| &pods.multiline)
            .enumerate();
        for (index, rule) in pods {
            check(
                &format!("logs.pods.multiline[{index}].firstLine"),
                &rule.first_line,
            )?;
        }
        for (index, file) in config.files.iter().enumerate() {
            let field = format!("logs.files[{index}].firstLine");
            file.first_line
                .iter()
                .try_for_each(|pattern| check(&field, pattern))?;
        }
        if let Some(first) = config
            .docker
            .as_ref()
            .and_then(|docker| docker.first_line.as_ref())
        {
            check("logs.docker.firstLine", first)?;
        }
        let limit = config.limits.line_bytes;
        anyhow::ensure!(
            (1024..=16 << 20).contains(&limit),
            "logs.limits.lineBytes: {limit} is not between 1024 and 16777216"
        );
        let stages = config.stages.iter().enumerate();
        let stages = stages.map(|(index, stage)| step(index, stage));
        Ok(Self {
            stages: stages.collect::<anyhow::Result<_>>()?,
            config,
            tenants: tenants.into(),
        })
    }

    /// Whether what is done to pods depends on their labels.
    pub fn asks_for_labels(&self) -> bool {
        let pods = self.config.pods.iter();
        let rules = pods.flat_map(|pods| {
            let lines = pods.multiline.iter().map(|rule| &rule.pods);
            pods.include.iter().chain(&pods.exclude).chain(lines)
        });
        let stages = self.stages.iter().filter_map(|(pods, _)| pods.as_ref());
        rules
            .chain(stages)
            .any(|pods| !pods.match_labels.is_empty())
    }

    /// The number of a namespace's tenant.
    pub fn tenant(&self, namespace: Option<&str>) -> usize {
        let own = namespace.and_then(|namespace| self.config.loki.tenants.get(namespace));
        let position =
            own.and_then(|own| self.tenants.iter().position(|it| it.as_ref() == Some(own)));
        position.unwrap_or(0)
    }

    /// What is done to the entries of a source; `fits` says of which pods it is.
    pub fn stages(&self, fits: Option<Fits<'_>>) -> Arc<Stages> {
        let steps = self.stages.iter().filter(|(pods, _)| match (pods, fits) {
            (None, _) => true,
            (Some(pods), Some(fits)) => fits(pods),
            // What is of no pod fits no rule about pods.
            (Some(_), None) => false,
        });
        Arc::new(Stages::new(steps.map(|(_, step)| step.clone()).collect()))
    }
}

/// Whether pods fit.
pub type Fits<'a> = &'a dyn Fn(&PodMatch) -> bool;

fn step(index: usize, config: &StageConfig) -> anyhow::Result<(Option<PodMatch>, Step)> {
    let pattern = |field: &str, pattern: &str| {
        let field = format!("logs.stages[{index}].{field}.pattern");
        regex(pattern).with_context(|| format!("{field}: {pattern:?} is no regular expression"))
    };
    Ok(match config {
        StageConfig::Drop(it) => (it.pods.clone(), Step::Drop(pattern("drop", &it.pattern)?)),
        StageConfig::Keep(it) => (it.pods.clone(), Step::Keep(pattern("keep", &it.pattern)?)),
        StageConfig::Replace(it) => {
            let step = Step::Replace(pattern("replace", &it.pattern)?, it.with.clone());
            (it.pods.clone(), step)
        }
        StageConfig::Json(it) => (it.pods.clone(), Step::Fields(Format::Json, taken(it))),
        StageConfig::Logfmt(it) => (it.pods.clone(), Step::Fields(Format::Logfmt, taken(it))),
        StageConfig::Sample(it) => {
            let keep = it.keep;
            let wrong =
                || format!("logs.stages[{index}].sample.keep: {keep} is not between 0 and 1");
            anyhow::ensure!((0.0..=1.0).contains(&keep), wrong());
            (it.pods.clone(), Step::Sample(stage::part(keep)))
        }
    })
}

fn taken(fields: &Fields) -> Vec<Taken> {
    let of = |label: bool| {
        move |(field, name): (&String, &String)| Taken {
            field: field.clone(),
            name: name.clone(),
            label,
        }
    };
    let labels = fields.labels.iter().map(of(true));
    labels
        .chain(fields.metadata.iter().map(of(false)))
        .collect()
}

/// The most memory that a pattern may take: who annotates a pod must not fill the agent.
const PATTERN: usize = 1 << 20;

/// A regular expression.
///
/// # Errors
/// When it is none, or takes too much memory.
pub fn regex(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(PATTERN).build()
}

fn check(field: &str, pattern: &str) -> anyhow::Result<()> {
    regex(pattern).with_context(|| format!("{field}: {pattern:?} is no regular expression"))?;
    Ok(())
}

//! `spec.agent.logs`: which lines the agents ship. Whom they ship them to is rendered.
//!
//! A piece that is wrong is left out alone, unless lines would then leave the node that were meant
//! to stay or to be redacted: that holds the whole agent as it is.

use std::collections::BTreeMap;

use regex::bytes::RegexBuilder;

use super::{Inputs, problem::Problem, quantity};
use crate::api::{
    agent_config::{
        Fields, FileLogsConfig, JournalConfig, LogsConfig, Pattern, PodLogsConfig, PodMatch,
        PodMultiline, PodsConfig, RateLimit, Replacement, Sampling, StageConfig,
    },
    agent_logs::{
        AgentLogsSpec, FieldRule, JournalSpec, LinePattern, LineRegex, LogFiles, PodChoice,
    },
    stack::ExternalLabelValue,
};

const FIELD: &str = "spec.agent.logs";
/// The labels that a source itself gives, and Loki's own `service_name`.
const TAKEN: [&str; 9] = [
    "app",
    "container",
    "filename",
    "job",
    "namespace",
    "node_name",
    "pod",
    "service_name",
    "stream",
];
/// Loki takes 15 labels; a pod's lines have seven, and Loki adds one.
const MOST_LABELS: usize = 7;
/// What a compiled pattern may take in the agent's memory.
const PATTERN_BYTES: usize = 1 << 20;
/// Where the kubelet keeps the lines of pods. They are read as such, with the pods' rules.
const POD_FOLDERS: [&str; 3] = [
    "/var/log/pods",
    "/var/log/containers",
    "/var/lib/docker/containers",
];
/// Where syslog daemons write, by the label `job`.
const SYSLOG: [(&str, &str); 2] = [
    ("syslog", "/var/log/syslog"),
    ("messages", "/var/log/messages"),
];

/// What the agents ship; none when that is switched off.
pub fn resolve(
    spec: Option<&AgentLogsSpec>,
    namespace: &str,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Option<LogsConfig>, Problem> {
    let default = AgentLogsSpec::default();
    let spec = spec.unwrap_or(&default);
    if spec.enabled == Some(false) {
        return Ok(None);
    }
    let operator = &inputs.operator;
    // As with the containers' metrics: no more than the operator itself may look at.
    let only = (!operator.cluster_wide).then_some(namespace);
    let (labels, free) = labels(spec, problems);
    Ok(Some(LogsConfig {
        labels,
        pods: pods(spec, only, problems),
        files: files(spec, operator.host_logs.as_deref(), only, problems),
        journal: journal(
            spec.journal.as_ref(),
            operator.host_logs.as_deref(),
            problems,
        ),
        stages: stages(spec, free, problems)?,
        ..LogsConfig::default()
    }))
}

fn pods(
    spec: &AgentLogsSpec,
    only: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<PodLogsConfig> {
    let include = match only {
        None => spec.include.iter().map(pod_match).collect(),
        Some(namespace) => within(&spec.include, namespace, problems)?,
    };
    let mut multiline = Vec::new();
    for (index, rule) in spec.multiline.iter().enumerate() {
        let field = format!("{FIELD}.multiline[{index}].firstLine");
        match pattern(&field, &rule.first_line) {
            Ok(first_line) => multiline.push(PodMultiline {
                pods: rule.pods.as_ref().map(pod_match).unwrap_or_default(),
                first_line,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    Some(PodLogsConfig {
        include,
        exclude: spec.exclude.iter().map(pod_match).collect(),
        multiline,
        watch: Some(PodsConfig {
            namespace: only.map(str::to_owned),
        }),
        limit: limit(spec, problems),
        ..PodLogsConfig::default()
    })
}

/// The choices, narrowed to one namespace; none when nothing is left of them.
fn within(
    include: &[PodChoice],
    namespace: &str,
    problems: &mut Vec<Problem>,
) -> Option<Vec<PodMatch>> {
    let everything = [PodChoice::default()];
    let include = if include.is_empty() {
        &everything
    } else {
        include
    };
    let mut narrowed = Vec::new();
    for (index, choice) in include.iter().enumerate() {
        if choice.namespaces.iter().any(|name| name != namespace) {
            problems.push(Problem::new(
                format!("{FIELD}.include[{index}].namespaces"),
                format!(
                    "this operator has no rights but in namespaces of its own: only {namespace:?} can be read"
                ),
            ));
        }
        if choice.namespaces.is_empty() || choice.namespaces.iter().any(|name| name == namespace) {
            narrowed.push(PodMatch {
                namespaces: vec![namespace.to_owned()],
                ..pod_match(choice)
            });
        }
    }
    (!narrowed.is_empty()).then_some(narrowed)
}

fn pod_match(choice: &PodChoice) -> PodMatch {
    let labels = choice.match_labels.iter();
    PodMatch {
        namespaces: choice.namespaces.clone(),
        match_labels: labels
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect(),
        containers: choice.containers.clone(),
    }
}

fn limit(spec: &AgentLogsSpec, problems: &mut Vec<Problem>) -> Option<RateLimit> {
    let given = spec.pod_bytes_per_second.as_ref()?;
    if let Some(bytes_per_second @ 1024..) = quantity::parse_bytes(&given.0) {
        return Some(RateLimit { bytes_per_second });
    }
    let field = format!("{FIELD}.podBytesPerSecond");
    let message = format!("{:?}: write such as 1Mi, 1Ki at least", given.0);
    problems.push(Problem::new(field, message));
    None
}

/// The labels of every line, and how many more its fields may give.
fn labels(spec: &AgentLogsSpec, problems: &mut Vec<Problem>) -> (BTreeMap<String, String>, usize) {
    let field = format!("{FIELD}.labels");
    let labels = static_labels(&field, &spec.labels, &TAKEN, problems);
    let free = MOST_LABELS.saturating_sub(labels.len());
    (labels, free)
}

fn static_labels(
    field: &str,
    given: &BTreeMap<String, ExternalLabelValue>,
    taken: &[&str],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in given {
        match label_name(name, taken) {
            Ok(()) if labels.len() == MOST_LABELS => {
                let message = format!("more than {MOST_LABELS} labels: Loki takes 15 in all");
                problems.push(Problem::new(format!("{field}[{name}]"), message));
            }
            Ok(()) => {
                labels.insert(name.clone(), value.0.clone());
            }
            Err(message) => problems.push(Problem::new(format!("{field}[{name}]"), message)),
        }
    }
    labels
}

/// Whether Loki takes a label's name, and no source gives that label itself.
fn label_name(name: &str, taken: &[&str]) -> Result<(), String> {
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !valid {
        return Err("not a label name: letters, digits and _, not starting with a digit".into());
    }
    if name.starts_with("__") {
        return Err("names that start with __ are Loki's own".into());
    }
    if taken.contains(&name) {
        return Err("the agent sets this label itself: choose another name".into());
    }
    Ok(())
}

fn files(
    spec: &AgentLogsSpec,
    allowed: Option<&str>,
    only: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Vec<FileLogsConfig> {
    let Some(given) = &spec.files else {
        // The nodes' own lines are for who watches the whole cluster.
        return if only.is_none() {
            syslog(allowed)
        } else {
            Vec::new()
        };
    };
    let taken: Vec<&str> = TAKEN.into_iter().filter(|name| *name != "job").collect();
    let mut files = Vec::new();
    for (index, file) in given.iter().enumerate() {
        let field = format!("{FIELD}.files[{index}]");
        match host_file(&field, file, allowed) {
            Ok(first_line) => files.push(FileLogsConfig {
                path: file.path.clone(),
                labels: static_labels(&format!("{field}.labels"), &file.labels, &taken, problems),
                first_line,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    files
}

fn syslog(allowed: Option<&str>) -> Vec<FileLogsConfig> {
    SYSLOG
        .into_iter()
        .filter(|(_, path)| allowed.is_some_and(|folder| below(path, folder)))
        .map(|(job, path)| FileLogsConfig {
            path: path.to_owned(),
            labels: BTreeMap::from([("job".to_owned(), job.to_owned())]),
            first_line: None,
        })
        .collect()
}

/// Whether a file of the nodes may be read; its first-line pattern, if it may.
fn host_file(
    field: &str,
    file: &LogFiles,
    allowed: Option<&str>,
) -> Result<Option<String>, Problem> {
    let path = &file.path;
    let refuse = |message: String| Err(Problem::new(format!("{field}.path"), message));
    let Some(folder) = allowed else {
        return refuse(
            "this operator allows no files of the nodes (agent.hostLogs of its chart)".into(),
        );
    };
    let mut parts = path.split('/').skip(1);
    if !path.starts_with('/') || parts.any(|part| ["", ".", ".."].contains(&part)) {
        return refuse(format!(
            "{path:?} is no absolute path without . and ..: write such as {folder}/app.log"
        ));
    }
    if !below(path, folder) {
        return refuse(format!(
            "{path:?} is not below {folder}, which is all that this operator allows (agent.hostLogs of its chart)"
        ));
    }
    if POD_FOLDERS.iter().any(|folder| may_enter(path, folder)) {
        return refuse(format!(
            "{path:?} reaches the lines of pods, which are read already: choose them by spec.agent.logs.include"
        ));
    }
    let first_line = file.first_line.as_ref();
    first_line
        .map(|regex| pattern(&format!("{field}.firstLine"), regex))
        .transpose()
}

fn below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a pattern of paths can name something below a folder.
fn may_enter(pattern: &str, folder: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), folder.split('/'));
    names.all(|name| {
        patterns
            .next()
            .is_some_and(|pattern| fits(pattern.as_bytes(), name.as_bytes()))
    }) && patterns.next().is_some()
}

/// Whether a pattern with `*` and `?` fits a name.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => fits(rest, name),
        (Some((b'*', rest)), Some((_, name_rest))) => fits(rest, name) || fits(pattern, name_rest),
        (Some((b'?', rest)), Some((_, name_rest))) => fits(rest, name_rest),
        (Some((byte, rest)), Some((letter, name_rest))) => byte == letter && fits(rest, name_rest),
        _ => false,
    }
}

fn journal(
    spec: Option<&JournalSpec>,
    allowed: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<JournalConfig> {
    let spec = spec?;
    if allowed.is_none() {
        problems.push(Problem::new(
            format!("{FIELD}.journal"),
            "this operator allows nothing of the nodes' own (agent.hostLogs of its chart)",
        ));
        return None;
    }
    let unit = |name: &String| {
        if name.contains('.') {
            name.clone()
        } else {
            format!("{name}.service")
        }
    };
    Some(JournalConfig {
        units: spec.units.iter().map(unit).collect(),
        ..JournalConfig::default()
    })
}

fn stages(
    spec: &AgentLogsSpec,
    free: usize,
    problems: &mut Vec<Problem>,
) -> Result<Vec<StageConfig>, Problem> {
    let mut stages = patterns("keep", &spec.keep, StageConfig::Keep)?;
    stages.extend(patterns("drop", &spec.drop, StageConfig::Drop)?);
    for rule in &spec.sample {
        stages.push(StageConfig::Sample(Sampling {
            pods: rule.pods.as_ref().map(pod_match),
            keep: f64::from(rule.keep_percent.clamp(0, 100)) / 100.0,
        }));
    }
    for (index, rule) in spec.redact.iter().enumerate() {
        let field = format!("{FIELD}.redact[{index}].pattern");
        stages.push(StageConfig::Replace(Replacement {
            pods: rule.pods.as_ref().map(pod_match),
            pattern: pattern(&field, &rule.pattern)?,
            with: rule.with.clone().unwrap_or_default(),
        }));
    }
    let mut fields = FieldLabels {
        names: Vec::new(),
        free,
    };
    for (kind, rules, stage) in [
        ("json", &spec.json, StageConfig::Json as fn(Fields) -> _),
        ("logfmt", &spec.logfmt, StageConfig::Logfmt),
    ] {
        for (index, rule) in rules.iter().enumerate() {
            let field = format!("{FIELD}.{kind}[{index}]");
            stages.push(stage(fields.take(&field, rule, problems)));
        }
    }
    Ok(stages)
}

/// A wrong one holds the agent: without it more would leave the node than was meant to.
fn patterns(
    kind: &str,
    rules: &[LinePattern],
    stage: fn(Pattern) -> StageConfig,
) -> Result<Vec<StageConfig>, Problem> {
    let rules = rules.iter().enumerate();
    rules
        .map(|(index, rule)| {
            let field = format!("{FIELD}.{kind}[{index}].pattern");
            Ok(stage(Pattern {
                pods: rule.pods.as_ref().map(pod_match),
                pattern: pattern(&field, &rule.pattern)?,
            }))
        })
        .collect()
}

/// The labels that fields give, counted over all rules: one pod's lines may go through each.
struct FieldLabels {
    names: Vec<String>,
    free: usize,
}

impl FieldLabels {
    fn take(&mut self, field: &str, rule: &FieldRule, problems: &mut Vec<Problem>) -> Fields {
        let mut labels = BTreeMap::new();
        for (source, target) in &rule.labels {
            let name = if target.0.is_empty() {
                source
            } else {
                &target.0
            };
            match self.admit(name) {
                Ok(()) => {
                    labels.insert(source.clone(), name.clone());
                }
                Err(message) => {
                    problems.push(Problem::new(format!("{field}.labels[{source}]"), message));
                }
            }
        }
        let metadata = rule.metadata.iter();
        Fields {
            pods: rule.pods.as_ref().map(pod_match),
            labels,
            metadata: metadata
                .map(|(source, target)| {
                    let name = if target.0.is_empty() {
                        source
                    } else {
                        &target.0
                    };
                    (source.clone(), name.clone())
                })
                .collect(),
        }
    }

    fn admit(&mut self, name: &String) -> Result<(), String> {
        label_name(name, &TAKEN)?;
        if self.names.contains(name) {
            return Ok(());
        }
        if self.names.len() == self.free {
            return Err(format!(
                "more than {MOST_LABELS} labels beside the pod's own: Loki takes 15 in all; make it metadata"
            ));
        }
        self.names.push(name.clone());
        Ok(())
    }
}

fn pattern(field: &str, regex: &LineRegex) -> Result<String, Problem> {
    let built = RegexBuilder::new(&regex.0)
        .size_limit(PATTERN_BYTES)
        .build();
    match built {
        Ok(_) => Ok(regex.0.clone()),
        Err(error) => {
            // The last line says what; those before it draw where.
            let text = error.to_string();
            let what = text.lines().last().unwrap_or_default();
            let what = what.trim_start_matches("error: ");
            let message = format!("{:?} is no regular expression: {what}", regex.0);
            Err(Problem::new(field, message))
        }
    }
}

#[cfg(test)]
mod tests;

//! prometheus-operator's kinds, where they are installed: scrape jobs and rules from the objects
//! that others ship with their software.
//!
//! A wrong object, or a wrong part of one, harms itself only. What is not honoured is said: a field
//! whose loss changes nothing is ignored, any other takes out its part.

mod copies;
mod monitors;
pub mod objects;
mod probe;
mod read;
mod relabel;
pub mod rules;
mod scrape_config;
mod search;
mod settings;
mod spec;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Inputs, RuleVerdict,
    model::{
        Namespaces, SecretValue,
        jobs::{Found, Job, Match, Probe, Source, Step},
    },
    namespaces,
    problem::Problem,
    rules::{Barred, Origin, content_number},
};
use crate::api::{discovery::PrometheusOperatorSpec, stack::MonitoringStackSpec};
use copies::Copies;
use objects::{Content, Foreign, Kind, Note, Place};
use read::Read;
use rules::JudgedObject;
use settings::Surroundings;
use spec::AttachMetadata;

/// The most bytes of all jobs of others: they share one `ConfigMap` with the stack's own, which
/// holds 1 MiB at most.
const BYTES: usize = 768 << 10;

/// The jobs that objects ask for, and what became of each object.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// The files they need.
    pub secrets: BTreeMap<String, SecretValue>,
    /// What is not as the authors wrote it.
    pub notes: Vec<Note>,
    /// The objects of which something is used.
    pub used: BTreeSet<objects::Key>,
}

/// Whether a stack takes objects of the kinds at all.
#[must_use]
pub fn is_wanted(spec: &MonitoringStackSpec) -> bool {
    let metrics = spec.metrics.as_ref().and_then(|it| it.enabled);
    metrics.unwrap_or(true) && settings_of(spec).and_then(|it| it.enabled).unwrap_or(true)
}

fn settings_of(spec: &MonitoringStackSpec) -> Option<&PrometheusOperatorSpec> {
    spec.discovery.as_ref()?.prometheus_operator.as_ref()
}

/// The namespaces whose objects a stack takes; only its own when the selector cannot be followed.
pub fn sources(
    spec: &MonitoringStackSpec,
    own: &str,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Namespaces {
    let given = settings_of(spec).and_then(|it| it.namespaces.as_ref());
    if !inputs.operator.cluster_wide {
        // Each namespace is watched by itself.
        if given.is_some() {
            let message = "this operator works in some namespaces only (watchNamespaces): a stack takes the objects of its own";
            let field = "spec.discovery.prometheusOperator.namespaces";
            problems.push(Problem::new(field, message));
        }
        return Namespaces::These([own.to_owned()].into());
    }
    let (field, selector) = match given {
        Some(selector) => (
            "spec.discovery.prometheusOperator.namespaces",
            Some(selector),
        ),
        None => (
            "spec.discovery.namespaces",
            spec.discovery
                .as_ref()
                .and_then(|it| it.namespaces.as_ref()),
        ),
    };
    let mut found = Vec::new();
    let chosen = namespaces::select(field, selector, own, inputs, &mut found);
    // What is wrong with the other selector is said where that one is followed.
    if given.is_some() {
        problems.extend(found);
    }
    chosen.unwrap_or_else(|problem| {
        if given.is_some() {
            problems.push(problem);
        }
        Namespaces::These([own.to_owned()].into())
    })
}

/// The objects that a stack takes, in the order of kind, namespace and name.
#[must_use]
pub fn selected(
    spec: &MonitoringStackSpec,
    sources: &Namespaces,
    objects: &[Arc<Foreign>],
) -> Vec<Arc<Foreign>> {
    if !is_wanted(spec) {
        return Vec::new();
    }
    let labels = settings_of(spec).map(|it| &it.match_labels);
    let fits = |object: &&Arc<Foreign>| {
        let here = match sources {
            Namespaces::All => true,
            Namespaces::These(names) => names.contains(&object.namespace),
        };
        let mut wanted = labels.into_iter().flatten();
        here && wanted.all(|(name, value)| object.labels.get(name) == Some(&value.0))
    };
    let mut taken: Vec<_> = objects.iter().filter(fits).cloned().collect();
    taken.sort_by_cached_key(|object| object.key());
    taken
}

/// What a stack brings to the objects that it takes.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The stack's namespace.
    pub namespace: &'a str,
    /// Its scrape interval.
    pub interval: &'a str,
    /// The namespaces that its Prometheus may read.
    pub reach: &'a Namespaces,
    /// Whether its Prometheus may read nodes.
    pub nodes: bool,
}

impl<'a> Around<'a> {
    /// A stack that refuses nothing, in this namespace.
    const fn anything(namespace: &'a str) -> Self {
        Self {
            namespace,
            interval: "1y",
            reach: &Namespaces::All,
            nodes: true,
        }
    }
}

/// The Secrets and `ConfigMaps` that objects refer to.
#[must_use]
pub fn references(namespace: &str, objects: &[Arc<Foreign>]) -> BTreeSet<Place> {
    let mut copies = Copies::new(namespace, None);
    for object in objects {
        translate(Around::anything(namespace), &mut copies, object);
    }
    copies.into_wanted()
}

/// What every stack would say of an object, whatever else there is: Secrets are taken for granted.
#[must_use]
pub fn notes(object: &Arc<Foreign>) -> Vec<Note> {
    if object.kind == Kind::PrometheusRule {
        let judged = rules::judge(object);
        let groups = judged.groups.iter().flat_map(|group| &group.problems);
        let problems = groups.cloned().chain(judged.refused.clone());
        let left_out = problems.map(|problem| Note::left_out(object, problem));
        return left_out.chain(ignored(object, &judged)).collect();
    }
    let mut copies = Copies::new(&object.namespace, None);
    translate(Around::anything(&object.namespace), &mut copies, object).notes
}

fn ignored(object: &Arc<Foreign>, judged: &JudgedObject) -> impl Iterator<Item = Note> {
    let ignored = judged.ignored.iter().cloned();
    ignored.map(|problem| Note::ignored(object, problem))
}

/// The jobs of the objects that a stack takes.
#[must_use]
pub fn take(
    around: Around<'_>,
    objects: &[Arc<Foreign>],
    contents: &BTreeMap<Place, Content>,
    barred: &BTreeMap<String, Barred>,
) -> Taken {
    let mut copies = Copies::new(around.namespace, Some(contents));
    let mut taken = Taken::default();
    let mut bytes = 0;
    for object in objects.iter().filter(|it| it.kind != Kind::PrometheusRule) {
        let mut translation = translate(around, &mut copies, object);
        for mut job in translation.jobs {
            job.mark = mark(&job, &copies);
            let refused = barred.get(&job.name).filter(|it| it.mark == job.mark);
            if let Some(refused) = refused {
                let problem = Problem::new("spec", format!("{}: {}", job.name, refused.reason));
                translation.notes.push(Note::left_out(object, problem));
                continue;
            }
            bytes += weight(&job);
            if bytes > BYTES {
                bytes -= weight(&job);
                let message = format!(
                    "no room for the job {}: the jobs of a stack have {BYTES} bytes at most; give objects to another stack by spec.discovery.prometheusOperator",
                    job.name
                );
                translation
                    .notes
                    .push(Note::left_out(object, Problem::new("spec", message)));
                continue;
            }
            taken.jobs.push(job);
            taken.used.insert(object.key());
        }
        taken.notes.append(&mut translation.notes);
    }
    taken.secrets = copies.into_files();
    taken
}

/// A number for what a job is and what is in its files.
fn mark(job: &Job, copies: &Copies<'_>) -> u64 {
    let mut text = format!("{job:?}");
    for file in job.files() {
        text.push_str(&String::from_utf8_lossy(copies.value(file)));
    }
    content_number(&text)
}

/// The bytes of a job in the configuration file, rounded up.
fn weight(job: &Job) -> usize {
    // Names of labels and fields make the most of it; a step has some 150 bytes of its own.
    let step = |step: &Step| {
        let texts = [
            &step.separator,
            &step.regex,
            &step.target_label,
            &step.replacement,
        ];
        let texts = texts.into_iter().flatten().chain(&step.source_labels);
        150 + texts.map(|text| text.len() + 16).sum::<usize>()
    };
    let steps = job.steps.iter().chain(&job.metric_steps).map(step);
    let source = match &job.source {
        Source::Services(found) | Source::Pods(found) => found_weight(found),
        Source::Probe(probe) => probe_weight(probe),
        Source::ProbedIngresses(found, probe) => found_weight(found) + probe_weight(probe),
        Source::Plain(plain) => {
            let fixed = plain
                .fixed
                .iter()
                .map(|it| texts(&it.targets) + labels(&it.labels));
            let kinds = plain
                .kinds
                .iter()
                .map(|it| 300 + texts(it.namespaces.iter().flatten()));
            let names = plain.names.iter().map(|it| 100 + texts(&it.names));
            fixed.chain(kinds).chain(names).sum::<usize>() + 500 * plain.lists.len()
        }
    };
    let params = job
        .scrape
        .params
        .iter()
        .map(|(name, values)| 16 + name.len() + texts(values));
    3_000 + steps.sum::<usize>() + source + params.sum::<usize>()
}

fn found_weight(found: &Found) -> usize {
    let labels = found.pod_labels.iter().chain(&found.service_labels);
    let conditions = found.selector.iter().map(|it| match it {
        Match::In(key, values) | Match::NotIn(key, values) => 200 + 2 * key.len() + texts(values),
        Match::Exists(key) | Match::Absent(key) => 200 + 2 * key.len(),
    });
    let names = texts(found.namespaces.iter().flatten());
    names + conditions.sum::<usize>() + labels.map(|it| 200 + 2 * it.len()).sum::<usize>()
}

fn probe_weight(probe: &Probe) -> usize {
    texts(&probe.targets) + labels(&probe.labels)
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    texts.into_iter().map(|text| text.len() + 16).sum()
}

fn labels(labels: &BTreeMap<String, String>) -> usize {
    labels
        .iter()
        .map(|(name, value)| name.len() + value.len() + 24)
        .sum()
}

fn translate<'a>(
    around: Around<'a>,
    copies: &mut Copies<'_>,
    object: &'a Arc<Foreign>,
) -> Translation<'a> {
    let mut translation = Translation {
        object,
        around: Surroundings {
            namespace: around.namespace,
            interval: around.interval,
        },
        reach: around.reach,
        nodes: around.nodes,
        jobs: Vec::new(),
        notes: Vec::new(),
    };
    let done = match object.kind {
        Kind::ServiceMonitor | Kind::PodMonitor => {
            monitors::translate(&mut translation, copies, object)
        }
        Kind::Probe => probe::translate(&mut translation, copies, object),
        Kind::ScrapeConfig => scrape_config::translate(&mut translation, copies, object),
        Kind::PrometheusRule => Ok(()),
    };
    translation.left_out(done.err());
    translation
}

/// What becomes of one object.
struct Translation<'a> {
    object: &'a Arc<Foreign>,
    around: Surroundings<'a>,
    /// The namespaces that Prometheus may read.
    reach: &'a Namespaces,
    /// Whether Prometheus may read nodes.
    nodes: bool,
    jobs: Vec<Job>,
    notes: Vec<Note>,
}

impl Translation<'_> {
    /// What was read, its ignored fields noted.
    fn note<T>(&mut self, read: Read<T>) -> T {
        let ignored = read.ignored.into_iter();
        self.notes
            .extend(ignored.map(|problem| Note::ignored(self.object, problem)));
        read.value
    }

    /// A job, or why there is none.
    fn take(&mut self, job: Result<Job, Problem>) {
        match job {
            Ok(job) => self.jobs.push(job),
            Err(problem) => self.left_out(Some(problem)),
        }
    }

    /// Notes what is left out, if anything.
    fn left_out(&mut self, problem: Option<Problem>) {
        let note = problem.map(|problem| Note::left_out(self.object, problem));
        self.notes.extend(note);
    }

    /// Whether the labels of nodes are there for relabelling.
    fn node_metadata(&mut self, given: Option<&AttachMetadata>) -> bool {
        let asked = given.and_then(|it| it.node) == Some(true);
        if asked && !self.nodes {
            let message = "ignored: Prometheus may not read nodes, since the operator works in some namespaces only (watchNamespaces)";
            let problem = Problem::new("spec.attachMetadata.node", message);
            self.notes.push(Note::ignored(self.object, problem));
        }
        asked && self.nodes
    }
}

/// What a stack says of the objects that it takes.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Whether any of the kinds is installed and wanted.
    pub installed: bool,
    /// How many objects it takes.
    pub selected: usize,
    /// Of how many nothing is used.
    pub refused: usize,
    /// What is not as the authors wrote it.
    pub notes: Vec<Note>,
}

/// Puts together what became of jobs and rules.
#[must_use]
pub fn report(inputs: &Inputs, taken: Taken, verdicts: &[RuleVerdict]) -> Report {
    let Taken {
        mut notes,
        mut used,
        ..
    } = taken;
    for (object, judged) in &inputs.prometheus_operator.rules {
        notes.extend(ignored(object, judged));
        notes.extend(
            judged
                .refused
                .clone()
                .map(|problem| Note::left_out(object, problem)),
        );
        if judged.refused.is_none() && judged.groups.is_empty() {
            used.insert(object.key());
        }
    }
    for verdict in verdicts {
        let Origin::PrometheusRule { object, field } = &verdict.origin else {
            continue;
        };
        if verdict.file.is_some() {
            used.insert(object.key());
        }
        let located = |problem: &Problem| {
            if problem.field.starts_with(field.as_str()) {
                return problem.clone();
            }
            Problem::new(field, &problem.message)
        };
        let problems = verdict.problems.iter().map(located);
        notes.extend(problems.map(|problem| Note::left_out(object, problem)));
    }
    notes.sort_by_cached_key(|note| (!note.left_out, note.object.key()));
    let selected = inputs.prometheus_operator.taken.len();
    Report {
        installed: inputs.prometheus_operator.installed,
        selected,
        refused: selected.saturating_sub(used.len()),
        notes,
    }
}

#[cfg(test)]
mod tests;

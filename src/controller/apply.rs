//! Server-side apply: only where the server's object does not already cover the rendered one.

use std::collections::BTreeSet;

use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::Value;

use super::{
    discovery::Discovery,
    drift,
    error::{Error, code, namespace_is_leaving, words},
    immutable,
    live::{self, Key, Live},
    memory::Memory,
    observe::remedy,
    owner::{self, Owner},
};
use crate::{
    api::component::Component,
    render::{
        meta::{COMPONENT_LABEL, MANAGER, RENDERED_ANNOTATION},
        objects::Object,
    },
    resolve::{model::Stack, problem::Problem},
};

/// What came of applying a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The components whose `ConfigMaps` or Secrets were written.
    pub changed: BTreeSet<Component>,
    /// What was left out although it was rendered: kinds not served, immutable fields kept.
    pub skipped: Vec<Problem>,
    /// Objects that the server refused or somebody else holds; the others went on.
    pub failed: Vec<(Component, String)>,
    /// How many objects were written.
    pub writes: usize,
    /// Whether the stack's namespace is being deleted, and the stack with it: what goes there is not
    /// put back.
    pub leaving: bool,
}

/// What came of one object.
enum Outcome {
    Unchanged,
    Written,
    Failed(String),
    /// The stack's own namespace is being deleted.
    Leaving,
}

/// Applies objects and remembers what it wrote.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    discovery: Discovery,
    memory: Memory,
}

impl Applier {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(client: Client, discovery: Discovery, memory: Memory) -> Self {
        Self {
            client,
            discovery,
            memory,
        }
    }

    /// Applies the objects in their order. What one object suffers from does not stop the others.
    pub async fn apply(
        &self,
        stack: &Stack,
        live: &Live,
        objects: &[Object],
    ) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        for object in objects {
            let key = Key::of(object);
            let component = component(object);
            if !self.discovery.serves(&object.resource).await? {
                applied.skipped.push(not_served(object, component));
                continue;
            }
            let task = Task {
                applier: self,
                stack,
                object,
                key: &key,
                component,
                hash: hash(object),
            };
            match task.run(live, &mut applied.skipped).await {
                Outcome::Unchanged => {}
                Outcome::Written => {
                    applied.writes += 1;
                    if matches!(key.kind.as_str(), "ConfigMap" | "Secret") {
                        applied.changed.insert(component);
                    }
                }
                Outcome::Failed(words) => applied.failed.push((component, words)),
                Outcome::Leaving => {
                    applied.leaving = true;
                    break;
                }
            }
        }
        Ok(applied)
    }
}

/// One object on its way.
struct Task<'a> {
    applier: &'a Applier,
    stack: &'a Stack,
    object: &'a Object,
    key: &'a Key,
    component: Component,
    hash: String,
}

impl Task<'_> {
    async fn run(&self, live: &Live, skipped: &mut Vec<Problem>) -> Outcome {
        if let Some(words) = live.unknown.get(&self.key.kind) {
            return self.failed(format!("its kind cannot be listed: {words}"));
        }
        let memory = &self.applier.memory;
        let known = live.objects.get(self.key).map(|(_, metadata)| metadata);
        let version = known.and_then(|metadata| metadata.resource_version.as_deref());
        if memory.settled(&self.stack.uid, self.key, &self.hash, version) {
            skipped.extend(memory.problems(&self.stack.uid, self.key));
            return Outcome::Unchanged;
        }
        let api = live::api(
            &self.applier.client,
            &self.object.resource,
            self.object.namespace.as_deref(),
        );
        match api.get_opt(&self.object.name).await {
            Ok(current) => self.settle(&api, current, skipped).await,
            Err(error) => self.failed(words(&error)),
        }
    }

    /// Compares with what the server has, and writes if that falls short.
    async fn settle(
        &self,
        api: &Api<DynamicObject>,
        current: Option<DynamicObject>,
        skipped: &mut Vec<Problem>,
    ) -> Outcome {
        let mut body = self.object.body.to_value();
        let mut problems = Vec::new();
        if let Some(current) = current {
            if let Owner::Other(words) = owner::of(self.stack, &current.metadata) {
                return self.failed(format!("an object of that name is in the way: {words}"));
            }
            if current.metadata.deletion_timestamp.is_some() {
                return self.failed("it is being deleted; a new one is made once it is gone");
            }
            let version = current.metadata.resource_version.clone();
            let current = serde_json::to_value(current).unwrap_or_default();
            problems = immutable::keep(self.key, self.component, &current, &mut body);
            skipped.extend(problems.iter().cloned());
            let found = drift::covers(&current, &body);
            let memory = &self.applier.memory;
            let found = memory.unsettled(&self.stack.uid, self.key, &self.hash, found);
            if found.is_empty() {
                memory.looked(&self.stack.uid, self.key, &self.hash, version, problems);
                return Outcome::Unchanged;
            }
            if memory.contested(&self.stack.uid, self.key, &self.hash) {
                let fields = found.join(", ");
                return self.failed(format!(
                    "something else keeps changing {fields}: left as it is for some minutes; \
                     find who writes it with `kubectl get --show-managed-fields`"
                ));
            }
            tracing::info!(object = %self.key, fields = ?found, "put back");
        }
        self.write(api, &body, problems).await
    }

    async fn write(
        &self,
        api: &Api<DynamicObject>,
        body: &Value,
        problems: Vec<Problem>,
    ) -> Outcome {
        let params = PatchParams::apply(MANAGER).force();
        match api
            .patch(&self.object.name, &params, &Patch::Apply(body))
            .await
        {
            Ok(written) => {
                let version = written.metadata.resource_version.clone();
                let written = serde_json::to_value(written).unwrap_or_default();
                let paths = drift::covers(&written, body);
                self.applier.memory.wrote(
                    &self.stack.uid,
                    self.key,
                    &self.hash,
                    version,
                    paths,
                    problems,
                );
                Outcome::Written
            }
            Err(error) if self.is_at_home() && namespace_is_leaving(&error) => Outcome::Leaving,
            Err(error) => {
                if code(&error) == Some(404) {
                    // The kind, or the namespace, is gone since it was last asked for.
                    self.applier.discovery.forget().await;
                }
                let words = words(&error);
                match remedy::refusal(self.component, &words) {
                    Some(remedy) => self.failed(format!("{words}; {remedy}")),
                    None => self.failed(words),
                }
            }
        }
    }

    fn is_at_home(&self) -> bool {
        self.object.namespace.as_ref() == Some(&self.stack.namespace)
    }

    fn failed(&self, words: impl std::fmt::Display) -> Outcome {
        Outcome::Failed(format!("{}: {words}", self.key))
    }
}

/// The component of an object. Everything rendered has the label; the first component stands
/// in where somebody forgets it.
fn component(object: &Object) -> Component {
    let labels = object.body.metadata().get("labels");
    labels
        .and_then(|labels| labels.get(COMPONENT_LABEL))
        .and_then(Value::as_str)
        .and_then(Component::from_name)
        .unwrap_or(Component::Prometheus)
}

/// The hash that rendering wrote on the object; it makes the removal of a field show.
fn hash(object: &Object) -> String {
    let annotations = object.body.metadata().get("annotations");
    annotations
        .and_then(|annotations| annotations.get(RENDERED_ANNOTATION)?.as_str())
        .unwrap_or_default()
        .to_owned()
}

fn not_served(object: &Object, component: Component) -> Problem {
    Problem::new(
        format!("spec.{}", component.field()),
        format!(
            "{} {} is left out: this cluster does not serve {} of {}",
            object.resource.kind, object.name, object.resource.kind, object.resource.api_version
        ),
    )
}

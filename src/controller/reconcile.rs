//! One look at one stack: the list of the steps.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Resource, core::error_boundary::InvalidObject, runtime::controller::Action};

use super::{
    apply::Applied,
    context::{Context, Guarded, Scope},
    deliver::ConfigState,
    dereference::{self, Cached, Rules},
    error::Error,
    live, observe,
    pace::Outcome,
    prune,
    publish::{Publisher, Teller},
    quarantine::Report,
    rules::KnownRule,
    status::{self, Listed},
    told::Complaint,
    volumes,
};
use crate::{
    api::{
        component::Component,
        rule::Engine,
        stack::MonitoringStack,
        status::{AlertState, RuleHealth, StackStatus},
    },
    render::{self, objects::Object},
    resolve::{self, Resolution, RuleVerdict, model::Stack, problem::Problem, rules::Origin},
};

/// A reconcile that takes longer hangs; the next one starts over.
const LIMIT: Duration = Duration::from_mins(2);

/// Looks at one stack and tells when to look again. Whatever fails is logged, counted and, the
/// first time in a row, told by an Event.
pub async fn reconcile(stack: Arc<Guarded>, scope: Arc<Scope>) -> Result<Action, Infallible> {
    let context = &scope.context;
    let permit = context.slots.acquire().await;
    let started = Instant::now();
    // Boxed here, so that those who wait for a slot take next to no memory.
    let result = match tokio::time::timeout(LIMIT, Box::pin(steps(&stack, &scope))).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout(LIMIT)),
    };
    drop(permit);
    let failure = result.as_ref().err().map(Error::category);
    context
        .metrics
        .reconciled(started.elapsed(), failure, Timestamp::now());
    let metadata = stack.meta();
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let pause = context
        .pace
        .after(uid, *result.as_ref().unwrap_or(&Outcome::Failed));
    if let Err(error) = result {
        tell(context, metadata, uid, &error).await;
    }
    if !scope.living.has_this(&stack) {
        // It went meanwhile: what was forgotten then has been remembered again since.
        context.forget(uid);
        scope.reaches.forget(metadata);
    }
    Ok(Action::requeue(pause))
}

async fn steps(stack: &Guarded, scope: &Scope) -> Result<Outcome, Error> {
    let context = &*scope.context;
    let cached = match &stack.0 {
        Ok(cached) => cached,
        Err(invalid) => return undecodable(context, invalid).await,
    };
    // The cache may not have the status written last; deciding on it would write it again.
    let Some(stack) = fresh(context, &cached.metadata).await? else {
        return Ok(Outcome::Settled);
    };

    // 1. Fetch what the stack refers to.
    let (client, operator) = (&context.client, &context.operator);
    let uid = stack.metadata.uid.as_deref().unwrap_or_default();
    let name = stack.metadata.name.as_deref().unwrap_or_default();
    let reach = dereference::reach_of(client, operator, &stack).await?;
    let mut rules = dereference::rules_of(scope.rules.all(), &reach, name);
    let named = format!("{}/{name}", reach.namespace);
    scope.reaches.learn(&stack.metadata, reach);
    let cached = Cached {
        barred: context.quarantine.barred(uid, || rules.barred(&named)),
        rules: std::mem::take(&mut rules.judged),
        dashboards: scope.dashboards.all(),
        foreign: scope.foreigners.snapshot(),
        judgements: &context.judgements,
    };
    let discovery = &context.discovery;
    let inputs = dereference::dereference(client, discovery, operator, &stack, cached).await?;

    // 2. Make one valid model of it, or say why there is none.
    let old = stack.status.as_ref();
    let generation = stack.metadata.generation;
    let resolution = match resolve::resolve(&stack, &inputs) {
        Ok(resolution) => resolution,
        Err(problems) => {
            let new = status::broken_status(old, generation, &problems, Timestamp::now());
            context.publisher.stack(&stack.metadata, old, &new).await?;
            return Ok(Outcome::Settled);
        }
    };
    let model = &resolution.stack;

    // 3. Render, 4. apply, 5. prune.
    let objects = render::render(model).into_ordered();
    let applied = converge(context, model, &objects).await?;
    if applied.leaving {
        return Ok(Outcome::Settled);
    }

    // 6. Bring the configuration into the processes and ask what they have loaded.
    let deliveries = render::deliveries(model);
    let changed = &applied.changed;
    let configs = context.deliverer.deliver(model, &deliveries, changed).await;
    let again = learn(context, model, &configs, Timestamp::now());

    // 7. Observe, 8. tell.
    let seen = observe::observe(client, &context.backends, model).await?;
    let now = Timestamp::now();
    let new = status::stack_status(old, generation, &resolution, &applied, &seen, &configs, now);
    context.publisher.stack(&stack.metadata, old, &new).await?;
    let uid = &resolution.stack.uid;
    complain(context, uid, &resolution).await;
    let told = tell_rules(scope, &resolution, &rules, &configs, now).await?;
    if again {
        return Ok(Outcome::Again);
    }
    let loaded = told.loaded && configs.values().all(|config| config.loaded);
    Ok(match outcome(model, &applied, &new, loaded) {
        Outcome::Settled if told.moving => Outcome::Moving,
        outcome => outcome,
    })
}

/// Tells on other people's objects what the stack does not do with them.
async fn complain(context: &Context, uid: &str, resolution: &Resolution) {
    let refused = resolution.refused_dashboards.iter();
    let dashboards: Vec<_> = refused.map(Complaint::dashboard).collect();
    let publisher = &context.publisher;
    context.told.tell(publisher, uid, &dashboards).await;
    let stack = format!("{}/{}", resolution.stack.namespace, resolution.stack.name);
    let notes = resolution.prometheus_operator.notes.iter();
    let notes: Vec<_> = notes.map(|note| Complaint::note(&stack, note)).collect();
    context.told_foreign.tell(publisher, uid, &notes).await;
}

/// Learns from a delivery which rules Prometheus refuses. True when the next one should follow.
fn learn(
    context: &Context,
    stack: &Stack,
    configs: &BTreeMap<Component, ConfigState>,
    now: Timestamp,
) -> bool {
    let (Some(prometheus), Some(config)) = (&stack.prometheus, configs.get(&Component::Prometheus))
    else {
        return false;
    };
    let report = Report {
        wanted: &prometheus.rule_files,
        jobs: &prometheus.jobs,
        listed: config.rules.as_ref().map(|listing| &listing.groups),
        refused: config.message.as_deref().filter(|_| config.refused),
        crash: config.crash.as_ref(),
        loaded: config.loaded,
        now,
    };
    context.quarantine.learn(&stack.uid, &report)
}

/// The stack as the server has it now; none when it is going or gone.
async fn fresh(context: &Context, cached: &ObjectMeta) -> Result<Option<MonitoringStack>, Error> {
    let name = cached.name.as_deref().ok_or(Error::Incomplete("a name"))?;
    let namespace = cached.namespace.as_deref();
    let namespace = namespace.ok_or(Error::Incomplete("a namespace"))?;
    let api: Api<MonitoringStack> = Api::namespaced(context.client.clone(), namespace);
    let stack = api
        .get_opt(name)
        .await
        .map_err(Error::doing(format!("read MonitoringStack {name}")))?;
    Ok(stack.filter(|stack| stack.metadata.deletion_timestamp.is_none()))
}

/// Makes the server have what was rendered and nothing else, unless the stack is paused.
pub async fn converge(
    context: &Context,
    stack: &Stack,
    objects: &[Object],
) -> Result<Applied, Error> {
    if stack.paused {
        return Ok(Applied::default());
    }
    let client = &context.client;
    let live = live::list(client, &context.discovery, stack, objects).await?;
    let mut applied = context.applier.apply(stack, &live, objects).await?;
    if applied.leaving {
        return Ok(applied);
    }
    let pruned = prune::prune(client, stack, &live, objects).await;
    let tended = volumes::tend(client, stack, objects).await?;
    let metrics = &context.metrics;
    metrics.applied.inc_by(applied.writes as u64);
    metrics.pruned.inc_by(pruned.deleted as u64);
    metrics.wrote(applied.writes + pruned.deleted + tended.writes);
    applied.writes += pruned.deleted + tended.writes;
    applied.failed.extend(pruned.failed);
    applied.skipped.extend(tended.problems);
    Ok(applied)
}

/// What telling the rules showed.
struct Told {
    /// Whether the processes have all rules that were taken.
    loaded: bool,
    /// Whether a rule waits for its first evaluation, or an alert for its time.
    moving: bool,
}

/// Tells each rule what became of it.
async fn tell_rules(
    scope: &Scope,
    resolution: &Resolution,
    rules: &Rules,
    configs: &BTreeMap<Component, ConfigState>,
    now: Timestamp,
) -> Result<Told, Error> {
    let stack = &resolution.stack;
    let teller = Teller {
        stack: &format!("{}/{}", stack.namespace, stack.name),
        configs,
        living: &scope.living,
        now,
    };
    let verdicts = &resolution.rules;
    let publisher = &scope.context.publisher;
    let told = publisher.rules(&teller, &rules.told, verdicts).await;
    let judges = stack.runs(Component::Prometheus);
    for rule in &rules.broken {
        undecodable_rule(publisher, &teller, judges, rule).await;
    }
    told?;
    let groups = configs.values().filter_map(|config| config.rules.as_ref());
    let mut states = groups
        .flat_map(|it| it.groups.values())
        .flat_map(|group| &group.rules);
    let mut taken = verdicts.iter().filter(|verdict| verdict.file.is_some());
    Ok(Told {
        loaded: taken.all(|verdict| !matches!(teller.listed(verdict), Listed::No)),
        moving: states.any(|rule| {
            rule.health == RuleHealth::Unknown || rule.state == Some(AlertState::Pending)
        }),
    })
}

fn outcome(stack: &Stack, applied: &Applied, status: &StackStatus, loaded: bool) -> Outcome {
    let ready = |status: &StackStatus| {
        let mut conditions = status.conditions.iter();
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    if !applied.failed.is_empty() {
        Outcome::Failed
    } else if stack.paused || loaded && ready(status) {
        Outcome::Settled
    } else {
        Outcome::OnItsWay
    }
}

/// Says on a stack that it cannot be decoded. The others do not notice.
async fn undecodable(context: &Context, invalid: &InvalidObject) -> Result<Outcome, Error> {
    let metadata = &invalid.metadata;
    let publisher = &context.publisher;
    let old = publisher.status_of(metadata).await?;
    let problem = Problem::new("spec", format!("cannot be read: {}", invalid.error));
    let now = Timestamp::now();
    let new = status::broken_status(old.as_ref(), metadata.generation, &[problem], now);
    match publisher.stack(metadata, old.as_ref(), &new).await {
        Ok(()) => Ok(Outcome::Settled),
        // The server refuses the whole object as it is, so an Event has to do.
        Err(error) => {
            tracing::warn!(%error, "no status on a stack that cannot be read");
            Err(Error::Undecodable(invalid.error.clone()))
        }
    }
}

/// One rule that cannot even be told why must not hold up the stack.
async fn undecodable_rule(
    publisher: &Publisher,
    teller: &Teller<'_>,
    judges: bool,
    rule: &KnownRule,
) {
    let Err(words) = &rule.judged else { return };
    let verdict = RuleVerdict {
        namespace: rule.traits.namespace.clone(),
        name: rule.name.clone(),
        generation: rule.generation,
        engine: Engine::Prometheus,
        rules: Arc::new([]),
        file: None,
        mark: None,
        bar: None,
        origin: Origin::AlertRule,
        problems: vec![Problem::new("spec", format!("cannot be read: {words}"))],
    };
    let verdict = judges.then_some(&verdict);
    if let Err(error) = publisher.broken_rule(teller, rule, verdict).await {
        tracing::warn!(%error, rule = rule.name, "no status on a rule that cannot be read");
    }
}

async fn tell(context: &Context, metadata: &ObjectMeta, uid: &str, error: &Error) {
    let name = metadata.name.as_deref().unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    tracing::warn!(%error, namespace, name, "reconcile failed");
    if context.pace.just_failed(uid) {
        let transition = status::Transition {
            type_: "Reconcile".into(),
            reason: error.category().into(),
            message: error.to_string(),
            warning: true,
        };
        context.publisher.events(metadata, &[transition]).await;
    }
}

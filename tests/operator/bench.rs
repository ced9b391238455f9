//! What the scenarios share: stacks, their rendered objects, and an operator's context.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clap::Parser;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::DeserializeGuard,
    runtime::{
        reflector::{self, Store},
        watcher::Event,
    },
};
use masthead::{
    api::stack::MonitoringStack,
    cli::{Cli, Command, ControllerArgs},
    controller::{
        apply::Applied,
        context::{Context, Guarded, Scope},
        dashboards::Dashboards,
        dereference::{self, Cached},
        foreign::{Foreigners, Snapshot},
        live,
        metrics::Metrics,
        publish::Living,
        reconcile,
        rules::KnownRules,
        unclaimed::Reaches,
    },
    render::{self, objects::Object},
    resolve::{self, model::Stack},
};
use serde_json::{Value, json};

use crate::apiserver::{ADMIN, ApiServer};

/// A server with the custom resources.
pub struct Bench {
    pub server: ApiServer,
    pub client: Client,
}

impl Bench {
    pub async fn new(server: ApiServer) -> Self {
        // Logs help where a scenario fails: MASTHEAD_LOG=debug.
        if let Ok(directives) = std::env::var("MASTHEAD_LOG") {
            masthead::telemetry::init(&directives).unwrap();
        }
        server.install_crds().await;
        let client = server.client(ADMIN);
        Self { server, client }
    }

    /// A stack `main` in a new namespace.
    pub async fn stack(&self, namespace: &str, spec: Value) -> MonitoringStack {
        self.server.namespace(namespace).await;
        self.another(namespace, "main", spec).await
    }

    /// A stack in a namespace that is there.
    pub async fn another(&self, namespace: &str, name: &str, spec: Value) -> MonitoringStack {
        let stack = json!({
            "apiVersion": "masthead.dev/v1alpha1", "kind": "MonitoringStack",
            "metadata": {"name": name}, "spec": spec,
        });
        let api: Api<MonitoringStack> = Api::namespaced(self.client.clone(), namespace);
        let stack = serde_json::from_value(stack).unwrap();
        api.create(&PostParams::default(), &stack).await.unwrap()
    }

    /// What an operator process knows at its start.
    pub fn context(&self) -> Context {
        context(self.client.clone())
    }

    /// A stack resolved, and its objects.
    pub async fn rendered(&self, stack: &MonitoringStack) -> (Stack, Vec<Object>) {
        let context = self.context();
        let (client, discovery) = (&context.client, &context.discovery);
        let inputs = dereference::dereference(
            client,
            discovery,
            &context.operator,
            stack,
            Cached {
                rules: vec![],
                barred: BTreeMap::new(),
                dashboards: vec![],
                foreign: Snapshot::default(),
                judgements: &context.judgements,
            },
        )
        .await;
        let resolution = resolve::resolve(stack, &inputs.unwrap()).unwrap();
        let objects = render::render(&resolution.stack).into_ordered();
        (resolution.stack, objects)
    }

    /// An object as the server has it.
    pub async fn get(&self, object: &Object) -> Option<DynamicObject> {
        self.api(object).get_opt(&object.name).await.unwrap()
    }

    /// Changes an object behind the operator's back.
    pub async fn change(&self, object: &Object, patch: Value) {
        self.api(object)
            .patch(&object.name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub fn api(&self, object: &Object) -> Api<DynamicObject> {
        live::api(&self.client, &object.resource, object.namespace.as_deref())
    }
}

/// A context whose requests take a client of one's own.
pub fn context(client: Client) -> Context {
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    Context::new(&args(&[]), client, metrics, false)
}

/// The operator's flags, as the command line gives them.
pub fn args(flags: &[&str]) -> ControllerArgs {
    let usual = ["masthead", "controller", "--admin-address=127.0.0.1:0"];
    let cli = Cli::parse_from(usual.iter().chain(flags));
    match cli.command {
        Command::Controller(args) => args,
        other => panic!("{other:?}"),
    }
}

/// Applies and prunes; everything must have gone well.
pub async fn converge(context: &Context, stack: &Stack, objects: &[Object]) -> Applied {
    let converging = Box::pin(reconcile::converge(context, stack, objects));
    let applied = converging.await.unwrap();
    assert_eq!(applied.failed, vec![]);
    applied
}

/// One whole reconcile, as the watch would start it; its end is told by the status only.
pub async fn reconcile(context: Arc<Context>, stack: &MonitoringStack) -> Duration {
    let (stacks, mut writer) = reflector::store();
    let stack = DeserializeGuard(Ok(stack.clone()));
    writer.apply_watcher_event(&Event::Apply(stack.clone()));
    reconcile_among(stacks, KnownRules::default(), context, stack).await
}

/// The same where the watches know of these stacks and rules.
pub async fn reconcile_among(
    stacks: Store<Guarded>,
    rules: KnownRules,
    context: Arc<Context>,
    stack: Guarded,
) -> Duration {
    let scope = Arc::new(Scope {
        context,
        living: Living(stacks),
        rules,
        dashboards: Dashboards::default(),
        foreigners: Foreigners::default(),
        reaches: Reaches::new(Arc::default()),
    });
    let started = std::time::Instant::now();
    Box::pin(reconcile::reconcile(Arc::new(stack), scope))
        .await
        .unwrap();
    started.elapsed()
}

/// The object of a kind and a name.
pub fn find<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Object {
    objects
        .iter()
        .find(|object| object.resource.kind == kind && object.name == name)
        .unwrap_or_else(|| {
            let names = objects
                .iter()
                .map(|o| format!("{} {}", o.resource.kind, o.name));
            panic!("no {kind} {name} among {:?}", names.collect::<Vec<_>>())
        })
}

/// A field of what the server has.
pub fn field(object: &DynamicObject, path: &str) -> Value {
    let value = serde_json::to_value(object).unwrap();
    value.pointer(path).cloned().unwrap_or_default()
}

pub fn version(object: &DynamicObject) -> String {
    object.resource_version().unwrap()
}

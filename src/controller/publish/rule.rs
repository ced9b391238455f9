//! The statuses of rules. Several stacks write the same one, each its own entry: whoever writes
//! takes the others' entries from the version it has, and the server refuses it when somebody has
//! written since. Then it looks again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    runtime::reflector::{ObjectRef, Store},
};

use super::{Publisher, TRIES, status_in, written::Base};
use crate::{
    api::{
        component::Component,
        rule::{AlertRule, Engine},
        status::RuleStatus,
    },
    controller::{
        context::Guarded,
        deliver::ConfigState,
        error::Error,
        rules::KnownRule,
        status::{self, Listed, Subject},
    },
    resolve::{RuleVerdict, rules::Origin},
};

/// Statuses of rules written at the same time.
const CONCURRENT: usize = 8;

/// The stacks there are.
#[derive(Clone, Debug)]
pub struct Living(pub Store<Guarded>);

impl Living {
    /// Whether there is a stack, `namespace/name`.
    #[must_use]
    pub fn has(&self, stack: &str) -> bool {
        stack.split_once('/').is_some_and(|(namespace, name)| {
            let reference = ObjectRef::<Guarded>::new(name).within(namespace);
            self.0.get(&reference).is_some()
        })
    }

    /// Whether this very stack is there, not another one of its name.
    #[must_use]
    pub fn has_this(&self, stack: &Guarded) -> bool {
        let found = self.0.get(&ObjectRef::from_obj(stack));
        found.is_some_and(|found| found.meta().uid == stack.meta().uid)
    }
}

/// A stack that tells on rules what it did with them.
#[derive(Debug)]
pub struct Teller<'a> {
    /// Its name: `namespace/name`.
    pub stack: &'a str,
    /// What its processes have; a component whose processes could not be asked has no listing.
    pub configs: &'a BTreeMap<Component, ConfigState>,
    /// The stacks there are.
    pub living: &'a Living,
    /// The time.
    pub now: Timestamp,
}

impl Teller<'_> {
    /// What the processes of the rule's engine say of it.
    #[must_use]
    pub fn listed(&self, verdict: &RuleVerdict) -> Listed<'_> {
        let component = match verdict.engine {
            Engine::Prometheus => Component::Prometheus,
            Engine::Loki => Component::Loki,
        };
        let listing = self
            .configs
            .get(&component)
            .and_then(|config| config.rules.as_ref());
        // Nobody asks an engine that is held: it goes on as it is.
        let Some(listing) = listing else {
            return Listed::Unknown;
        };
        let placed = verdict.file.as_ref().zip(verdict.mark);
        let group = placed
            .and_then(|(file, mark)| listing.groups.get(file).filter(|group| group.mark == mark));
        group.map_or(Listed::No, Listed::Yes)
    }

    /// The status of a rule after this stack has judged it; without a verdict it does not take it.
    fn status(
        &self,
        old: Option<&RuleStatus>,
        subject: Subject<'_>,
        verdict: Option<&RuleVerdict>,
    ) -> RuleStatus {
        let own = verdict.map(|verdict| {
            let listed = self.listed(verdict);
            status::rule_in_stack(old, verdict, self.stack, listed, self.now)
        });
        let entries = status::entries(old, self.stack, own, |stack| self.living.has(stack));
        status::rule_status(old, subject, entries, self.now)
    }
}

impl Publisher {
    /// Writes what a stack says of the rules in its reach. One that cannot be written does not
    /// keep the others from it.
    pub async fn rules(
        &self,
        teller: &Teller<'_>,
        rules: &[Arc<KnownRule>],
        verdicts: &[RuleVerdict],
    ) -> Result<(), Error> {
        let verdicts: HashMap<_, _> = verdicts
            .iter()
            .filter(|verdict| verdict.origin == Origin::AlertRule)
            .map(|verdict| ((verdict.namespace.as_str(), verdict.name.as_str()), verdict))
            .collect();
        let mut changed = Vec::new();
        for rule in rules {
            let place = (rule.traits.namespace.as_str(), rule.name.as_str());
            let verdict = verdicts.get(&place).copied();
            let unseen = self.written.unseen(&rule.uid, rule.version.as_deref());
            let old = match &unseen {
                Some(base) => base.status.as_ref(),
                None => rule.status.as_ref(),
            };
            if old != Some(&teller.status(old, subject(rule), verdict)) {
                changed.push((rule, verdict));
            }
        }
        // Made in their turn: a write that waits takes more room than a rule.
        let mut under_way = FuturesUnordered::new();
        let mut told = Ok(());
        for (rule, verdict) in changed {
            if under_way.len() == CONCURRENT
                && let Some(result) = under_way.next().await
            {
                told = told.and(result);
            }
            under_way.push(self.rule(teller, rule, verdict));
        }
        while let Some(result) = under_way.next().await {
            told = told.and(result);
        }
        told
    }

    /// By the time of its turn another stack may have written the same status.
    async fn rule(
        &self,
        teller: &Teller<'_>,
        rule: &KnownRule,
        verdict: Option<&RuleVerdict>,
    ) -> Result<(), Error> {
        let base = self.written.newest(rule);
        let change = |old: Option<&RuleStatus>| Some(teller.status(old, subject(rule), verdict));
        self.settle(&rule.metadata(), base, change).await
    }

    /// Says on a rule that cannot be decoded what a stack finds wrong with it.
    pub async fn broken_rule(
        &self,
        teller: &Teller<'_>,
        rule: &KnownRule,
        verdict: Option<&RuleVerdict>,
    ) -> Result<(), Error> {
        let metadata = rule.metadata();
        let Some(base) = self.newest(&metadata).await? else {
            return Ok(());
        };
        let change = |old: Option<&RuleStatus>| Some(teller.status(old, subject(rule), verdict));
        self.settle(&metadata, base, change).await
    }

    /// Takes from a rule what stacks said that are gone; without any stack that takes it, it
    /// says so, and why.
    pub async fn without_the_gone(
        &self,
        rule: &KnownRule,
        living: &Living,
        claim: Result<(), String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let lives = |stack: &str| living.has(stack);
        let all_live = |old: &RuleStatus| old.stacks.iter().all(|entry| lives(&entry.stack));
        // The stack itself is about to judge what it has not judged yet.
        let is_fine = |old: Option<&RuleStatus>| claim.is_ok() && old.is_none_or(all_live);
        let unseen = self.written.unseen(&rule.uid, rule.version.as_deref());
        if unseen.is_none() && is_fine(rule.status.as_ref()) {
            return Ok(());
        }
        let mut subject = subject(rule);
        if let Err(why) = &claim {
            subject.unclaimed = why;
        }
        let base = self.written.newest(rule);
        self.settle(&rule.metadata(), base, |old| {
            let entries = || status::entries(old, "", None, lives);
            (!is_fine(old)).then(|| status::rule_status(old, subject, entries(), now))
        })
        .await
    }

    /// A cache has this version of a rule: what was written of it need not be remembered, unless
    /// that is newer.
    pub fn saw_rule(&self, uid: &str, version: Option<&str>) {
        self.written.saw(uid, version);
    }

    /// Forgets a rule that is gone.
    pub fn forget_rule(&self, uid: &str) {
        self.written.forget(uid);
    }

    /// Writes what `change` makes of the newest status, if it makes anything new of it.
    async fn settle(
        &self,
        metadata: &ObjectMeta,
        mut base: Base,
        change: impl Fn(Option<&RuleStatus>) -> Option<RuleStatus>,
    ) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let old = base.status.as_ref();
            let Some(new) = change(old).filter(|new| old != Some(new)) else {
                return Ok(());
            };
            tries += 1;
            let written = self
                .patch::<AlertRule>(metadata, base.version.as_deref(), &new)
                .await;
            match written {
                Ok(version) => {
                    let new = Base::new(Some(new), version);
                    let uid = metadata.uid.as_deref().unwrap_or_default();
                    let cached = metadata.resource_version.clone();
                    self.written.remember(uid, cached, base.version, new);
                    return Ok(());
                }
                Err(error) => match error.code() {
                    Some(404) => return Ok(()),
                    Some(409) if tries < TRIES => match self.newest(metadata).await? {
                        Some(newest) => base = newest,
                        None => return Ok(()),
                    },
                    _ => return Err(error),
                },
            }
        }
    }

    /// The status that the server has; none when the rule is gone, or has a newer specification,
    /// which wakes the stacks again.
    async fn newest(&self, metadata: &ObjectMeta) -> Result<Option<Base>, Error> {
        let found = self.read::<AlertRule>(metadata).await?;
        let same = found.filter(|found| found.metadata.generation == metadata.generation);
        Ok(same.map(|rule| Base::new(status_in(&rule), rule.metadata.resource_version)))
    }
}

fn subject(rule: &KnownRule) -> Subject<'_> {
    Subject {
        namespace: &rule.traits.namespace,
        generation: rule.generation,
        count: rule.judged.as_ref().map_or(0, |judged| judged.rules.len()),
        unclaimed: "",
    }
}

#[cfg(test)]
mod tests {
    use kube::{
        core::DeserializeGuard,
        runtime::{reflector, watcher::Event},
    };

    use super::*;
    use crate::{
        api::stack::MonitoringStack,
        controller::{backend::rules::Group, deliver::Listing},
    };

    #[test]
    fn a_changed_rule_is_loaded_once_the_processes_run_the_new_configuration() {
        let (store, mut writer) = reflector::store::<Guarded>();
        let mut stack = MonitoringStack::default();
        stack.metadata.namespace = Some("ns".into());
        stack.metadata.name = Some("main".into());
        writer.apply_watcher_event(&Event::Apply(DeserializeGuard(Ok(stack))));
        let living = Living(store);
        let judged = |old: Option<&RuleStatus>, generation: i64, loaded: u64| {
            let verdict = RuleVerdict {
                namespace: "ns".into(),
                name: "rule".into(),
                generation: Some(generation),
                engine: Engine::Prometheus,
                rules: ["A".to_owned()].into(),
                file: Some("f.yaml".into()),
                mark: Some(generation.unsigned_abs()),
                problems: vec![],
                bar: None,
                origin: Origin::AlertRule,
            };
            let group = Group {
                mark: loaded,
                ..Group::default()
            };
            let config = ConfigState {
                rules: Some(Listing {
                    groups: [("f.yaml".into(), group)].into(),
                }),
                ..ConfigState::default()
            };
            let configs = [(Component::Prometheus, config)].into();
            let teller = Teller {
                stack: "ns/main",
                configs: &configs,
                living: &living,
                now: Timestamp::UNIX_EPOCH,
            };
            let subject = Subject {
                namespace: "ns",
                generation: verdict.generation,
                count: 1,
                unclaimed: "",
            };
            teller.status(old, subject, Some(&verdict))
        };
        let loaded = |status: &RuleStatus| status.stacks.first().map(|entry| entry.loaded);
        let first = judged(None, 1, 1);
        assert_eq!(loaded(&first), Some(true));
        // Prometheus refuses the new configuration and goes on with the old content of the file.
        let edited = judged(Some(&first), 2, 1);
        assert_eq!(loaded(&edited), Some(false));
        assert_eq!(loaded(&judged(Some(&edited), 2, 2)), Some(true));
    }
}

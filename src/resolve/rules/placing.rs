//! Where rule files go: a `ConfigMap` holds one MiB at most, so they are spread over several.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::Judged;
use crate::{
    api::rule::Engine,
    resolve::{
        RuleVerdict,
        model::{Placed, RuleFile, RuleFiles},
        problem::Problem,
    },
};

/// How many `ConfigMaps` hold the rules of a component. It is part of the pod templates: a number
/// that followed the rules would roll the pods with them.
pub const SHARDS: u8 = 32;
/// The most bytes in one of them, keys included: an object has to fit into 1.5 MiB of etcd with
/// the server's record of who wrote which key, and a `ConfigMap`'s data into 1 MiB.
const SHARD_BYTES: usize = 700 << 10;
/// The field that the problem of a barred file is about.
pub const BARRED_FIELD: &str = "spec.rules";

/// Why the engine is not given a rule file that the checks have taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// The engine refuses just this one.
    Refused,
    /// The engine refuses one of several, and it waits for its turn to be tried.
    HeldBack,
}

/// A rule file that the engine is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barred {
    /// The content that is barred; another one is not.
    pub mark: u64,
    /// Which of the two it is.
    pub bar: Bar,
    /// Why, in the engine's own words where it was found to be this file.
    pub reason: String,
}

/// The rules that go into files, and what was decided on each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placing {
    /// The files by name.
    pub files: RuleFiles,
    /// One verdict for each rule of the engine, by namespace and name.
    pub verdicts: Vec<RuleVerdict>,
}

/// Places the files of an engine's valid rules. A file stays in the shard that its name gives it
/// as long as there is room: one change then touches one shard.
#[must_use]
pub fn place(engine: Engine, rules: &[Arc<Judged>], barred: &BTreeMap<String, Barred>) -> Placing {
    let mut rules: Vec<_> = rules.iter().filter(|rule| rule.engine == engine).collect();
    rules.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let mut shelves = Shelves::default();
    let mut placing = Placing::default();
    for rule in rules {
        let mut verdict = verdict(rule);
        let barred_as_it_is = |file: &Arc<RuleFile>| {
            let found = barred.get(&*rule.file_name)?;
            (found.mark == file.mark).then_some(found)
        };
        if let Some(file) = &rule.file {
            if let Some(found) = barred_as_it_is(file) {
                verdict
                    .problems
                    .push(Problem::new(BARRED_FIELD, &found.reason));
                verdict.bar = Some(found.bar);
            } else if let Some(shard) = shelves.room(&rule.file_name, file.text.len()) {
                verdict.mark = Some(file.mark);
                let file = file.clone();
                placing
                    .files
                    .insert(rule.file_name.clone(), Placed { shard, file });
                verdict.file = Some(rule.file_name.clone());
            } else {
                verdict.problems.push(Problem::new("spec.rules", format!(
                    "no room: its {} bytes do not fit beside the stack's other rules, {SHARDS} times {SHARD_BYTES} bytes; split it, or give rules to another stack",
                    file.text.len()
                )));
            }
        }
        placing.verdicts.push(verdict);
    }
    placing
}

/// Places a file of the stack's own, whatever users' rules take: in the shard that its name gives,
/// above `SHARD_BYTES` if need be. It has to be small, and there are few.
pub fn place_own(files: &mut RuleFiles, name: &str, file: RuleFile) {
    let shard = shard_of(name);
    let file = Arc::new(file);
    files.insert(name.into(), Placed { shard, file });
}

fn verdict(rule: &Judged) -> RuleVerdict {
    RuleVerdict {
        namespace: rule.namespace.clone(),
        name: rule.name.clone(),
        generation: rule.generation,
        engine: rule.engine,
        rules: rule.rules.clone(),
        file: None,
        mark: None,
        problems: rule.problems.clone(),
        bar: None,
        origin: rule.origin.clone(),
    }
}

/// The shard that a name gives.
fn shard_of(name: &str) -> u8 {
    Sha256::digest(name).first().map_or(0, |byte| byte % SHARDS)
}

/// How full the shards are.
#[derive(Default)]
struct Shelves(HashMap<u8, usize>);

impl Shelves {
    /// The first shard with room, from the one that the name gives on.
    fn room(&mut self, name: &str, bytes: usize) -> Option<u8> {
        let bytes = bytes + name.len();
        let first = shard_of(name);
        let shard = (0..SHARDS)
            .map(|step| (first + step) % SHARDS)
            .find(|shard| self.0.get(shard).unwrap_or(&0) + bytes <= SHARD_BYTES)?;
        *self.0.entry(shard).or_default() += bytes;
        Some(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Origin, *};

    fn rule(name: &str, bytes: usize) -> Arc<Judged> {
        let file = RuleFile {
            group: format!("ns/{name}"),
            text: "x".repeat(bytes),
            mark: 7,
            expected: Vec::new(),
        };
        Arc::new(Judged {
            namespace: "ns".into(),
            name: name.into(),
            generation: Some(1),
            engine: Engine::Prometheus,
            rules: Arc::new([]),
            file_name: format!("{name}.yaml").into(),
            file: Some(Arc::new(file)),
            problems: Vec::new(),
            origin: Origin::AlertRule,
        })
    }

    fn placed(rules: &[Arc<Judged>]) -> Placing {
        place(Engine::Prometheus, rules, &BTreeMap::new())
    }

    #[test]
    fn no_shard_is_fuller_than_a_configmap_may_be_and_what_has_no_room_says_so() {
        let rules: Vec<_> = (0..100)
            .map(|n| rule(&format!("r{n}"), 300 << 10))
            .collect();
        let placing = placed(&rules);
        let mut shards: BTreeMap<u8, usize> = BTreeMap::new();
        for (name, placed) in &placing.files {
            *shards.entry(placed.shard).or_default() += name.len() + placed.file.text.len();
        }
        assert!(shards.values().all(|bytes| *bytes <= SHARD_BYTES));
        assert_eq!(placing.files.len(), 2 * usize::from(SHARDS));
        let left_out: Vec<_> = placing
            .verdicts
            .iter()
            .filter(|it| it.file.is_none())
            .collect();
        assert_eq!(left_out.len(), 100 - placing.files.len());
        assert!(left_out[0].problems[0].message.starts_with("no room"));
    }

    #[test]
    fn a_file_stays_where_it_is_while_others_come_and_go() {
        let all: Vec<_> = (0..100).map(|n| rule(&format!("r{n}"), 100)).collect();
        let (few, all) = (placed(&all[50..]).files, placed(&all).files);
        assert!(
            few.iter()
                .all(|(name, placed)| all[name].shard == placed.shard)
        );
    }

    #[test]
    fn the_barred_content_of_a_file_is_left_out_and_another_is_not() {
        let barred = |mark| {
            let reason = "Prometheus refuses it: no".to_owned();
            let bar = Bar::Refused;
            let barred = [("a.yaml".to_owned(), Barred { mark, bar, reason })].into();
            place(Engine::Prometheus, &[rule("a", 9), rule("b", 9)], &barred)
        };
        let placing = barred(7);
        assert!(placing.files.keys().eq([&"b.yaml".into()]));
        let verdict = &placing.verdicts[0];
        assert_eq!((verdict.bar, &verdict.file), (Some(Bar::Refused), &None));
        assert_eq!(barred(8).files.len(), 2);
    }
}

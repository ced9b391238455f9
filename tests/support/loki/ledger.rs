//! What was taken, and the verifier: lines that carry their writer and a number, and what is
//! missing, double or out of order of them.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hasher, RandomState},
};

use super::Stream;

/// A numbered line: `w=<writer> n=<number> …`, the numbers from 0 without a gap. The writer is one
/// source of one stream. What sends the runtime's line as it is has its head before that.
pub fn numbered(line: &str) -> Option<(&str, u64)> {
    let raw = || line.split_once(" F w=").map(|(_, rest)| rest);
    let (writer, rest) = line.strip_prefix("w=").or_else(raw)?.split_once(" n=")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((writer, digits.parse().ok()?))
}

/// What the numbered lines of a run say.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Numbered lines that came, each once.
    pub lines: u64,
    /// Numbers below a writer's highest that never came.
    pub missing: u64,
    /// Entries that came again with the same stream, time and text: Loki keeps one.
    pub folded: u64,
    /// Entries that came again otherwise: Loki keeps both.
    pub doubles: u64,
    /// New entries with a lower number than one of the same writer that came before.
    pub disorder: u64,
    /// Entries without a number.
    pub others: u64,
}

/// What was taken.
#[derive(Debug, Default)]
pub struct Ledger {
    hasher: RandomState,
    writers: HashMap<String, Writer>,
    report: Report,
    /// Entries without a number, by stream, when they are kept.
    pub kept: Vec<(String, super::Entry)>,
    /// Whether they are.
    pub keep: bool,
    /// Labels of every stream, and how many entries it has.
    pub streams: BTreeMap<String, u64>,
}

/// One writer's lines: by number, a hash of stream, time and text; 0 for none.
#[derive(Debug, Default)]
struct Writer {
    seen: Vec<u64>,
    highest: Option<usize>,
}

impl Ledger {
    /// Takes a stream's entries.
    pub fn take(&mut self, stream: &Stream) {
        if !stream.entries.is_empty() {
            *self.streams.entry(stream.labels.clone()).or_default() += stream.entries.len() as u64;
        }
        for entry in &stream.entries {
            let Some((writer, number)) = numbered(&entry.line) else {
                self.report.others += 1;
                if self.keep {
                    self.kept.push((stream.labels.clone(), entry.clone()));
                }
                continue;
            };
            let mut hash = self.hasher.build_hasher();
            hash.write(stream.labels.as_bytes());
            hash.write_i64(entry.nanos);
            hash.write(entry.line.as_bytes());
            let hash = hash.finish().max(1);
            if !self.writers.contains_key(writer) {
                self.writers.insert(writer.to_owned(), Writer::default());
            }
            if let Some(writer) = self.writers.get_mut(writer) {
                writer.take(usize::try_from(number).unwrap(), hash, &mut self.report);
            }
        }
    }

    /// The report as it is now.
    pub fn report(&self) -> Report {
        let missing = self
            .writers
            .values()
            .map(|writer| writer.seen.iter().filter(|hash| **hash == 0).count() as u64);
        Report {
            missing: missing.sum(),
            ..self.report.clone()
        }
    }

    /// How many different lines of a writer came.
    pub fn count(&self, writer: &str) -> u64 {
        let writer = self.writers.get(writer);
        writer.map_or(0, |writer| {
            writer.seen.iter().filter(|hash| **hash != 0).count() as u64
        })
    }

    /// The numbers of a writer that are missing below `end`, as ranges: for messages.
    pub fn gaps(&self, writer: &str, end: u64) -> Vec<(u64, u64)> {
        let seen = self
            .writers
            .get(writer)
            .map(|writer| writer.seen.as_slice());
        let seen = seen.unwrap_or_default();
        let mut gaps: Vec<(u64, u64)> = Vec::new();
        for number in 0..end {
            let there = seen
                .get(usize::try_from(number).unwrap())
                .is_some_and(|hash| *hash != 0);
            match gaps.last_mut() {
                _ if there => {}
                Some(last) if last.1 == number => last.1 = number + 1,
                _ => gaps.push((number, number + 1)),
            }
        }
        gaps
    }
}

impl Writer {
    fn take(&mut self, number: usize, hash: u64, report: &mut Report) {
        if self.seen.len() <= number {
            self.seen.resize(number + 1, 0);
        }
        let place = &mut self.seen[number];
        if *place == 0 {
            *place = hash;
            report.lines += 1;
            report.disorder += u64::from(self.highest.is_some_and(|highest| number < highest));
            self.highest = self.highest.max(Some(number));
        } else if *place == hash {
            report.folded += 1;
        } else {
            report.doubles += 1;
        }
    }
}

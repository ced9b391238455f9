//! The systemd journal: its files are sources of their own, which never mind their names.
//!
//! In a file's record `done` counts entries instead of bytes, and the print is of the file's id.

mod file;
mod packed;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "fuzz")]
pub use file::read_all;
pub use file::{Entry, Header, Journal};
#[cfg(feature = "fuzz")]
pub use packed::unpack;

use super::checkpoint::FileRecord;
use super::discover::{Change, Found};
use super::encode;
use super::entries::{Common, Work};
use super::files::Listed;
use super::identity::{FileId, Print};
use super::input::Input;
use super::join::Whole;
use super::labels;
use super::metrics::Metrics;
use super::names::{CURRENT, Name, Order};
use super::record::Stream;
use super::source::{Kind, Settled, Source};
use super::tail::Tail;

/// Without a place to go on from, entries that are older are left out, as Promtail does.
const MAX_AGE: u64 = 7 * 3600 * 1_000_000;

/// The journal's files by their ids.
#[derive(Debug)]
pub struct Journals {
    folders: Vec<PathBuf>,
    known: HashMap<String, PathBuf>,
    /// When each folder had changed when it was read.
    changed: HashMap<PathBuf, i64>,
    /// Files that cannot be read, as was said.
    failing: HashSet<PathBuf>,
}

impl Journals {
    /// Below these folders, in one for each machine.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self {
            folders,
            known: HashMap::new(),
            changed: HashMap::new(),
            failing: HashSet::new(),
        }
    }

    /// Whether a file is no more; not known where some cannot be read, or there are none.
    pub fn lacks(&self, key: &str) -> bool {
        !self.known.is_empty() && self.failing.is_empty() && !self.known.contains_key(key)
    }

    /// Looks at everything.
    pub fn scan(&mut self, out: &mut Vec<Change>) {
        let inner = self
            .folders
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let mut folders: Vec<PathBuf> = inner.map(|entry| entry.path()).collect();
        folders.retain(|path| path.is_dir());
        let changed: HashMap<PathBuf, i64> = folders
            .iter()
            .filter_map(|path| {
                let metadata = fs::metadata(path).ok()?;
                Some((
                    path.clone(),
                    metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
                ))
            })
            .collect();
        if changed == self.changed {
            return;
        }
        let mut known = HashMap::new();
        for folder in &folders {
            let within: Arc<[PathBuf]> =
                [folder.canonicalize().unwrap_or_else(|_| folder.clone())].into();
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = super::tail::name(&path).to_owned();
                if !name.ends_with(".journal") && !name.ends_with(".journal~") {
                    continue;
                }
                let (id, header) = match look(&path, &within) {
                    Ok(looked) => looked,
                    Err(error) => {
                        if self.failing.insert(path.clone()) {
                            out.push(Change::Failed(path, error));
                        }
                        continue;
                    }
                };
                let key = key(&header);
                if self.known.get(&key) != Some(&path) {
                    out.push(Change::Files(found(
                        key.clone(),
                        folder,
                        &within,
                        &path,
                        id,
                    )));
                }
                known.insert(key, path);
            }
        }
        let gone = self.known.keys().filter(|key| !known.contains_key(*key));
        out.extend(gone.map(|key| Change::Gone(key.clone())));
        self.known = known;
        self.changed = changed;
    }
}

fn look(path: &Path, within: &[PathBuf]) -> io::Result<(FileId, Header)> {
    let file = Input::open(path, false, within)?.into_file();
    Ok((FileId::from(&file.metadata()?), Header::read(&file)?))
}

/// What the checkpoint calls a journal's file.
fn key(header: &Header) -> String {
    let digits = header.id.iter().map(|byte| format!("{byte:02x}"));
    format!("journal:{}", digits.collect::<String>())
}

fn found(key: String, folder: &Path, within: &Arc<[PathBuf]>, path: &Path, id: FileId) -> Found {
    let order = Order {
        restart: 0,
        turn: CURRENT,
    };
    Found {
        key,
        folder: folder.to_owned(),
        kind: Kind::Journal,
        within: within.clone(),
        // It is written by way of memory, of which the kernel tells nobody.
        watch: None,
        files: vec![Listed {
            name: super::tail::name(path).to_owned(),
            path: path.to_owned(),
            id,
            size: 0,
            modified: 0,
            found: Name {
                order,
                compressed: false,
            },
        }],
    }
}

impl Source {
    /// A journal's file may have another name, and is no more when it is not listed.
    pub fn reconcile_journal(&mut self, listed: &[Listed], metrics: &Metrics) {
        let Some(listed) = listed.first() else {
            for file in &mut self.files {
                file.gone = true;
                if file.journal.is_none() && !file.record.finished {
                    metrics.lost("deleted", 0);
                    file.ended = true;
                }
            }
            return;
        };
        if self.files.is_empty() {
            let record = FileRecord {
                id: listed.id,
                print: Print::of(self.key.as_bytes()),
                ..FileRecord::default()
            };
            self.files
                .push(Tail::new(listed.path.clone(), record, self.within.clone()));
        }
        if let Some(file) = self.files.first_mut() {
            file.record.name.clone_from(&listed.name);
            file.record.id = listed.id;
            file.path.clone_from(&listed.path);
            file.gone = false;
        }
    }

    /// Whether the journal has more entries than were read.
    pub fn wants_journal(&mut self) -> bool {
        let Some(file) = self.files.first_mut().filter(|file| !file.ended) else {
            return false;
        };
        match &mut file.journal {
            Some(journal) => {
                let header = journal.look();
                file.size = header.as_ref().map_or(file.size, |header| header.entries);
                file.read < file.size || file.gone || header.is_ok_and(|header| header.archived)
            }
            None => true,
        }
    }

    /// Reads entries up to so many bytes; true when there are more.
    pub fn journal_turn(
        &mut self,
        settled: &Settled,
        work: &mut Work,
        limit: usize,
        budget: usize,
        counts: &Metrics,
    ) -> bool {
        match self.read_journal(settled, work, limit, budget, counts) {
            Ok(more) => more,
            Err(error) => {
                if let Some(file) = self.files.first_mut()
                    && !std::mem::replace(&mut file.failing, true)
                {
                    counts.failed(&file.path, &error);
                }
                false
            }
        }
    }

    fn read_journal(
        &mut self,
        settled: &Settled,
        work: &mut Work,
        limit: usize,
        budget: usize,
        counts: &Metrics,
    ) -> io::Result<bool> {
        let Some(file) = self.files.first_mut().filter(|file| !file.ended) else {
            return Ok(false);
        };
        let mut journal = if let Some(journal) = file.journal.take() {
            journal
        } else {
            let opened = Input::open(&file.path, false, &file.within)?.into_file();
            Box::new(Journal::open(opened, file.read)?)
        };
        let header = journal.look()?;
        file.size = header.entries;
        let oldest = if self.fresh {
            micros(work.nanos).saturating_sub(MAX_AGE)
        } else {
            0
        };
        let (mut entry, mut spent) = (Entry::default(), 0);
        while file.read < file.size && spent < budget {
            let read = journal.next(&mut entry);
            file.read += 1;
            self.moved = true;
            work.made.counts.lines += 1;
            if let Err(error) = read {
                work.made.counts.unparsable += 1;
                if !std::mem::replace(&mut file.failing, true) {
                    counts.failed(&file.path, &error);
                }
                continue;
            }
            spent += entry.message.len() + 64;
            work.made.counts.bytes += entry.message.len() as u64;
            let wanted = settled.units.is_empty() || settled.units.contains(&entry.unit);
            if wanted && entry.time >= oldest {
                add(&entry, settled, work, limit);
            }
            file.time = nanos(&entry);
        }
        let more = file.read < file.size;
        if !more && (header.archived || file.gone) {
            file.ended = true;
            self.moved = true;
        } else {
            file.journal = Some(journal);
        }
        Ok(more)
    }
}

/// A time that tells entries of the same microsecond apart.
fn nanos(entry: &Entry) -> i64 {
    let nanos = entry
        .time
        .saturating_mul(1000)
        .saturating_add(entry.number % 1000);
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

fn micros(nanos: i64) -> u64 {
    (nanos.max(0) / 1000).cast_unsigned()
}

fn add(entry: &Entry, settled: &Settled, work: &mut Work, limit: usize) {
    let mut metadata = Vec::new();
    for (name, value) in [
        ("identifier", &entry.identifier),
        ("pid", &entry.pid),
        ("priority", &entry.priority),
    ] {
        if !value.is_empty() {
            encode::pair(&mut metadata, name, value);
        }
    }
    // Units that come and go would each make a stream that nothing follows.
    let lasting = entry.unit.ends_with(".service") && !entry.unit.starts_with("run-");
    let mut pairs = settled.labels[0].0.clone();
    if lasting {
        pairs.push(("unit".to_owned(), entry.unit.clone()));
    } else if !entry.unit.is_empty() {
        encode::pair(&mut metadata, "unit", &entry.unit);
    }
    let text = labels::text(
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let labels = [(pairs.clone(), text.clone()), (pairs, text)];
    let common = Common {
        labels: &labels,
        metadata: &metadata,
        limit,
        stages: &settled.stages,
    };
    let whole = Whole {
        time: nanos(entry),
        text: &entry.message,
        cut: 0,
    };
    work.made.add(Stream::Stdout, &whole, false, &common);
    work.made.move_aside(&labels[0].1);
}

//! A source: the files of one container or one path, read one after the other, in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use regex::bytes::Regex;

use super::discover::Found;
use super::identity::FileId;
use super::join::Joiner;
use super::metrics::Lag;
use super::stage::Stages;
use super::stamp::Clock;
use super::tail::Tail;

/// What a source is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A container of a pod.
    Pod {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The pod's uid, as it stands in the path.
        uid: String,
        /// The container's name.
        container: String,
    },
    /// A container of Docker.
    Docker {
        /// Its id.
        id: String,
    },
    /// A plain file, by the index of its part of the configuration.
    Plain {
        /// Its name in its folder.
        base: String,
        /// Which part of the configuration it is of.
        config: usize,
    },
    /// A file of the systemd journal.
    Journal,
}

/// What is settled before the first line is sent, and stays.
#[derive(Debug, Default)]
pub struct Settled {
    /// The label `app`.
    pub app: String,
    /// Labels of each output's stream, as pairs and as text.
    pub labels: [(Vec<(String, String)>, String); 2],
    /// What the first line of an entry fits.
    pub first: Option<Regex>,
    /// What is done to entries.
    pub stages: Arc<Stages>,
    /// Which tenant's it is.
    pub tenant: usize,
    /// Bytes per second that its pod may send.
    pub rate: Option<u64>,
    /// Whether it is left out.
    pub excluded: bool,
    /// Whether rules ask for labels that nobody can tell any more.
    pub unknown: bool,
    /// Units of the journal that are sent; none: all.
    pub units: Vec<String>,
}

/// Files that are read as one.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Source {
    /// Its number.
    pub id: u32,
    /// What the checkpoint calls it.
    pub key: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// What it is of.
    pub kind: Kind,
    /// Folders that its files may be in.
    pub within: Arc<[PathBuf]>,
    /// Labels and the like, once they are settled.
    pub settled: Option<Settled>,
    /// The label `app` that an earlier run has settled.
    pub app: Option<String>,
    /// Its files, the oldest first.
    pub files: Vec<Tail>,
    /// When it was found.
    pub found: Instant,
    /// Whether its folder is no more.
    pub gone: bool,
    /// Batches on their way that hold entries of it.
    pub outstanding: u32,
    /// Whether it has more than fits into a turn among all others.
    pub bulk: bool,
    /// Whether it waits for its turn.
    pub queued: bool,
    /// What it lags behind, shown to others.
    pub lag: Arc<Lag>,
    /// The watch on its folder; none when it must be looked at.
    pub watch: Option<i32>,
    /// Whether something has changed in its folder since it was read to the end.
    pub hinted: bool,
    /// Whether the agent has never read anything like it.
    pub fresh: bool,
    /// Whether its last turn has changed anything.
    pub moved: bool,
    /// What waits to be whole.
    pub joiners: [Joiner; 2],
    /// Reads times.
    pub clock: Clock,
}

/// How far a file comes with a batch.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Whose file.
    pub source: u32,
    /// Which file.
    pub serial: u64,
    /// Up to where each output's records are in this batch or an earlier one.
    pub done: [u64; 2],
    /// Whether that is inside a line.
    pub inside: bool,
    /// The time of the last record.
    pub time: i64,
}

impl Source {
    /// A source without files.
    pub fn new(id: u32, found: &Found, lag: Arc<Lag>) -> Self {
        Self {
            id,
            key: found.key.clone(),
            folder: found.folder.clone(),
            kind: found.kind.clone(),
            within: found.within.clone(),
            settled: None,
            app: None,
            files: Vec::new(),
            found: Instant::now(),
            gone: false,
            outstanding: 0,
            bulk: false,
            queued: false,
            moved: false,
            fresh: false,
            watch: None,
            hinted: true,
            lag,
            joiners: Default::default(),
            clock: Clock::default(),
        }
    }

    /// The uid of its pod and what that may send in a second, where it is limited.
    pub fn limited(&self) -> Option<(&str, u64)> {
        let rate = self.settled.as_ref()?.rate?;
        match &self.kind {
            Kind::Pod { uid, .. } => Some((uid, rate)),
            _ => None,
        }
    }

    /// Up to where the records of an output are handed on.
    fn done(&self, index: usize, output: usize) -> u64 {
        let file = &self.files[index];
        let read = file.read.max(file.skip[output]);
        let Some(start) = self.joiners[output].start() else {
            return read;
        };
        match self
            .files
            .iter()
            .position(|other| other.serial == start.file)
        {
            Some(begun) if begun == index => start.at.max(file.skip[output]),
            // What waits began in an earlier file and has taken everything here.
            Some(begun) if begun < index => file.skip[output],
            _ => read,
        }
    }

    /// How far its files come with what was made until now.
    pub fn marks(&self, out: &mut Vec<Mark>) {
        for (index, file) in self.files.iter().enumerate() {
            if file.record.finished || (file.read == 0 && !file.ended) {
                continue;
            }
            let done = [self.done(index, 0), self.done(index, 1)];
            out.push(Mark {
                source: self.id,
                serial: file.serial,
                done,
                inside: file.inside,
                time: file.time,
            });
        }
    }

    /// Loki has what was made until this mark.
    pub fn delivered(&mut self, mark: &Mark) {
        let Some(file) = self
            .files
            .iter_mut()
            .find(|file| file.serial == mark.serial)
        else {
            return;
        };
        for (done, to) in file.record.done.iter_mut().zip(mark.done) {
            *done = to.max(*done);
        }
        file.record.inside = mark.inside;
        file.record.time = mark.time;
        file.forget_times();
        file.record.finished = file.finished();
        self.files
            .retain(|file| !(file.gone && file.record.finished));
    }

    /// Whether there is nothing left that could be read or waited for.
    pub fn over(&self) -> bool {
        let excluded = self
            .settled
            .as_ref()
            .is_some_and(|settled| settled.excluded);
        self.gone && self.outstanding == 0 && (excluded || self.files.is_empty())
    }

    /// Whether nothing happens to it but what the kernel would tell.
    pub fn is_calm(&self) -> bool {
        let calm = |file: &Tail| {
            file.ended || (file.aside.is_none() && !file.gone && file.input.is_some())
        };
        self.watch.is_some()
            && !self.hinted
            && self.joiners.iter().all(Joiner::is_empty)
            && self.files.iter().all(calm)
    }

    /// Whether the kernel has told that something has changed since it was read to the end.
    pub fn is_told(&self) -> bool {
        self.watch.is_some() && self.hinted
    }

    /// Whether a turn would find something to do.
    pub fn wants(&mut self, now: Instant) -> bool {
        if self.kind == Kind::Journal {
            return self.wants_journal();
        }
        if let Kind::Plain { .. } = self.kind {
            self.files.iter_mut().for_each(Tail::wake);
        }
        if !self.joiners.iter().all(Joiner::is_empty) {
            return true;
        }
        let Some(file) = self.files.iter_mut().find(|file| !file.ended) else {
            return false;
        };
        match &file.input {
            Some(input) if !file.compressed => {
                // A file that cannot be looked at fails in its turn, where that is told.
                let Ok((_, size)) = input.look() else {
                    return true;
                };
                // Who does not wait for a turn looks at it there.
                if self.queued {
                    file.grown(size);
                }
                size != file.seen || file.complete(now)
            }
            None if !file.compressed => {
                let known = std::fs::metadata(&file.path);
                known.is_ok_and(|it| it.len() != file.seen || FileId::from(&it) != file.record.id)
                    || file.complete(now)
            }
            _ => true,
        }
    }

    /// Tells others how far it lags behind.
    pub fn lag(&self, now: i64) {
        let mut bytes: u64 = self.files.iter().map(Tail::lag).sum();
        if self.kind == Kind::Journal {
            // Entries are counted instead; a journal takes about so many bytes for each.
            bytes *= 500;
        }
        self.lag.bytes.store(bytes, Ordering::Relaxed);
        if bytes == 0 {
            self.lag.caught_up.store(now, Ordering::Relaxed);
        }
    }

    /// Lets go of files that are delivered, where no batch will come back to say so.
    pub fn sweep(&mut self) {
        self.files.retain_mut(|file| {
            file.record.finished = file.finished();
            !(file.gone && file.record.finished)
        });
    }
}

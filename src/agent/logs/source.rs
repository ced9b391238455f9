//! A source: the files of one container or one path, read one after the other, in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use regex::bytes::Regex;

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
    /// Bytes per second that it may send.
    pub rate: Option<u64>,
    /// Whether it is left out.
    pub excluded: bool,
}

/// Files that are read as one.
#[derive(Debug)]
pub struct Source {
    /// Its number.
    pub id: u32,
    /// What the checkpoint calls it.
    pub key: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// What it is of.
    pub kind: Kind,
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
    /// Bytes that it may still send now, where that is limited.
    pub allowance: f64,
    /// What it lags behind, shown to others.
    pub lag: Arc<Lag>,
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
    pub fn new(id: u32, key: String, folder: PathBuf, kind: Kind, lag: Arc<Lag>) -> Self {
        Self {
            id,
            key,
            folder,
            kind,
            settled: None,
            app: None,
            files: Vec::new(),
            found: Instant::now(),
            gone: false,
            outstanding: 0,
            bulk: false,
            queued: false,
            allowance: 0.0,
            moved: false,
            lag,
            joiners: Default::default(),
            clock: Clock::default(),
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
        self.gone && self.files.is_empty() && self.outstanding == 0
    }

    /// Whether a turn would find something to do.
    pub fn wants(&mut self, now: Instant) -> bool {
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
                file.size = size;
                size != file.seen || file.complete(now)
            }
            _ => true,
        }
    }

    /// Tells others how far it lags behind.
    pub fn lag(&self, now: i64) {
        let bytes = self.files.iter().map(Tail::lag).sum();
        self.lag.bytes.store(bytes, Ordering::Relaxed);
        if bytes == 0 {
            self.lag.caught_up.store(now, Ordering::Relaxed);
        }
    }
}

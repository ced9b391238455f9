//! One log file: how far it is read, how far it is delivered, and whether it will grow.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint::FileRecord;
use super::identity::{FIRST_BYTES, FileId, Print};
use super::input::Input;
use super::journal::Journal;
use super::names::Order;

/// How long a file that was put aside is still read: its writer may not have noticed yet.
pub const GRACE: Duration = Duration::from_secs(1);

/// As much of a line of the kubelet's files tells it from any other: its time is in it.
const HEAD: usize = 64;

/// How long a file that is not where it was is looked for: folders are looked at more often.
const MISSING: Duration = Duration::from_secs(30);

/// A log file.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Tail {
    /// What acknowledgements call it; another one after the file was truncated.
    pub serial: u64,
    /// Where it is.
    pub path: PathBuf,
    /// What is kept about it; `done` moves when Loki has acknowledged.
    pub record: FileRecord,
    /// What its first line begins with, once the print is of as much as it can be.
    head: Option<Print>,
    /// Its place among the files of its source.
    pub order: Order,
    /// Whether it is compressed.
    pub compressed: bool,
    /// The file, while it is open.
    pub input: Option<Input>,
    /// The journal, while it is open.
    pub journal: Option<Box<Journal>>,
    /// The byte at which the next line begins.
    pub read: u64,
    /// Whether that is inside a line whose beginning was cut off.
    pub inside: bool,
    /// The time of the last record.
    pub time: i64,
    /// Records of each stream before this byte are delivered already.
    pub skip: [u64; 2],
    /// How long it was when it was last looked at.
    pub size: u64,
    /// How long it was when all of it was read that there was; greater than any file before that.
    pub seen: u64,
    /// Since when nobody should write to it any more.
    pub aside: Option<Instant>,
    /// Whether it has no name any more.
    pub gone: bool,
    /// Whether everything is read and nothing more will come.
    pub ended: bool,
    /// Structured metadata of its entries, as it is sent.
    pub metadata: Vec<u8>,
    /// Folders that it may be in.
    pub within: Arc<[PathBuf]>,
    /// Whether it could not be read the last time.
    pub failing: bool,
    /// Since when it is not where it was.
    pub missing: Option<Instant>,
}

/// What an opened file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The file that was read before, or a new one.
    Same,
    /// Another file that has its name.
    Other,
}

/// What is between two looks at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grown {
    /// There is something to read.
    More,
    /// There is nothing.
    Nothing,
    /// It was made anew from its beginning; so many bytes were not read before.
    Truncated(u64),
}

impl Tail {
    /// A file as it was left, or a new one.
    pub fn new(path: PathBuf, record: FileRecord, within: Arc<[PathBuf]>) -> Self {
        let done = record.done;
        Self {
            serial: serial(),
            path,
            order: Order::default(),
            compressed: false,
            input: None,
            journal: None,
            read: done[0].min(done[1]),
            inside: record.inside,
            time: record.time,
            skip: done,
            size: 0,
            seen: u64::MAX,
            aside: None,
            gone: false,
            ended: record.finished,
            metadata: Vec::new(),
            within,
            failing: false,
            missing: None,
            head: None,
            record,
        }
    }

    /// Opens it where it is not open. One that begins otherwise than it did was emptied, or its
    /// inode is used again: the next look at it tells so.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&mut self) -> io::Result<Opened> {
        if self.input.is_some() {
            return Ok(Opened::Same);
        }
        let input = Input::open(&self.path, self.compressed, &self.within)?;
        let (id, size) = input.look()?;
        let fits = input.fits(&self.record.print)?;
        if id != self.record.id || (self.compressed && !fits) {
            return Ok(Opened::Other);
        }
        self.head = None;
        self.grown(size);
        self.input = Some(input);
        Ok(Opened::Same)
    }

    /// It is so long now. What an emptied one held before counts until the look that finds that.
    pub fn grown(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// Looks at the open file. One that has become shorter, or begins otherwise, was emptied and
    /// written anew (logrotate's copytruncate). With `dated` its lines begin with their times, so
    /// that the first few bytes tell.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(&mut self, dated: bool) -> io::Result<Grown> {
        let Some(input) = &self.input else {
            return Ok(Grown::Nothing);
        };
        if self.compressed {
            return Ok(Grown::More);
        }
        let (_, size) = input.look()?;
        let unread = self.size.saturating_sub(self.read);
        self.size = size;
        if size < self.read {
            return Ok(Grown::Truncated(unread));
        }
        if size == self.read {
            return Ok(Grown::Nothing);
        }
        let mut buffer = [0; FIRST_BYTES];
        if let Some(head) = self.head.filter(|_| dated) {
            let (buffer, _) = buffer.split_at_mut(HEAD);
            let length = input.beginning(buffer)?;
            let fits = head.fits(buffer.get(..length).unwrap_or_default());
            return Ok(if fits {
                Grown::More
            } else {
                Grown::Truncated(unread)
            });
        }
        let length = input.beginning(&mut buffer)?;
        let beginning = buffer.get(..length).unwrap_or_default();
        if !self.record.print.fits(beginning) {
            return Ok(Grown::Truncated(unread));
        }
        if usize::from(self.record.print.length) < length {
            self.record.print = Print::of(beginning);
        }
        self.head = beginning
            .get(..HEAD)
            .filter(|_| length == FIRST_BYTES)
            .map(Print::of);
        Ok(Grown::More)
    }

    /// Begins it anew; acknowledgements under way are for what it was before.
    pub fn restart(&mut self, serial: u64) {
        self.serial = serial;
        self.read = 0;
        self.inside = false;
        self.skip = [0; 2];
        self.record.done = [0; 2];
        self.record.inside = false;
        self.head = None;
        self.record.times.clear();
        self.record.times_end = 0;
        self.record.print = self.print().unwrap_or(Print::of(&[]));
    }

    fn print(&self) -> Option<Print> {
        let mut buffer = [0; FIRST_BYTES];
        let length = self.input.as_ref()?.beginning(&mut buffer).ok()?;
        Some(Print::of(buffer.get(..length)?))
    }

    /// Whether nothing more comes, given that the end was just reached.
    pub fn complete(&self, now: Instant) -> bool {
        self.compressed
            || self
                .aside
                .is_some_and(|since| now.duration_since(since) >= GRACE)
    }

    /// Goes on with a file that was read to its end for good, where its writer has not taken the
    /// next one yet: nothing tells it but its signal (logrotate's `postrotate`).
    pub fn wake(&mut self) {
        let read_to_its_end = self.ended && self.aside.is_some() && !self.gone;
        if !read_to_its_end || self.compressed {
            return;
        }
        let here = std::fs::metadata(&self.path).ok();
        let same = here.filter(|it| FileId::from(it) == self.record.id);
        if let Some(longer) = same.filter(|it| it.len() > self.read) {
            self.grown(longer.len());
            self.ended = false;
            self.record.finished = false;
        }
    }

    /// Whether a file that is not where it was was looked for long enough.
    pub fn is_missed(&mut self, now: Instant) -> bool {
        let since = *self.missing.get_or_insert(now);
        now.duration_since(since) >= MISSING
    }

    /// Whether everything in it is delivered, for good.
    pub fn finished(&self) -> bool {
        self.ended && self.record.done.iter().all(|done| *done >= self.read)
    }

    /// The time of a line at a byte of a file whose lines have none. Where none is settled yet, it
    /// is `now` from here to the end of the file.
    pub fn time_at(&mut self, at: u64, now: i64) -> i64 {
        let times = &mut self.record.times;
        if at >= self.record.times_end || times.is_empty() {
            let after = times
                .last()
                .map_or(i64::MIN, |(from, time)| given(*from, *time, at) + 1);
            times.push((at, now.max(after)));
            self.record.times_end = self.size.max(at + 1);
        }
        let before = times.iter().rev().find(|(from, _)| *from <= at);
        before.map_or(now, |(from, time)| given(*from, *time, at))
    }

    /// Forgets times of lines that are delivered.
    pub fn forget_times(&mut self) {
        let done = self.record.done[0].min(self.record.done[1]);
        let times = &mut self.record.times;
        let still = times.iter().rposition(|(from, _)| *from <= done);
        times.drain(..still.unwrap_or(0));
    }

    /// What is in the file and not delivered.
    pub fn lag(&self) -> u64 {
        if self.compressed || self.record.finished {
            return 0;
        }
        self.size
            .saturating_sub(self.record.done[0].min(self.record.done[1]))
    }
}

fn given(from: u64, time: i64, at: u64) -> i64 {
    time.saturating_add_unsigned(at - from)
}

/// The name in a path.
pub fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// A number that no other file has in this run.
pub fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

//! What a look into a folder means for the files of a source.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use super::checkpoint::FileRecord;
use super::identity::{FIRST_BYTES, FileId, Print};
use super::input::Input;
use super::metrics::Metrics;
use super::names::{self, CURRENT, Name, Order};
use super::source::{Kind, Source};
use super::tail::{GRACE, Opened, Tail};

/// A file in a folder.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Which file it is.
    pub id: FileId,
    /// How long it is.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: i64,
    /// What its name says.
    pub found: Name,
}

/// What the look is made with.
#[derive(Debug)]
pub struct Look<'a> {
    /// The time.
    pub now: Instant,
    /// The time in nanoseconds since 1970.
    pub nanos: i64,
    /// Where losses are counted.
    pub metrics: &'a Metrics,
    /// How many more files may be opened.
    pub may_open: &'a mut usize,
}

/// Files have other names than they were listed with.
struct Renamed;

impl Source {
    /// Takes over what an earlier run has kept.
    pub fn resume(&mut self, records: Vec<FileRecord>) {
        for record in records {
            let path = self.folder.join(&record.name);
            self.files
                .push(Tail::new(path, record, self.within.clone()));
        }
    }

    /// Compares the files with those that are in the folder; false when those were renamed since,
    /// and are to be listed again.
    pub fn reconcile(&mut self, mut listed: Vec<Listed>, look: &mut Look<'_>) -> bool {
        if self.kind == Kind::Journal {
            self.reconcile_journal(&listed, look.metrics);
            return true;
        }
        if let Kind::Plain { .. } = self.kind
            && self.leave_older(&mut listed).is_err()
        {
            return false;
        }
        listed.sort_by_key(|file| file.found.order);
        if self
            .settled
            .as_ref()
            .is_some_and(|settled| settled.excluded)
        {
            self.files
                .retain(|file| listed.iter().any(|listed| listed.id == file.record.id));
            return true;
        }
        let mut seen: Vec<u64> = Vec::new();
        let (plain, compressed): (Vec<Listed>, Vec<Listed>) = listed
            .iter()
            .cloned()
            .partition(|file| !file.found.compressed);
        let Ok(compressed) = self.unpack_beginnings(compressed, look) else {
            return false;
        };
        for file in &plain {
            seen.push(self.take_plain(file, &seen));
        }
        // Compressed ones last: only then it is known which files have no name any more.
        for (file, beginning) in &compressed {
            seen.push(self.take_compressed(file, beginning, &seen));
        }
        self.miss(&seen, &listed, look);
        self.files.sort_by_key(|file| file.order);
        self.put_aside(&listed, look);
        self.open_all(look);
        true
    }

    /// Opens what is to be read, so that it can be read once it has no name any more.
    fn open_all(&mut self, look: &mut Look<'_>) {
        let closed = |file: &&mut Tail| !file.ended && file.input.is_none();
        for file in self.files.iter_mut().filter(closed) {
            if *look.may_open == 0 {
                break;
            }
            // What cannot be opened now is tried again in its turn, where it is counted.
            if let Ok(Opened::Same) = file.open() {
                *look.may_open -= 1;
            }
        }
    }

    /// Of what a plain file may have been called before, only that is read which was begun under
    /// its first name, and what is newer.
    fn leave_older(&self, listed: &mut Vec<Listed>) -> Result<(), Renamed> {
        listed.sort_by_key(|file| file.found.order);
        let mut older = 0;
        for file in listed.iter() {
            if file.found.order.turn == CURRENT || self.has_begun(file)? {
                break;
            }
            older += 1;
        }
        listed.drain(..older);
        Ok(())
    }

    /// Whether a file is one that is not read to its end, or has the text of one, compressed.
    fn has_begun(&self, listed: &Listed) -> Result<bool, Renamed> {
        let mut unfinished = self.files.iter().filter(|file| !file.record.finished);
        if !listed.found.compressed {
            return Ok(unfinished.any(|file| !file.compressed && file.record.id == listed.id));
        }
        let beginning = match self.unpack_beginning(listed) {
            Ok(beginning) => beginning,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Renamed),
            // It is counted where it is to be read.
            Err(_) => Vec::new(),
        };
        Ok(unfinished.any(|file| {
            file.is_packed_as(listed)
                || (file.record.print.length > 0 && file.record.print.fits(&beginning))
        }))
    }

    /// What a plain file held before it was emptied, where logrotate's copytruncate has kept a copy:
    /// it is read from where the file itself was.
    pub fn copy_of(&self, index: usize) -> Option<Tail> {
        let (Kind::Plain { base, .. }, Some(file)) = (&self.kind, self.files.get(index)) else {
            return None;
        };
        let names = std::fs::read_dir(&self.folder).ok()?;
        let mut names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.find_map(|name| self.copy(file, base, name))
    }

    fn copy(&self, file: &Tail, base: &str, name: String) -> Option<Tail> {
        let found = names::sibling(&name, base, 0)?;
        let path = self.folder.join(&name);
        if found.order.turn == CURRENT || found.compressed || file.record.print.length == 0 {
            return None;
        }
        let input = Input::open(&path, false, &self.within).ok()?;
        let (id, size) = input.look().ok()?;
        if size < file.read || !input.fits(&file.record.print).ok()? {
            return None;
        }
        let record = FileRecord {
            name,
            id,
            ..file.record.clone()
        };
        let mut copy = Tail::new(path, record, self.within.clone());
        // Batches on their way, and parts that wait, are of what is in the copy now.
        copy.serial = file.serial;
        (copy.read, copy.inside, copy.time, copy.skip) =
            (file.read, file.inside, file.time, file.skip);
        copy.metadata.clone_from(&file.metadata);
        copy.size = size;
        copy.aside = Some(Instant::now());
        copy.order = Order {
            restart: 0,
            turn: CURRENT - 1,
        };
        copy.input = Some(input);
        Some(copy)
    }

    fn take_plain(&mut self, listed: &Listed, seen: &[u64]) -> u64 {
        let known = self.files.iter_mut().find(|file| {
            file.record.id == listed.id && !file.compressed && !seen.contains(&file.serial)
        });
        let Some(file) = known.filter(|file| is_same(file, listed)) else {
            return self.add(listed, Print::default());
        };
        file.name(listed);
        file.serial
    }

    /// What each compressed file begins with that is not known yet; those that cannot be read are
    /// left out.
    fn unpack_beginnings(
        &self,
        compressed: Vec<Listed>,
        look: &Look<'_>,
    ) -> Result<Vec<(Listed, Vec<u8>)>, Renamed> {
        let mut unpacked = Vec::new();
        for listed in compressed {
            if self.files.iter().any(|file| file.is_packed_as(&listed)) {
                unpacked.push((listed, Vec::new()));
                continue;
            }
            match self.unpack_beginning(&listed) {
                Ok(beginning) => unpacked.push((listed, beginning)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Renamed),
                Err(error) => look.metrics.failed(&listed.path, &error),
            }
        }
        Ok(unpacked)
    }

    fn unpack_beginning(&self, listed: &Listed) -> io::Result<Vec<u8>> {
        let input = Input::open(&listed.path, true, &self.within)?;
        if input.look()?.0 != listed.id {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut buffer = [0; FIRST_BYTES];
        let length = input.beginning(&mut buffer)?;
        Ok(buffer.get(..length).unwrap_or_default().to_vec())
    }

    /// A compressed file is another file, but with the text of one that was there before.
    fn take_compressed(&mut self, listed: &Listed, beginning: &[u8], seen: &[u64]) -> u64 {
        let mut files = self.files.iter_mut();
        if let Some(file) = files.find(|file| file.is_packed_as(listed)) {
            file.name(listed);
            return file.serial;
        }
        let print = Print::of(beginning);
        let fits = |file: &&mut Tail| {
            let print = file.record.print;
            file.order.restart == listed.found.order.restart
                && print.length > 0
                && print.fits(beginning)
        };
        // Both are there for a moment, and then the plain one does.
        if let Some(file) = self.files.iter_mut().find(fits) {
            let plain = seen.contains(&file.serial);
            if file.input.is_some() && !plain {
                // Put aside and compressed since the last look: it is read on as it is open, in
                // its place among the others.
                file.order = listed.found.order;
            }
            if file.input.is_some() || (plain && !file.ended) {
                return file.serial;
            }
            file.record.id = listed.id;
            file.record.print = print;
            file.name(listed);
            return file.serial;
        }
        self.add(listed, print)
    }

    fn add(&mut self, listed: &Listed, print: Print) -> u64 {
        let record = FileRecord {
            id: listed.id,
            print,
            ..FileRecord::default()
        };
        let mut file = Tail::new(listed.path.clone(), record, self.within.clone());
        file.name(listed);
        if let Some(read) = (!listed.found.compressed)
            .then(|| file.first_print())
            .flatten()
        {
            file.record.print = read;
        }
        file.size = listed.size;
        let serial = file.serial;
        self.files.push(file);
        serial
    }

    /// Files without a name: open ones are read to their end, others are lost.
    fn miss(&mut self, seen: &[u64], listed: &[Listed], look: &Look<'_>) {
        let key = &self.key;
        // The kubelet and Docker never empty a file: a number that comes again is another file's.
        let emptied = matches!(self.kind, Kind::Plain { .. });
        self.files.retain_mut(|file| {
            if seen.contains(&file.serial) {
                return true;
            }
            file.gone = true;
            if file.record.finished {
                return false;
            }
            // Read to its end, and on its way.
            if file.ended || file.input.is_some() {
                return true;
            }
            let unread = file.size.saturating_sub(file.read);
            let again = listed.iter().any(|listed| listed.id == file.record.id);
            if emptied && unread == 0 && again {
                tracing::info!(
                    key,
                    file = file.record.name,
                    "a log file was emptied and written anew"
                );
                return false;
            }
            let since = file.time;
            look.metrics.lost("deleted", unread);
            tracing::warn!(
                key,
                file = file.record.name,
                from = file.read,
                last_time = since,
                "a log file was deleted before it was read"
            );
            false
        });
    }

    /// Which files nobody writes to any more: all but the newest.
    fn put_aside(&mut self, listed: &[Listed], look: &Look<'_>) {
        let newest = self.files.iter().map(|file| file.order).max();
        for file in &mut self.files {
            let current = file.order.turn == CURRENT && Some(file.order) == newest;
            // A file that has been given its second name, while there is none with the first yet,
            // may still be written to: the runtime opens the next one later.
            let alone = Some(file.order) == newest;
            if !file.gone && (current || alone) {
                file.aside = None;
                continue;
            }
            if file.aside.is_some() {
                continue;
            }
            let modified = listed.iter().find(|listed| listed.id == file.record.id);
            let old = modified
                .is_some_and(|listed| look.nanos.saturating_sub(listed.modified) > 2_000_000_000);
            file.aside = Some(if old {
                look.now.checked_sub(GRACE).unwrap_or(look.now)
            } else {
                look.now
            });
        }
    }
}

/// Whether a listed file that has a known one's inode is that one: an inode that is free is used
/// again, but not while the file is open.
fn is_same(file: &Tail, listed: &Listed) -> bool {
    if file.input.is_some() {
        return true;
    }
    if listed.size < file.read.min(file.record.done[0].min(file.record.done[1])) {
        // Emptied while it was not looked at, or another one: either way it begins anew.
        return false;
    }
    Input::open(&listed.path, false, &file.within).is_ok_and(|input| {
        input.look().is_ok_and(|(id, _)| id == listed.id)
            && input.fits(&file.record.print).unwrap_or(false)
    })
}

impl Tail {
    /// Whether it is this compressed file.
    fn is_packed_as(&self, listed: &Listed) -> bool {
        self.compressed && self.record.id == listed.id
    }

    fn name(&mut self, listed: &Listed) {
        self.record.name.clone_from(&listed.name);
        self.path.clone_from(&listed.path);
        self.order = listed.found.order;
        // One that is open as it was before it was compressed is read on as that.
        self.compressed = listed.found.compressed && (self.compressed || self.input.is_none());
        self.gone = false;
    }

    fn first_print(&self) -> Option<Print> {
        let input = Input::open(&self.path, false, &self.within).ok()?;
        // Another may have its name by now.
        let (id, _) = input.look().ok()?;
        if id != self.record.id {
            return None;
        }
        let mut buffer = [0; FIRST_BYTES];
        let length = input.beginning(&mut buffer).ok()?;
        Some(Print::of(buffer.get(..length)?))
    }
}

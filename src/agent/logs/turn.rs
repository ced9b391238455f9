//! A source's turn: read, take lines apart, make entries.

use std::io;

use memchr::{memchr, memrchr};

use super::entries::{Common, Work};
use super::join::{Joiner, Piece, Place, Rules, Whole};
use super::metrics::Metrics;
use super::record::{Record, Stream};
use super::source::{Kind, Settled, Source};
use super::tail::{Grown, Opened, serial};
use super::{cri, docker_json};

/// How much is read at once. Larger blocks fall out of the processor's cache.
const BLOCK: usize = 128 * 1024;

/// How the reading of a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// There may be more.
    Middle,
    /// The end as it is now.
    End,
}

impl Source {
    /// Reads up to so many bytes; true when there is more.
    pub fn turn(
        &mut self,
        work: &mut Work,
        limit: usize,
        mut budget: usize,
        counts: &Metrics,
    ) -> bool {
        self.moved = false;
        let Some(settled) = self.settled.take() else {
            return false;
        };
        let more = if self.kind == Kind::Journal {
            self.journal_turn(&settled, work, limit, budget, counts)
        } else {
            self.turn_settled(&settled, work, limit, &mut budget, counts)
        };
        self.settled = Some(settled);
        more
    }

    fn turn_settled(
        &mut self,
        settled: &Settled,
        work: &mut Work,
        limit: usize,
        budget: &mut usize,
        counts: &Metrics,
    ) -> bool {
        while let Some(index) = self.files.iter().position(|file| !file.ended) {
            if *budget == 0 || work.made.is_full() {
                return true;
            }
            match self.read(index, settled, work, limit, budget, counts) {
                Ok(Reached::Middle) => continue,
                Ok(Reached::End) => self.files[index].seen = self.files[index].size,
                Err(error) => {
                    let file = &mut self.files[index];
                    let moved = error.kind() == io::ErrorKind::NotFound;
                    if moved && !file.is_missed(work.now) {
                        // It has been given another name, by which the next look finds it.
                        return false;
                    }
                    if !std::mem::replace(&mut file.failing, true) {
                        counts.failed(&file.path, &error);
                    }
                    if !moved && !file.compressed {
                        return false;
                    }
                    // There is no other copy of it.
                    counts.lost("unreadable", file.size.saturating_sub(file.read));
                    file.ended = true;
                    file.input = None;
                    self.moved = true;
                    continue;
                }
            }
            if !self.files[index].complete(work.now) {
                break;
            }
            self.end(index, settled, work, limit);
        }
        // What is written from now on will be told.
        self.hinted = false;
        self.expire(false, settled, work, limit);
        false
    }

    /// The end of a file that nobody writes to any more.
    fn end(&mut self, index: usize, settled: &Settled, work: &mut Work, limit: usize) {
        let file = &mut self.files[index];
        // A last line without its end.
        if let Some(input) = &mut file.input {
            let length = input.read(file.read, &mut work.buffer).unwrap_or(0);
            let rest = work.buffer.get(..length).unwrap_or_default();
            if memchr(b'\n', rest).is_some() {
                // Written just now: it is read as the rest was.
                return;
            }
            if length > 0 {
                self.block(index, length, false, settled, work, limit);
            }
        }
        self.moved = true;
        let file = &mut self.files[index];
        file.ended = true;
        file.input = None;
        let restart = file.order.restart;
        // Parts go on in the next file of the same start, and in no other.
        let goes_on = self
            .files
            .get(index + 1)
            .is_some_and(|next| next.order.restart == restart);
        if !goes_on {
            self.expire(true, settled, work, limit);
        }
    }

    fn read(
        &mut self,
        index: usize,
        settled: &Settled,
        work: &mut Work,
        limit: usize,
        budget: &mut usize,
        counts: &Metrics,
    ) -> io::Result<Reached> {
        // The CRI's form: other files that pods have are links to Docker's, in folders unwatched.
        let dated = matches!(self.kind, Kind::Pod { .. }) && self.watch.is_some();
        let file = &mut self.files[index];
        if file.open()? == Opened::Other {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "another file has its name",
            ));
        }
        file.failing = false;
        file.missing = None;
        match file.look(dated)? {
            Grown::Nothing => return Ok(Reached::End),
            Grown::More => {}
            Grown::Truncated(unread) => {
                let copy = self.copy_of(index);
                let file = &mut self.files[index];
                let unread = if copy.is_some() { 0 } else { unread };
                counts.truncated(&file.path, unread);
                file.restart(serial());
                if let Some(copy) = copy {
                    self.files.insert(index, copy);
                    return Ok(Reached::Middle);
                }
                self.expire(true, settled, work, limit);
            }
        }
        let file = &mut self.files[index];
        let Some(input) = &mut file.input else {
            return Ok(Reached::End);
        };
        let mut want = BLOCK.min(work.buffer.len());
        let (mut length, mut whole);
        loop {
            let buffer = work.buffer.get_mut(..want).unwrap_or_default();
            length = input.read(file.read, buffer)?;
            whole = memrchr(b'\n', buffer.get(..length).unwrap_or_default()).map_or(0, |at| at + 1);
            if whole > 0 || length < want || want == work.buffer.len() {
                break;
            }
            // A long line: all the room there is.
            want = work.buffer.len();
        }
        file.size = file.size.max(file.read + length as u64);
        let full = length == want;
        if whole > 0 {
            self.block(index, whole, false, settled, work, limit);
        } else if full {
            self.block(index, length, true, settled, work, limit);
            whole = length;
        }
        *budget = budget.saturating_sub(whole.max(1));
        Ok(if full { Reached::Middle } else { Reached::End })
    }

    /// Takes the lines of the buffer's first bytes. With `long` they are the beginning of a line
    /// that is longer than the buffer.
    fn block(
        &mut self,
        index: usize,
        length: usize,
        long: bool,
        settled: &Settled,
        work: &mut Work,
        limit: usize,
    ) {
        self.moved = true;
        let Self {
            files,
            joiners,
            clock,
            kind,
            ..
        } = self;
        let file = &mut files[index];
        let metadata = std::mem::take(&mut file.metadata);
        let block = work.buffer.get(..length).unwrap_or_default();
        let made = &mut work.made;
        made.counts.bytes += length as u64;
        let valid = std::str::from_utf8(block).is_ok();
        let common = Common {
            labels: &settled.labels,
            metadata: &metadata,
            limit,
            stages: &settled.stages,
        };
        let rules = Rules {
            first: settled.first.as_ref(),
            limit,
            now: work.now,
        };
        let plain = matches!(kind, Kind::Plain { .. });
        let mut rest = block;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let at = file.read;
            file.read += (line.len() + usize::from(!after.is_empty())) as u64;
            if std::mem::take(&mut file.inside) {
                continue;
            }
            made.counts.lines += 1;
            let parsed = match line.first() {
                _ if plain => None,
                Some(b'{') => docker_json::parse(line, clock, &mut work.json),
                _ => cri::parse(line, clock),
            };
            let mut record = if let Some(record) = parsed {
                file.time = record.time;
                record
            } else {
                let time = if plain {
                    made.times |= at >= file.record.times_end;
                    file.time_at(at, work.nanos)
                } else {
                    made.counts.unparsable += 1;
                    if file.time == 0 {
                        work.nanos
                    } else {
                        file.time
                    }
                };
                file.time = time;
                Record {
                    time,
                    stream: Stream::Stdout,
                    full: true,
                    text: line,
                }
            };
            let stream = record.stream;
            if at < file.skip[stream.index()] {
                continue;
            }
            record.full |= long;
            let cut = u64::from(long);
            let joiner = &mut joiners[stream.index()];
            if record.full && rules.first.is_none() && joiner.is_empty() {
                let whole = Whole {
                    time: record.time,
                    text: record.text,
                    cut,
                };
                made.add(stream, &whole, valid, &common);
                continue;
            }
            let piece = Piece {
                place: Place {
                    file: file.serial,
                    at,
                },
                time: record.time,
                full: record.full,
                text: record.text,
            };
            joiner.push(&piece, &rules, &mut work.spares, |whole| {
                made.add(stream, &whole, false, &common);
            });
        }
        file.inside = long;
        file.metadata = metadata;
    }

    /// Hands on what has waited long enough; with `all` everything.
    fn expire(&mut self, all: bool, settled: &Settled, work: &mut Work, limit: usize) {
        if self.joiners.iter().all(Joiner::is_empty) {
            return;
        }
        let rules = Rules {
            first: settled.first.as_ref(),
            limit,
            now: work.now,
        };
        let Self {
            files,
            joiners,
            moved,
            ..
        } = self;
        for (joiner, stream) in joiners.iter_mut().zip([Stream::Stdout, Stream::Stderr]) {
            let Some(start) = joiner.start() else {
                continue;
            };
            let file = files.iter().find(|file| file.serial == start.file);
            let common = Common {
                labels: &settled.labels,
                metadata: file.map_or(&[], |file| &file.metadata),
                limit,
                stages: &settled.stages,
            };
            let made = &mut work.made;
            joiner.expire(all, &rules, &mut work.spares, |whole| {
                *moved = true;
                made.add(stream, &whole, false, &common);
            });
        }
    }
}

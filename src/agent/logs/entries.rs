//! What one turn of a source makes: its entries, encoded, by the labels of their streams.

use std::collections::HashMap;
use std::time::Instant;

use super::batch::BATCH;
use super::encode;
use super::join::{Spares, Whole};
use super::record::Stream;
use super::stage::{self, Stages};

/// What stands at the end of an entry that was cut.
const MARK: &[u8] = b" [cut]";

/// Entries of one stream.
#[derive(Debug, Default)]
pub struct Entries {
    /// As Loki reads them.
    pub bytes: Vec<u8>,
    /// How many.
    pub count: u64,
}

/// Buffers that every source uses in its turn, so that lines cost no allocation.
#[derive(Debug)]
pub struct Work {
    /// What is read of a file.
    pub buffer: Vec<u8>,
    /// Text without JSON's escapes.
    pub json: Vec<u8>,
    /// Where parts are put together.
    pub spares: Spares,
    /// What the turn makes.
    pub made: Made,
    /// The time.
    pub now: Instant,
    /// The time in nanoseconds since 1970.
    pub nanos: i64,
}

/// What a turn makes and counts.
#[derive(Debug, Default)]
pub struct Made {
    /// Entries of the two outputs.
    pub streams: [Entries; 2],
    /// Entries of streams with labels of their own, by those labels.
    pub others: HashMap<String, Entries>,
    /// Whether a time was given that must be kept before it is sent.
    pub times: bool,
    /// What was counted.
    pub counts: Counts,
    stage: stage::Buffers,
    clean: Vec<u8>,
}

/// What a turn counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Lines of files.
    pub lines: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Lines that are not of their file's form.
    pub unparsable: u64,
    /// Entries that were cut.
    pub cut: u64,
    /// Entries with bytes that are no UTF-8.
    pub invalid: u64,
    /// Entries that a stage left out.
    pub dropped: u64,
    /// Entries that were sampled away.
    pub sampled: u64,
    /// Entries that lost labels of their own, because there are too many streams.
    pub unlabelled: u64,
}

/// What is the same for all entries of a file.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// The labels of both outputs.
    pub labels: &'a [(Vec<(String, String)>, String); 2],
    /// Structured metadata, encoded.
    pub metadata: &'a [u8],
    /// The longest entry.
    pub limit: usize,
    /// What is done to entries.
    pub stages: &'a Stages,
}

impl Work {
    /// Buffers for blocks of so many bytes.
    pub fn new(block: usize) -> Self {
        Self {
            buffer: vec![0; block],
            json: Vec::new(),
            spares: Spares::default(),
            made: Made::default(),
            now: Instant::now(),
            nanos: 0,
        }
    }

    /// Looks at the clock.
    pub fn tick(&mut self) {
        self.now = Instant::now();
        let nanos = jiff::Timestamp::now().as_nanosecond();
        self.nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    }
}

impl Made {
    /// Adds an entry. `valid` says that its text is known to be UTF-8.
    pub fn add(&mut self, stream: Stream, whole: &Whole<'_>, valid: bool, common: &Common<'_>) {
        let mut text = whole.text;
        let mut metadata = common.metadata;
        let mut out = &mut self.streams[stream.index()];
        if !common.stages.is_empty() {
            let outcome = common
                .stages
                .run(text, whole.time, common.metadata, &mut self.stage);
            let buffers = &mut self.stage;
            match outcome {
                stage::Outcome::Drop => {
                    self.counts.dropped += 1;
                    return;
                }
                stage::Outcome::Sampled => {
                    self.counts.sampled += 1;
                    return;
                }
                stage::Outcome::Keep { labelled } => {
                    text = buffers.text(text);
                    metadata = buffers.metadata(metadata);
                    if labelled {
                        let name = buffers.labels(common, stream);
                        match stream_of(&mut self.others, &name) {
                            Some(other) => out = other,
                            None => self.counts.unlabelled += 1,
                        }
                    }
                }
            }
        }
        if whole.cut > 0 || text.len() > common.limit {
            self.counts.cut += 1;
            let room = common.limit.saturating_sub(MARK.len());
            self.clean.clear();
            self.clean.extend_from_slice(cut_at_letter(text, room));
            self.clean.extend_from_slice(MARK);
            text = &self.clean;
        }
        out.count += 1;
        // A cut may have been made within a letter.
        if (valid && whole.cut == 0) || std::str::from_utf8(text).is_ok() {
            encode::entry(&mut out.bytes, whole.time, text, metadata);
        } else {
            self.counts.invalid += 1;
            let text = String::from_utf8_lossy(text);
            let text = cut_at_letter(text.as_bytes(), common.limit);
            encode::entry(&mut out.bytes, whole.time, text, metadata);
        }
    }
}

impl Made {
    /// Whether there is as much as a request should hold.
    pub fn is_full(&self) -> bool {
        let all = self.streams.iter().chain(self.others.values());
        all.map(|entries| entries.bytes.len()).sum::<usize>() >= BATCH
    }

    /// Moves what was just added to a stream of its own, unless there are too many.
    pub fn move_aside(&mut self, labels: &str) {
        let [made, _] = &mut self.streams;
        if let Some(other) = stream_of(&mut self.others, labels) {
            other.bytes.append(&mut made.bytes);
            other.count += std::mem::take(&mut made.count);
        }
    }
}

/// The entries of a stream with labels of its own; none when there are too many.
fn stream_of<'a>(others: &'a mut HashMap<String, Entries>, name: &str) -> Option<&'a mut Entries> {
    if !others.contains_key(name) {
        if others.len() >= stage::MOST_STREAMS {
            return None;
        }
        others.insert(name.to_owned(), Entries::default());
    }
    others.get_mut(name)
}

/// At most so many bytes, not ending within a letter.
fn cut_at_letter(text: &[u8], most: usize) -> &[u8] {
    let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut at = most.min(text.len());
    // Four bytes are the longest letter; what is no UTF-8 is cut anywhere.
    for _ in 0..3 {
        if at > 0 && inside(at) {
            at -= 1;
        }
    }
    text.get(..at).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_fall_between_letters() {
        assert_eq!(cut_at_letter("aä".as_bytes(), 2), b"a");
        assert_eq!(cut_at_letter("a😀".as_bytes(), 4), b"a");
        assert_eq!(cut_at_letter("a😀".as_bytes(), 5), "a😀".as_bytes());
        assert_eq!(cut_at_letter(b"abc", 9), b"abc");
    }
}

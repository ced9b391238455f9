//! Lines made whole: parts of a line that a runtime has split, and lines of one entry.

use std::time::{Duration, Instant};

use regex::bytes::Regex;

/// How long a part waits for the next: the runtime writes them one after the other.
const LINE_PATIENCE: Duration = Duration::from_secs(30);
/// How long an entry waits for another line.
const ENTRY_PATIENCE: Duration = Duration::from_secs(3);
/// Buffers that are kept to be used again.
const SPARES: usize = 16;

/// Where something begins: which file, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's number.
    pub file: u64,
    /// The byte.
    pub at: u64,
}

/// What is being put together.
#[derive(Debug)]
struct Part {
    text: Vec<u8>,
    start: Place,
    time: i64,
    /// Bytes that had no room any more.
    cut: u64,
    touched: Instant,
}

/// An entry that is whole.
#[derive(Debug)]
pub struct Whole<'a> {
    /// When it began.
    pub time: i64,
    /// Its text.
    pub text: &'a [u8],
    /// How many bytes at its end were left out.
    pub cut: u64,
}

/// A piece of a stream, to be joined.
#[derive(Debug)]
pub struct Piece<'a> {
    /// Where its record begins.
    pub place: Place,
    /// Its time.
    pub time: i64,
    /// Whether its line ends here.
    pub full: bool,
    /// Its text.
    pub text: &'a [u8],
}

/// What is known about all streams of a source.
#[derive(Debug)]
pub struct Rules<'a> {
    /// What the first line of an entry fits.
    pub first: Option<&'a Regex>,
    /// The longest entry.
    pub limit: usize,
    /// The time now.
    pub now: Instant,
}

/// Buffers to be used again: while the same streams go on, nothing is allocated.
#[derive(Debug, Default)]
pub struct Spares(Vec<Vec<u8>>);

/// What waits to be whole in one stream.
#[derive(Debug, Default)]
pub struct Joiner {
    line: Option<Part>,
    entry: Option<Part>,
}

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, mut text: Vec<u8>) {
        if self.0.len() < SPARES {
            text.clear();
            self.0.push(text);
        }
    }
}

impl Part {
    fn begin(piece: &Piece<'_>, rules: &Rules<'_>, spares: &mut Spares) -> Self {
        let mut part = Self {
            text: spares.take(),
            start: piece.place,
            time: piece.time,
            cut: 0,
            touched: rules.now,
        };
        part.add(piece.text, rules.limit);
        part
    }

    fn add(&mut self, text: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.text.len());
        let (fits, beyond) = text.split_at_checked(room).unwrap_or((text, &[]));
        self.text.extend_from_slice(fits);
        self.cut += beyond.len() as u64;
    }
}

impl Joiner {
    /// Whether nothing waits, so that a full line without a rule for several can pass as it is.
    pub fn is_empty(&self) -> bool {
        self.line.is_none() && self.entry.is_none()
    }

    /// Where the first thing that waits begins: all before it is handed on.
    pub fn start(&self) -> Option<Place> {
        let first = self.entry.as_ref().or(self.line.as_ref());
        first.map(|part| part.start)
    }

    /// Takes a piece and hands on what is whole.
    pub fn push(
        &mut self,
        piece: &Piece<'_>,
        rules: &Rules<'_>,
        spares: &mut Spares,
        mut emit: impl FnMut(Whole<'_>),
    ) {
        let Some(mut line) = self.line.take() else {
            if piece.full {
                return self.whole_line(piece, 0, rules, spares, &mut emit);
            }
            self.line = Some(Part::begin(piece, rules, spares));
            return;
        };
        line.add(piece.text, rules.limit);
        line.touched = rules.now;
        if !piece.full {
            self.line = Some(line);
            return;
        }
        self.end_line(line, rules, spares, &mut emit);
    }

    fn end_line(
        &mut self,
        line: Part,
        rules: &Rules<'_>,
        spares: &mut Spares,
        emit: &mut impl FnMut(Whole<'_>),
    ) {
        let piece = Piece {
            place: line.start,
            time: line.time,
            full: true,
            text: &line.text,
        };
        self.whole_line(&piece, line.cut, rules, spares, emit);
        spares.give(line.text);
    }

    /// A whole line: an entry of its own, or one line of several.
    fn whole_line(
        &mut self,
        piece: &Piece<'_>,
        cut: u64,
        rules: &Rules<'_>,
        spares: &mut Spares,
        emit: &mut impl FnMut(Whole<'_>),
    ) {
        let Some(first) = rules.first else {
            self.end_entry(spares, emit);
            emit(Whole {
                time: piece.time,
                text: piece.text,
                cut,
            });
            return;
        };
        match &mut self.entry {
            // One that has no more room has been cut already.
            Some(entry) if !first.is_match(piece.text) => {
                entry.add(b"\n", rules.limit);
                entry.add(piece.text, rules.limit);
                entry.cut += cut;
                entry.touched = rules.now;
            }
            _ => {
                self.end_entry(spares, emit);
                let mut entry = Part::begin(piece, rules, spares);
                entry.cut += cut;
                self.entry = Some(entry);
            }
        }
    }

    fn end_entry(&mut self, spares: &mut Spares, emit: &mut impl FnMut(Whole<'_>)) {
        if let Some(entry) = self.entry.take() {
            emit(Whole {
                time: entry.time,
                text: &entry.text,
                cut: entry.cut,
            });
            spares.give(entry.text);
        }
    }

    /// Hands on what has waited long enough; with `all` everything, because nothing more will come.
    pub fn expire(
        &mut self,
        all: bool,
        rules: &Rules<'_>,
        spares: &mut Spares,
        mut emit: impl FnMut(Whole<'_>),
    ) {
        let late =
            |part: &mut Part, patience| all || rules.now.duration_since(part.touched) >= patience;
        if let Some(line) = self.line.take_if(|line| late(line, LINE_PATIENCE)) {
            self.end_line(line, rules, spares, &mut emit);
        }
        if self.line.is_none()
            && self
                .entry
                .as_mut()
                .is_some_and(|entry| late(entry, ENTRY_PATIENCE))
        {
            self.end_entry(spares, &mut emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        joiner: Joiner,
        spares: Spares,
        first: Option<Regex>,
        at: u64,
        now: Instant,
        out: Vec<(i64, String, u64)>,
    }

    impl Bench {
        fn new(first: Option<&str>) -> Self {
            Self {
                joiner: Joiner::default(),
                spares: Spares::default(),
                first: first.map(|first| Regex::new(first).unwrap()),
                at: 0,
                now: Instant::now(),
                out: Vec::new(),
            }
        }

        fn push(&mut self, text: &str, full: bool) -> &mut Self {
            let rules = Rules {
                first: self.first.as_ref(),
                limit: 20,
                now: self.now,
            };
            let place = Place {
                file: 1,
                at: self.at,
            };
            let piece = Piece {
                place,
                time: self.at.cast_signed(),
                full,
                text: text.as_bytes(),
            };
            self.at += 1;
            let out = &mut self.out;
            self.joiner.push(&piece, &rules, &mut self.spares, |whole| {
                out.push((
                    whole.time,
                    String::from_utf8(whole.text.to_vec()).unwrap(),
                    whole.cut,
                ));
            });
            self
        }

        fn expire(&mut self, after: u64, all: bool) -> &mut Self {
            let now = self.now + Duration::from_secs(after);
            let rules = Rules {
                first: self.first.as_ref(),
                limit: 20,
                now,
            };
            let out = &mut self.out;
            self.joiner.expire(all, &rules, &mut self.spares, |whole| {
                out.push((
                    whole.time,
                    String::from_utf8(whole.text.to_vec()).unwrap(),
                    whole.cut,
                ));
            });
            self
        }

        fn texts(&mut self) -> Vec<String> {
            self.out.drain(..).map(|(_, text, _)| text).collect()
        }
    }

    #[test]
    fn parts_become_a_line_with_the_time_of_the_first() {
        let mut bench = Bench::new(None);
        bench.push("a", true).push("b", false).push("c", false);
        assert_eq!(bench.joiner.start(), Some(Place { file: 1, at: 1 }));
        bench.push("d", true);
        assert!(bench.joiner.is_empty());
        assert_eq!(bench.out, [(0, "a".into(), 0), (1, "bcd".into(), 0)]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted() {
        let mut bench = Bench::new(None);
        bench
            .push("0123456789", false)
            .push("0123456789", false)
            .push("01", false)
            .push("234", true);
        assert_eq!(bench.out, [(0, "01234567890123456789".into(), 5)]);
    }

    #[test]
    fn lines_become_an_entry_when_the_next_begins_or_none_comes() {
        let mut bench = Bench::new(Some("^[A-Z]"));
        bench
            .push("E one", true)
            .push(" at", true)
            .push("E two", true);
        assert_eq!(bench.texts(), ["E one\n at"]);
        assert_eq!(bench.joiner.start(), Some(Place { file: 1, at: 2 }));
        assert!(bench.expire(2, false).texts().is_empty());
        assert_eq!(bench.expire(3, false).texts(), ["E two"]);
        bench.push(" orphan", true).push("E", false);
        assert!(bench.texts().is_empty());
        assert_eq!(bench.expire(0, true).texts(), [" orphan", "E"]);
        assert_eq!(bench.joiner.start(), None);
    }
}

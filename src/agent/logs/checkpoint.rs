//! How far each file was delivered, as it is kept over a restart.
//!
//! A text of lines with fields between tabs, below a line with its length and hash:
//!
//! ```text
//! masthead-logs 1 <length> <hash>
//! S <key> <app>                                            a source: a container, a path
//! F <name> <device> <inode> <print's length> <print's hash> <done> <done> <flags> <time> <end> <times>
//! ```
//!
//! One that is torn, from whatever cause, is recognised as a whole and not used.

use std::collections::HashMap;
use std::io::Write as _;

use memchr::memchr3;

use super::identity::{FileId, Print, hash};

const MAGIC: &str = "masthead-logs 1";

/// What is kept about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRecord {
    /// Its name in its folder.
    pub name: String,
    /// Its device and inode.
    pub id: FileId,
    /// What it begins with.
    pub print: Print,
    /// Up to where the records of each stream are delivered. They differ while a line of one stream
    /// is not complete.
    pub done: [u64; 2],
    /// Whether all of it is delivered and nothing more will come.
    pub finished: bool,
    /// Whether `done` is inside a line whose beginning was cut off and delivered.
    pub inside: bool,
    /// The time of the last record before `done`.
    pub time: i64,
    /// Times given to lines that have none of their own: from this byte on, a nanosecond for each
    /// byte. A line that is sent again has the same time again.
    pub times: Vec<(u64, i64)>,
    /// Up to where the last of `times` holds.
    pub times_end: u64,
}

/// What is kept about a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedSource {
    /// The label `app`, once it is settled.
    pub app: Option<String>,
    /// Its files.
    pub files: Vec<FileRecord>,
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Sources by key.
    pub sources: HashMap<String, SavedSource>,
}

/// Writes a checkpoint.
#[derive(Debug, Default)]
pub struct Writer {
    body: Vec<u8>,
}

impl Writer {
    /// Begins a new one.
    pub fn clear(&mut self) {
        self.body.clear();
    }

    /// Adds a source; its files follow.
    pub fn source(&mut self, key: &str, app: Option<&str>) {
        self.body.extend_from_slice(b"S\t");
        self.text(key);
        if let Some(app) = app {
            self.body.push(b'\t');
            self.text(app);
        }
        self.body.push(b'\n');
    }

    /// Adds a file of the source before it.
    pub fn file(&mut self, file: &FileRecord) {
        self.body.extend_from_slice(b"F\t");
        self.text(&file.name);
        let (id, print, done) = (file.id, file.print, file.done);
        let flags = u8::from(file.finished) | u8::from(file.inside) << 1;
        let fields = format_args!(
            "\t{}\t{}\t{}\t{:x}\t{}\t{}\t{flags}\t{}\t{}\t",
            id.device,
            id.inode,
            print.length,
            print.hash,
            done[0],
            done[1],
            file.time,
            file.times_end
        );
        let written = self.body.write_fmt(fields);
        debug_assert!(written.is_ok(), "memory takes everything");
        for (index, (at, time)) in file.times.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let written = write!(self.body, "{comma}{at}:{time}");
            debug_assert!(written.is_ok(), "memory takes everything");
        }
        self.body.push(b'\n');
    }

    /// The whole checkpoint.
    pub fn finish(&self) -> Vec<u8> {
        sealed(&self.body)
    }

    fn text(&mut self, text: &str) {
        if memchr3(b'\t', b'\n', b'\\', text.as_bytes()).is_none() {
            self.body.extend_from_slice(text.as_bytes());
            return;
        }
        for byte in text.bytes() {
            match byte {
                b'\t' => self.body.extend_from_slice(b"\\t"),
                b'\n' => self.body.extend_from_slice(b"\\n"),
                b'\\' => self.body.extend_from_slice(b"\\\\"),
                other => self.body.push(other),
            }
        }
    }
}

/// A whole checkpoint with this body.
pub fn sealed(body: &[u8]) -> Vec<u8> {
    let head = format!("{MAGIC} {} {:x}\n", body.len(), hash(body));
    [head.as_bytes(), body].concat()
}

/// Reads a checkpoint.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Saved, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let (head, body) = text.split_once('\n').ok_or("it has no first line")?;
    let rest = head
        .strip_prefix(MAGIC)
        .ok_or("it is of another kind or version")?;
    let (length, sum) = rest.trim().split_once(' ').ok_or("its first line is cut")?;
    if length.parse() != Ok(body.len()) {
        return Err("it has another length than it was written with");
    }
    if u64::from_str_radix(sum, 16) != Ok(hash(body.as_bytes())) {
        return Err("its content is not what was written");
    }
    let mut saved = Saved::default();
    let mut key = String::new();
    for line in body.lines() {
        let mut fields = line.split('\t');
        match fields.next() {
            Some("S") => {
                key = unescape(fields.next().ok_or("a source has no key")?);
                let app = fields.next().map(unescape);
                saved.sources.entry(key.clone()).or_default().app = app;
            }
            Some("F") => {
                let file = file(&mut fields).ok_or("a file's line is wrong")?;
                saved
                    .sources
                    .entry(key.clone())
                    .or_default()
                    .files
                    .push(file);
            }
            // What a later version adds.
            _ => {}
        }
    }
    Ok(saved)
}

fn file<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<FileRecord> {
    let name = unescape(fields.next()?);
    let mut number = || fields.next()?.parse::<u64>().ok();
    let id = FileId {
        device: number()?,
        inode: number()?,
    };
    let length = u16::try_from(number()?).ok()?;
    let hash = u64::from_str_radix(fields.next()?, 16).ok()?;
    let mut number = || fields.next()?.parse::<u64>().ok();
    let done = [number()?, number()?];
    let flags = number()?;
    let time = fields.next()?.parse().ok()?;
    let times_end = fields.next()?.parse().ok()?;
    let times = fields.next()?.split(',').filter(|pair| !pair.is_empty());
    let times = times.map(|pair| {
        let (at, time) = pair.split_once(':')?;
        Some((at.parse().ok()?, time.parse().ok()?))
    });
    Some(FileRecord {
        name,
        id,
        print: Print { length, hash },
        done,
        finished: flags & 1 != 0,
        inside: flags & 2 != 0,
        time,
        times: times.collect::<Option<_>>()?,
        times_end,
    })
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(saved: &Saved) -> Vec<u8> {
        let mut writer = Writer::default();
        for (key, source) in &saved.sources {
            writer.source(key, source.app.as_deref());
            source.files.iter().for_each(|file| writer.file(file));
        }
        writer.finish()
    }

    fn files() -> impl Strategy<Value = FileRecord> {
        let numbers = any::<(u64, u64, u16, u64, u64, u64)>();
        let rest = any::<(bool, bool, i64, Vec<(u64, i64)>, u64)>();
        (any::<String>(), numbers, rest).prop_map(|(name, n, rest)| FileRecord {
            name,
            id: FileId {
                device: n.0,
                inode: n.1,
            },
            print: Print {
                length: n.2,
                hash: n.3,
            },
            done: [n.4, n.5],
            finished: rest.0,
            inside: rest.1,
            time: rest.2,
            times: rest.3,
            times_end: rest.4,
        })
    }

    fn saved() -> impl Strategy<Value = Saved> {
        let source = (
            any::<Option<String>>(),
            prop::collection::vec(files(), 0..3),
        )
            .prop_map(|(app, files)| SavedSource { app, files });
        prop::collection::hash_map(any::<String>(), source, 0..4)
            .prop_map(|sources| Saved { sources })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(saved in saved()) {
            prop_assert_eq!(parse(&written(&saved)), Ok(saved));
        }

        #[test]
        fn what_is_torn_is_refused(saved in saved(), at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = written(&saved);
            let at = at.index(bytes.len());
            prop_assert!(parse(&bytes[..at]).is_err());
            let zeroed: Vec<u8> = bytes.iter().map(|_| 0).collect();
            prop_assert!(parse(&zeroed).is_err());
            if bytes[at] != byte {
                bytes[at] = byte;
                // A space more in the first line changes nothing.
                prop_assert!(parse(&bytes).map_or(true, |read| read == saved));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), body in "([SFX]?[\t\n\\\\:,0-9a-f]{0,9}){0,20}") {
            drop(parse(&bytes));
            drop(parse(&sealed(&bytes)));
            drop(parse(&sealed(body.as_bytes())));
        }
    }
}

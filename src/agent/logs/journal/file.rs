//! The journal's files (systemd's `JOURNAL_FILE_FORMAT.md`), as far as reading from front to back
//! needs them. They are written while they are read: an entry counts once the header counts it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::packed::unpack;

const SIGNATURE: &[u8] = b"LPKSHHRH";
/// As much of the header as is looked at.
const HEADER: usize = 240;
/// Flags of the header: what a reader must know.
const XZ: u32 = 1;
const LZ4: u32 = 2;
const KEYED: u32 = 4;
const ZSTD: u32 = 8;
const COMPACT: u32 = 16;
/// Kinds of objects.
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;
/// What is before an object's own content.
const OBJECT: usize = 16;
/// As much of a field as is read, and of an entry.
pub const MOST: usize = 1 << 20;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The file's own id, which stays when it is renamed.
    pub id: [u8; 16],
    /// Whether nobody writes to it any more.
    pub archived: bool,
    /// How many entries there are.
    pub entries: u64,
    flags: u32,
    first_array: u64,
}

/// An entry's fields that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal.
    pub number: u64,
    /// When it was written, microseconds since 1970.
    pub time: u64,
    /// Its text.
    pub message: Vec<u8>,
    /// The unit that wrote it.
    pub unit: String,
    /// What it calls itself.
    pub identifier: String,
    /// The process.
    pub pid: String,
    /// From 0, an emergency, to 7, a note for who mends it.
    pub priority: String,
}

/// A file that is read from front to back.
#[derive(Debug)]
pub struct Journal {
    file: File,
    header: Header,
    /// The list of entries that is read, and where in it.
    array: u64,
    slots: u64,
    slot: u64,
    buffer: Vec<u8>,
}

impl Header {
    /// Reads a file's header.
    ///
    /// # Errors
    /// When it cannot be read, or the file is none that can be understood.
    pub fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0)?;
        parse(&bytes).ok_or_else(|| wrong("it is no journal that can be read"))
    }
}

/// Takes a header apart; none when it is of another kind.
fn parse(bytes: &[u8; HEADER]) -> Option<Header> {
    bytes.strip_prefix(SIGNATURE)?;
    let flags = u32::try_from(number(bytes, 12, 4)?).ok()?;
    // What is written otherwise cannot be read at all.
    let known = XZ | LZ4 | KEYED | ZSTD | COMPACT;
    (flags & !known == 0).then_some(())?;
    Some(Header {
        id: bytes.get(24..40)?.try_into().ok()?,
        archived: *bytes.get(16)? == 2,
        entries: number(bytes, 152, 8)?,
        flags,
        first_array: number(bytes, 176, 8)?,
    })
}

impl Journal {
    /// Begins behind so many entries.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(file: File, skip: u64) -> io::Result<Self> {
        let header = Header::read(&file)?;
        let mut journal = Self {
            file,
            array: 0,
            slots: 0,
            slot: 0,
            buffer: Vec::new(),
            header,
        };
        let mut left = skip;
        while left > 0 {
            if journal.slot == journal.slots && !journal.next_array()? {
                break;
            }
            let step = left.min(journal.slots - journal.slot);
            journal.slot += step;
            left -= step;
        }
        Ok(journal)
    }

    /// Looks how many entries there are now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn look(&mut self) -> io::Result<Header> {
        self.header = Header::read(&self.file)?;
        Ok(self.header)
    }

    /// The next entry, written over `entry`. The caller knows that there is one.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged here.
    pub fn next(&mut self, entry: &mut Entry) -> io::Result<()> {
        if self.slot == self.slots && !self.next_array()? {
            return Err(wrong("its list of entries ends early"));
        }
        let width = if self.compact() { 4 } else { 8 };
        let at = self.array + (OBJECT as u64) + 8 + self.slot * width;
        let offset = self.number_at(at, width)?;
        // Also a damaged entry is passed.
        self.slot += 1;
        self.entry(offset, entry)
    }

    fn compact(&self) -> bool {
        self.header.flags & COMPACT != 0
    }

    /// Goes to the next list; false when there is none yet.
    fn next_array(&mut self) -> io::Result<bool> {
        let next = match self.array {
            0 => self.look()?.first_array,
            array => self.number_at(array + OBJECT as u64, 8)?,
        };
        if next == 0 {
            return Ok(false);
        }
        // A list that leads back would have no end.
        if next <= self.array {
            return Err(wrong("its lists of entries run in a circle"));
        }
        let (kind, _, size) = self.object(next)?;
        let width = if self.compact() { 4 } else { 8 };
        let slots = size.saturating_sub(OBJECT as u64 + 8) / width;
        if kind != ENTRY_ARRAY || slots == 0 {
            return Err(wrong("a list of entries is damaged"));
        }
        (self.array, self.slots, self.slot) = (next, slots, 0);
        Ok(true)
    }

    fn entry(&mut self, offset: u64, entry: &mut Entry) -> io::Result<()> {
        let (kind, _, size) = self.object(offset)?;
        if kind != ENTRY {
            return Err(wrong("an entry is damaged"));
        }
        let bytes = self.bytes(offset, size)?;
        let damaged = || wrong("an entry is damaged");
        entry.number = number(&bytes, 16, 8).ok_or_else(damaged)?;
        entry.time = number(&bytes, 24, 8).ok_or_else(damaged)?;
        entry.message.clear();
        for text in [
            &mut entry.unit,
            &mut entry.identifier,
            &mut entry.pid,
            &mut entry.priority,
        ] {
            text.clear();
        }
        let (width, read) = if self.compact() { (4, 4) } else { (16, 8) };
        let items = bytes.get(64..).unwrap_or_default().chunks_exact(width);
        for item in items {
            let at = number(item, 0, read).unwrap_or(0);
            if at != 0 {
                self.field(at, entry)?;
            }
        }
        self.buffer = bytes;
        Ok(())
    }

    fn field(&mut self, offset: u64, entry: &mut Entry) -> io::Result<()> {
        let (kind, flags, size) = self.object(offset)?;
        let head = if self.compact() { 72 } else { 64 };
        let length = usize::try_from(size.saturating_sub(head)).unwrap_or(usize::MAX);
        // A long text is cut; nothing else that is long is wanted, such as what a crash has left.
        if kind != DATA || (length > MOST && flags != 0) {
            return Ok(());
        }
        let mut bytes = vec![0; length.min(MOST)];
        self.file.read_exact_at(&mut bytes, offset + head)?;
        let bytes = unpack(flags, bytes)?;
        let Some(equals) = memchr::memchr(b'=', &bytes) else {
            return Ok(());
        };
        let (name, value) = bytes.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        let text = match name {
            b"MESSAGE" => {
                entry.message.extend_from_slice(value);
                return Ok(());
            }
            b"_SYSTEMD_UNIT" => &mut entry.unit,
            b"SYSLOG_IDENTIFIER" => &mut entry.identifier,
            b"_PID" => &mut entry.pid,
            b"PRIORITY" => &mut entry.priority,
            _ => return Ok(()),
        };
        text.push_str(&String::from_utf8_lossy(value));
        Ok(())
    }

    /// An object's kind, flags and size.
    fn object(&self, offset: u64) -> io::Result<(u8, u8, u64)> {
        let mut head = [0; OBJECT];
        self.file.read_exact_at(&mut head, offset)?;
        Ok((head[0], head[1], number(&head, 8, 8).unwrap_or(0)))
    }

    fn bytes(&mut self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > MOST {
            return Err(wrong("an entry is damaged"));
        }
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.resize(size, 0);
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn number_at(&self, offset: u64, width: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        let width = usize::try_from(width).unwrap_or(8).min(8);
        let (wanted, _) = bytes.split_at_mut(width);
        self.file.read_exact_at(wanted, offset)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// A number of so many bytes, the lowest first.
pub fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(bytes.iter().rev().fold(0, add))
}

/// What is wrong with a file.
pub fn wrong(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Reads a file of these bytes to its end.
#[cfg(feature = "fuzz")]
pub fn read_all(bytes: &[u8]) {
    let file = tempfile(bytes);
    let Some(mut journal) = file.and_then(|file| Journal::open(file, 0).ok()) else {
        return;
    };
    let mut entry = Entry::default();
    // More than the bytes can hold would be a circle.
    for _ in 0..bytes.len() {
        if journal.next(&mut entry).is_err() {
            return;
        }
    }
}

/// A file in memory.
#[cfg(feature = "fuzz")]
fn tempfile(bytes: &[u8]) -> Option<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let file = File::from(memfd_create("journal", MemfdFlags::CLOEXEC).ok()?);
    file.write_all_at(bytes, 0).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// What systemd-journal-remote has written from sixty entries, unpacked.
    fn recorded(name: &str) -> File {
        let path = format!(
            "{}/tests/fixtures/journal/{name}.journal.gz",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut bytes = Vec::new();
        let file = File::open(path).unwrap();
        flate2::read::GzDecoder::new(file)
            .read_to_end(&mut bytes)
            .unwrap();
        in_file(&bytes)
    }

    fn in_file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn entries_of_both_layouts_are_read() {
        for name in ["regular", "compact"] {
            let mut journal = Journal::open(recorded(name), 0).unwrap();
            let header = journal.look().unwrap();
            assert_eq!(header.entries, 60, "{name}");
            let mut entry = Entry::default();
            for number in 1..=60_u64 {
                journal.next(&mut entry).unwrap();
                assert_eq!(
                    (entry.number, entry.time),
                    (number, 1_795_341_600_000_000 + number * 1000)
                );
                let message = String::from_utf8(entry.message.clone()).unwrap();
                if number % 20 == 0 {
                    assert_eq!(message, format!("long {number} {}", "x".repeat(3000)));
                } else {
                    assert_eq!(message, format!("message {number}"));
                }
                assert_eq!(entry.pid, number.to_string());
                assert_eq!(entry.priority, (number % 8).to_string());
                assert_eq!(entry.identifier, format!("prog{}", number % 3));
            }
            assert!(journal.next(&mut entry).is_err());
            let mut journal = Journal::open(recorded(name), 41).unwrap();
            journal.next(&mut entry).unwrap();
            assert_eq!((entry.number, entry.unit.as_str()), (42, "ssh.service"));
        }
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let mut bytes = Vec::new();
        recorded("compact").try_clone().unwrap();
        let mut file = recorded("compact");
        io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes.truncate(400_000);
        // One byte after the other, within the objects and the header.
        for at in (0..60_000).step_by(97).chain(0..HEADER) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xa5;
            let Ok(mut journal) = Journal::open(in_file(&damaged), 0) else {
                continue;
            };
            let mut entry = Entry::default();
            for _ in 0..70 {
                drop(journal.next(&mut entry));
            }
        }
    }
}

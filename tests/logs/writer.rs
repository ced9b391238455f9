//! Writers of numbered lines, and what rotates their files.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;

/// A container's log in CRI format, rotated as the kubelet does.
pub struct Cri {
    name: String,
    folder: PathBuf,
    file: File,
    next: u64,
    rotations: u32,
    buffer: Vec<u8>,
}

impl Cri {
    /// The writer of a container; its name is that of its lines.
    pub fn new(name: &str, folder: PathBuf) -> Self {
        let file = append(&folder.join("0.log"));
        Self {
            name: name.to_owned(),
            folder,
            file,
            next: 0,
            rotations: 0,
            buffer: Vec::new(),
        }
    }

    /// Writes lines of about so many bytes, each in one piece of the buffer that is written whole.
    pub fn write(&mut self, lines: u64, bytes: usize) {
        for _ in 0..lines {
            self.line(bytes);
        }
        self.flush();
    }

    /// Writes one line, in as many parts as a runtime would make of it when `part` is given.
    pub fn write_parts(&mut self, bytes: usize, part: usize) {
        let text = self.text(bytes);
        let mut rest = text.as_bytes();
        while rest.len() > part {
            let (now, later) = rest.split_at(part);
            self.record("stdout P ", now);
            rest = later;
        }
        self.record("stdout F ", rest);
        self.flush();
    }

    /// Writes half of a line now and the rest later.
    pub fn write_torn(&mut self) -> Vec<u8> {
        self.line(100);
        let at = self.buffer.len() / 2;
        let rest = self.buffer.split_off(at);
        self.flush();
        rest
    }

    /// Writes bytes as they are.
    pub fn write_raw(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).unwrap();
    }

    /// How many lines were written.
    pub fn written(&self) -> u64 {
        self.next
    }

    /// The writer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of the file that is written.
    pub fn path(&self) -> PathBuf {
        self.folder.join("0.log")
    }

    fn line(&mut self, bytes: usize) {
        let text = self.text(bytes);
        self.record("stdout F ", text.as_bytes());
    }

    fn text(&mut self, bytes: usize) -> String {
        let mut text = format!("w={} n={} ", self.name, self.next);
        self.next += 1;
        while text.len() < bytes {
            text.push_str("GET /cart/checkout 200 12ms user=4711 ");
        }
        text.truncate(bytes.max(20 + self.name.len()));
        text
    }

    fn record(&mut self, head: &str, text: &[u8]) {
        write!(self.buffer, "{:.9} {head}", Timestamp::now()).unwrap();
        self.buffer.extend_from_slice(text);
        self.buffer.push(b'\n');
    }

    fn flush(&mut self) {
        self.file.write_all(&self.buffer).unwrap();
        self.buffer.clear();
    }

    /// Rotates as the kubelet does: what was rotated before is compressed, all but the newest few
    /// are deleted, the file gets a time in its name, and the runtime opens a new one. Between the
    /// last two steps it still writes to the old one.
    pub fn rotate(&mut self, keep: usize) {
        let rotated = self.rotated();
        for plain in rotated
            .iter()
            .filter(|path| path.extension().is_some_and(|it| it != "gz"))
        {
            compress(plain);
        }
        let rotated = self.rotated();
        let surplus = rotated.len().saturating_sub(keep.saturating_sub(1));
        rotated
            .iter()
            .take(surplus)
            .for_each(|path| fs::remove_file(path).unwrap());
        self.rotations += 1;
        // The kubelet's names have whole seconds; tests rotate faster than that.
        let base = Timestamp::from_second(Timestamp::now().as_second() / 1_000_000 * 1_000_000);
        let time = base.unwrap() + jiff::SignedDuration::from_secs(i64::from(self.rotations));
        let name = format!("0.log.{}", time.strftime("%Y%m%d-%H%M%S"));
        fs::rename(self.path(), self.folder.join(name)).unwrap();
        self.write(3, 120);
        self.file = append(&self.path());
    }

    /// What was rotated, the oldest first.
    fn rotated(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut rotated: Vec<_> = entries
            .filter(|path| name(path).starts_with("0.log."))
            .collect();
        rotated.sort_by_key(|path| name(path));
        rotated
    }
}

fn compress(path: &Path) {
    let target = PathBuf::from(format!("{}.gz", path.display()));
    let temporary = PathBuf::from(format!("{}.tmp", path.display()));
    let mut encoder = GzEncoder::new(File::create(&temporary).unwrap(), Compression::fast());
    encoder.write_all(&fs::read(path).unwrap()).unwrap();
    encoder.finish().unwrap();
    fs::rename(temporary, target).unwrap();
    fs::remove_file(path).unwrap();
}

/// Opens a file to write at its end.
pub fn append(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}

//! An open log file, compressed or not, read from any place.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rustix::fs::{Mode, OFlags};

use super::identity::{FIRST_BYTES, FileId, Print};

/// An open file.
#[derive(Debug)]
pub struct Input {
    file: File,
    unpacked: Option<Box<Unpacked>>,
    compressed: bool,
}

/// Where the reading of a compressed file is. It can only go forward, so the last block is kept:
/// its end is asked for again when a line goes on behind it.
#[derive(Debug)]
struct Unpacked {
    decoder: MultiGzDecoder<File>,
    block: Vec<u8>,
    /// Where the block begins in the text.
    at: u64,
}

impl Input {
    /// Opens a file; a pipe in its place keeps nobody waiting. Links are followed to where they
    /// may lead: who can write among logs must not make us read and send what else is on the host.
    ///
    /// # Errors
    /// When it cannot be opened, is no file, or is elsewhere than `within`.
    pub fn open(path: &Path, compressed: bool, within: &[PathBuf]) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no regular file",
            ));
        }
        // What is open cannot be changed any more, as the path could.
        let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        if !within.iter().any(|folder| real.starts_with(folder)) {
            let text = format!(
                "it leads to {}, where no logs are to be read",
                real.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            file,
            unpacked: None,
            compressed,
        })
    }

    /// Which file it is, how long it is, and when it was last written in nanoseconds since 1970.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn look(&self) -> io::Result<(FileId, u64)> {
        let metadata = self.file.metadata()?;
        Ok((FileId::from(&metadata), metadata.len()))
    }

    /// The file itself, for who reads it otherwise.
    pub fn into_file(self) -> File {
        self.file
    }

    /// The beginning of its text.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn beginning(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.compressed {
            let mut decoder = MultiGzDecoder::new(At {
                file: &self.file,
                at: 0,
            });
            return fill(&mut decoder, buffer);
        }
        self.file.read_at(buffer, 0)
    }

    /// Whether it begins as the print says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn fits(&self, print: &Print) -> io::Result<bool> {
        let mut buffer = [0; FIRST_BYTES];
        let length = self.beginning(&mut buffer)?;
        Ok(print.fits(buffer.get(..length).unwrap_or_default()))
    }

    /// Reads text from a place; fewer bytes than asked for are the end.
    ///
    /// # Errors
    /// When it cannot be read, or what is compressed is damaged.
    pub fn read(&mut self, from: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.compressed {
            return self.file.read_at(buffer, from);
        }
        let kept = self.unpacked.take().filter(|unpacked| from >= unpacked.at);
        let mut unpacked = match kept {
            Some(unpacked) => unpacked,
            None => Box::new(Unpacked {
                decoder: MultiGzDecoder::new(self.file.try_clone().and_then(rewind)?),
                block: Vec::new(),
                at: 0,
            }),
        };
        let length = unpacked.read(from, buffer)?;
        self.unpacked = Some(unpacked);
        Ok(length)
    }
}

fn rewind(mut file: File) -> io::Result<File> {
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

impl Unpacked {
    fn read(&mut self, from: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let kept = usize::try_from(from - self.at).unwrap_or(usize::MAX);
        let mut length = 0;
        if let Some(end) = self.block.get(kept..) {
            length = end.len().min(buffer.len());
            let (to, _) = buffer.split_at_mut(length);
            to.copy_from_slice(end.split_at(length).0);
        } else {
            let skip = from - self.at - self.block.len() as u64;
            io::copy(&mut (&mut self.decoder).take(skip), &mut io::sink())?;
        }
        let rest = buffer.get_mut(length..).unwrap_or_default();
        length += fill(&mut self.decoder, rest)?;
        self.block.clear();
        self.block
            .extend_from_slice(buffer.get(..length).unwrap_or_default());
        self.at = from;
        Ok(length)
    }
}

/// A file read from a place of its own, whatever others do with it.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_compressed_file_is_read_like_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_be_bytes).collect();
        let path = folder.path().join("0.log.gz");
        let file = File::create(&path).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap();

        let here = [folder.path().canonicalize().unwrap()];
        let mut input = Input::open(&path, true, &here).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        let error = Input::open(&link, false, &here).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(input.fits(&Print::of(&text)).unwrap());
        let mut buffer = [0; 1000];
        // Forward, overlapping, far ahead, back, and to the end.
        for (from, length) in [
            (0, 1000),
            (900, 1000),
            (1900, 1000),
            (70_000, 1000),
            (10, 1000),
            (79_990, 10),
            (80_000, 0),
        ] {
            assert_eq!(input.read(from, &mut buffer).unwrap(), length, "{from}");
            let from = usize::try_from(from).unwrap();
            assert_eq!(buffer[..length], text[from..from + length]);
        }
    }
}

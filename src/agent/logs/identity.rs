//! Which file a file is: a name is not enough where files are rotated, nor an inode where inodes
//! are used again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// How many of a file's first bytes are looked at.
pub const FIRST_BYTES: usize = 1024;

/// The device and the inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode, for as long as the file is there.
    pub inode: u64,
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A hash of a file's first bytes, and how many those were: a young file has few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    /// How many bytes it is of.
    pub length: u16,
    /// Their hash.
    pub hash: u64,
}

impl Print {
    /// The print of a file that begins like this.
    pub fn of(beginning: &[u8]) -> Self {
        let bytes = beginning.get(..FIRST_BYTES).unwrap_or(beginning);
        Self {
            length: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            hash: hash(bytes),
        }
    }

    /// Whether a file that begins like this may be the one that the print was taken of.
    pub fn fits(&self, beginning: &[u8]) -> bool {
        beginning
            .get(..usize::from(self.length))
            .is_some_and(|bytes| hash(bytes) == self.hash)
    }
}

/// FNV-1a with 64 bits: it stays the same in every version of this program, which reads what an
/// earlier one has written.
pub fn hash(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_grown_is_still_itself() {
        let print = Print::of(b"first line\n");
        assert!(print.fits(b"first line\nsecond line\n"));
        assert!(!print.fits(b"other line\nsecond line\n"));
        assert!(!print.fits(b"first"));
        assert!(Print::default().fits(b"anything") == (Print::default().hash == hash(b"")));
        assert!(Print::of(b"").fits(b"anything"));
        let long = vec![b'x'; 5000];
        assert_eq!(Print::of(&long), Print::of(&long[..FIRST_BYTES]));
    }
}

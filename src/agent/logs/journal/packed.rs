//! Fields that systemd has compressed: with zstd today, with LZ4 or XZ in earlier versions and on
//! systems that have chosen so.

use std::io::{self, Read};

use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

use super::file::{MOST, number, wrong};

/// Flags of a field.
const XZ: u8 = 1;
const LZ4: u8 = 2;
const ZSTD: u8 = 4;
/// What unpacking XZ may take, in KiB: systemd's dictionary has a mebibyte.
const XZ_MEMORY: u32 = 4096;

/// A field's bytes, as its flags say they are packed. What is longer than any field should be is
/// cut.
///
/// # Errors
/// When they are damaged, or packed in a way that is not known.
pub fn unpack(flags: u8, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    match flags {
        0 => Ok(bytes),
        ZSTD => {
            let decoder = StreamingDecoder::new(bytes.as_slice());
            read(decoder.map_err(|_| wrong("a field is no zstd"))?)
        }
        LZ4 => lz4(&bytes),
        XZ => read(XzReader::new_mem_limit(bytes.as_slice(), false, XZ_MEMORY)),
        _ => Err(wrong("a field is compressed in a way that is not known")),
    }
}

fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MOST as u64).read_to_end(&mut text)?;
    Ok(text)
}

/// One block, behind the length of what is in it.
fn lz4(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let damaged = || wrong("a field is no LZ4");
    let length = number(bytes, 0, 8).ok_or_else(damaged)?;
    let length = usize::try_from(length).ok().filter(|it| *it <= MOST);
    let length = length.ok_or_else(|| wrong("a field is too long"))?;
    let block = bytes.get(8..).unwrap_or_default();
    lz4_flex::block::decompress(block, length).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A long field by `xz --check=none --lzma2=dict=1MiB`, as systemd asks liblzma for it.
    const PACKED_XZ: &[u8] = include_bytes!("../../../../tests/fixtures/journal/field.xz");
    /// The same by liblz4's `LZ4_compress_default`, behind its length.
    const PACKED_LZ4: &[u8] = include_bytes!("../../../../tests/fixtures/journal/field.lz4");

    #[test]
    fn what_each_library_has_packed_is_unpacked() {
        let text = format!("MESSAGE=long 20 {}", "x".repeat(3000)).into_bytes();
        assert_eq!(unpack(XZ, PACKED_XZ.to_vec()).unwrap(), text);
        assert_eq!(unpack(LZ4, PACKED_LZ4.to_vec()).unwrap(), text);
        assert_eq!(unpack(0, text.clone()).unwrap(), text);
        assert!(unpack(8, text).is_err());
        let mut long = (MOST as u64 + 1).to_le_bytes().to_vec();
        long.extend_from_slice(&PACKED_LZ4[8..]);
        assert!(unpack(LZ4, long).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(flags in 0_u8..8, bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte: u8) {
            drop(unpack(flags, bytes));
            for (flags, packed) in [(XZ, PACKED_XZ), (LZ4, PACKED_LZ4)] {
                let mut packed = packed.to_vec();
                let at = at.index(packed.len());
                packed[at] = byte;
                drop(unpack(flags, packed));
            }
        }
    }
}

//! Loki's `PushRequest`, written by hand straight into the batch: nothing is built first.
//! Messages and numbers are those of Loki's `pkg/push/push.proto`.

/// A varint is no longer than this.
const VARINT: usize = 10;

/// Appends an entry of a stream: `Entry { timestamp = 1, line = 2, structuredMetadata = 3 }`, with
/// its tag in the stream. `metadata` comes from [`pair`].
pub fn entry(out: &mut Vec<u8>, nanos: i64, line: &[u8], metadata: &[u8]) {
    let (seconds, below) = (
        nanos.div_euclid(1_000_000_000),
        nanos.rem_euclid(1_000_000_000),
    );
    let (seconds, below) = (seconds.cast_unsigned(), below.cast_unsigned());
    let stamp = 1 + width(seconds) + 1 + width(below);
    let length = 2 + stamp + 1 + width(line.len() as u64) + line.len() + metadata.len();
    out.push(0x12);
    varint(out, length as u64);
    out.push(0x0a);
    varint(out, stamp as u64);
    out.push(0x08);
    varint(out, seconds);
    out.push(0x10);
    varint(out, below);
    out.push(0x12);
    varint(out, line.len() as u64);
    out.extend_from_slice(line);
    out.extend_from_slice(metadata);
}

/// Appends a pair of structured metadata to what [`entry`] takes.
pub fn pair(out: &mut Vec<u8>, name: &str, value: &str) {
    let length =
        2 + width(name.len() as u64) + name.len() + width(value.len() as u64) + value.len();
    out.push(0x1a);
    varint(out, length as u64);
    out.push(0x0a);
    varint(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
    out.push(0x12);
    varint(out, value.len() as u64);
    out.extend_from_slice(value.as_bytes());
}

/// Appends a stream to a request: `Stream { labels = 1, entries = 2 }`. `entries` is what
/// [`entry`] has written. A stream may come more than once.
pub fn stream(out: &mut Vec<u8>, labels: &str, entries: &[u8]) {
    let length = 1 + width(labels.len() as u64) + labels.len() + entries.len();
    out.reserve(length + 1 + VARINT);
    out.push(0x0a);
    varint(out, length as u64);
    out.push(0x0a);
    varint(out, labels.len() as u64);
    out.extend_from_slice(labels.as_bytes());
    out.extend_from_slice(entries);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// How many bytes a varint takes.
fn width(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

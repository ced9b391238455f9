//! What reads bytes that others have written, for the fuzzer (`fuzz/`): none may panic.

use std::hint::black_box;

use super::checkpoint;
use super::docker_json;
use super::fields::{self, Format};
use super::journal;
use super::stamp::Clock;
use super::{cri, json};

/// A line in the CRI's form.
pub fn cri_line(bytes: &[u8]) {
    black_box(cri::parse(bytes, &mut Clock::default()));
}

/// A line in Docker's form.
pub fn docker_line(bytes: &[u8]) {
    let mut buffer = Vec::new();
    black_box(docker_json::parse(
        bytes,
        &mut Clock::default(),
        &mut buffer,
    ));
}

/// A checkpoint, and one with these lines: a wrong sum would keep all but the first line from us.
pub fn checkpoint_file(bytes: &[u8]) {
    drop(checkpoint::parse(bytes));
    drop(checkpoint::parse(&checkpoint::sealed(bytes)));
}

/// A file of the systemd journal, and a field of one behind its flags.
pub fn journal_file(bytes: &[u8]) {
    journal::read_all(bytes);
    if let Some((flags, field)) = bytes.split_first() {
        drop(journal::unpack(*flags, field.to_vec()));
    }
}

/// The value of the field `a` in a JSON object.
pub fn json_field(bytes: &[u8]) {
    fields::find(Format::Json, bytes, "a", &mut Vec::new());
}

/// The value of the field `a` in pairs.
pub fn logfmt_field(bytes: &[u8]) {
    fields::find(Format::Logfmt, bytes, "a", &mut Vec::new());
}

/// A request in protobuf, written again as JSON.
pub fn request(bytes: &[u8]) {
    drop(json::pack(bytes));
}

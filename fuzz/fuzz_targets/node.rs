//! Any bytes in any of the files that tell about the node: what is told must be well-formed.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use masthead::agent::fuzz::{Machine, NODE, exposition};
use tempfile::TempDir;

static MACHINE: LazyLock<(TempDir, Machine)> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let machine = Machine::new(folder.path(), &NODE).expect("folders");
    (folder, machine)
});

fuzz_target!(|data: &[u8]| {
    let text = MACHINE.1.node(data).expect("files can be laid");
    assert_eq!(exposition(&text), Ok(()), "{text}");
});

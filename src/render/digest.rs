//! Hashes of rendered text.

use md5::Md5;
use sha2::{Digest, Sha256};

/// The first 16 hexadecimal digits of a SHA-256: enough to tell versions apart.
#[must_use]
pub fn short(text: impl AsRef<[u8]>) -> String {
    let number = Sha256::digest(text)
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{number:016x}")
}

/// The value of Alertmanager's metric `alertmanager_config_hash` for a file: the first six bytes
/// of its MD5 as a little-endian number, which a float holds exactly (`config/coordinator.go`).
#[must_use]
pub fn alertmanager(file: &str) -> f64 {
    let number = Md5::digest(file)
        .iter()
        .take(6)
        .rev()
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_hash_is_the_start_of_the_sha256() {
        assert_eq!(short("abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn alertmanagers_hash_is_that_of_its_metric() {
        // md5("abc") starts with 90 01 50 98 3c d2; compared once with an Alertmanager 0.33.
        assert!((alertmanager("abc") - 231_157_695_250_832.0).abs() < 0.5);
    }
}

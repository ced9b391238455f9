//! What the fuzz target of the CRI calls: any bytes in place of the runtime's answers.

use super::messages;
use crate::agent::container::state;
use crate::agent::container::text::Text;
use crate::agent::container::told::Told;

/// What is told of the pods in three answers, which lie behind each other: a byte before each of the
/// first two has its length, in 256ths of what is left.
pub fn told(data: &[u8]) -> String {
    let (sandboxes, rest) = cut(data);
    let (containers, stats) = cut(rest);
    let mut told = Told::default();
    told.replace_cri(messages::pods(sandboxes, containers));
    told.cri.written = messages::written(stats);
    let mut out = Text::default();
    state::write(&told, usize::MAX, &mut out);
    out.finish()
}

fn cut(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((share, rest)) = data.split_first() else {
        return (&[], &[]);
    };
    let length = rest.len() * usize::from(*share) / 256;
    rest.split_at_checked(length).unwrap_or((rest, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_told() {
        let sandbox = b"\x0a\x0d\x0a\x01s\x12\x08\x0a\x01p\x12\x01u\x1a\x00";
        let container = b"\x0a\x0d\x0a\x01c\x12\x01s\x1a\x03\x0a\x01n\x30\x01";
        // 15 of the 32 bytes that follow; then 15 of 16.
        let data = [&[120], &sandbox[..], &[255], &container[..], &[0]].concat();
        assert!(
            told(&data).contains("container=\"n\",pod=\"p\""),
            "{}",
            told(&data)
        );
    }
}

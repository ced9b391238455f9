//! Reading protocol buffers, as far as it takes to pick a few fields from a message:
//! <https://protobuf.dev/programming-guides/encoding/>.

/// The fields of a message, in its order; what is malformed ends them.
#[derive(Clone, Debug)]
pub struct Fields<'a>(pub &'a [u8]);

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u64,
    /// Its value, or the length of its bytes.
    pub value: u64,
    /// Its bytes: a text or a message; empty when it is a number.
    pub bytes: &'a [u8],
}

impl<'a> Field<'a> {
    /// Its bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes).into_owned()
    }

    /// The message in it.
    pub fn fields(&self) -> Fields<'a> {
        Fields(self.bytes)
    }
}

impl<'a> Fields<'a> {
    /// The first field of that number.
    pub fn get(&self, number: u64) -> Option<Field<'a>> {
        self.clone().find(|field| field.number == number)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let (value, bytes): (u64, &[u8]) = match tag & 7 {
            0 => (self.varint()?, &[]),
            1 => (u64::from_le_bytes(self.take(8)?.try_into().ok()?), &[]),
            2 => {
                let length = self.varint()?;
                (length, self.take(usize::try_from(length).ok()?)?)
            }
            5 => (
                u32::from_le_bytes(self.take(4)?.try_into().ok()?).into(),
                &[],
            ),
            // Groups, which nobody writes any more, and what is not defined.
            _ => return None,
        };
        Some(Field {
            number: tag >> 3,
            value,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_field_is_read_and_what_is_cut_ends_them() {
        let message = b"\x08\x96\x01\x12\x02hi\x19\x01\0\0\0\0\0\0\0\x25\x02\0\0\0\x32\x05cut";
        let fields: Vec<(u64, u64)> = Fields(message).map(|it| (it.number, it.value)).collect();
        assert_eq!(fields, [(1, 150), (2, 2), (3, 1), (4, 2)]);
        assert_eq!(Fields(message).get(2).unwrap().text(), "hi");
        assert_eq!(Fields(message).get(6), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            assert!(Fields(&bytes).count() <= bytes.len());
        }
    }
}

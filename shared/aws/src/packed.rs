//! Values packed into bytes: what a refresh writes is paid by weight, and a number of its own weighs up to three times as
//! much.
//!
//! A number is in groups of seven bits, least first, all but the last with the eighth bit set (LEB128); a time is in
//! milliseconds, zigzag, so that one shortly before another is as short as one shortly after it.

use std::iter::zip;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use jiff::Timestamp;
use thiserror::Error;

/// Bits of a number in each byte.
const GROUP: u32 = 7;
/// Set in every byte of a number but the last.
const MORE: u8 = 0x80;

/// Packed bytes are not what they should be.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the packed value is not whole")]
pub(crate) struct NotWhole;

/// Packs values.
#[derive(Debug, Default)]
pub(crate) struct Packer(Vec<u8>);

impl Packer {
    /// Adds a number.
    pub(crate) fn number(mut self, mut value: u64) -> Self {
        while value >= u64::from(MORE) {
            self.0.push(value.to_le_bytes()[0] | MORE);
            value >>= GROUP;
        }
        self.0.push(value.to_le_bytes()[0]);
        self
    }

    /// Adds a time as its distance from another, which whoever unpacks it knows.
    pub(crate) fn time(self, from: Timestamp, at: Timestamp) -> Self {
        // Both are within the years that a timestamp can have, so the distance is far within 64 bits.
        let distance = at.as_millisecond() - from.as_millisecond();
        self.number(((distance << 1) ^ (distance >> 63)).cast_unsigned())
    }

    /// Adds bytes that begin like others, which whoever unpacks them knows, to the end.
    pub(crate) fn alike(self, others: &[u8], bytes: &[u8]) -> Self {
        let shared = zip(others, bytes).take_while(|(other, byte)| other == byte).count();
        self.number(shared as u64).rest(&bytes[shared..])
    }

    /// Adds a text that may be missing.
    pub(crate) fn text_if(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.number(text.len() as u64 + 1).rest(text.as_bytes()),
            None => self.number(0),
        }
    }

    /// Adds bytes to the end.
    pub(crate) fn rest(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// All that was packed, as an attribute value.
    pub(crate) fn into_value(self) -> AttributeValue {
        AttributeValue::B(Blob::new(self.0))
    }
}

/// Unpacks values in the order in which they were packed.
#[derive(Debug)]
pub(crate) struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn number(&mut self) -> Result<u64, NotWhole> {
        let mut value = 0;
        for group in 0..u64::BITS.div_ceil(GROUP) {
            let (&byte, rest) = self.0.split_first().ok_or(NotWhole)?;
            self.0 = rest;
            let bits = u64::from(byte & !MORE);
            let shifted = bits << (group * GROUP);
            if shifted >> (group * GROUP) != bits {
                return Err(NotWhole);
            }
            value |= shifted;
            if byte & MORE == 0 {
                return Ok(value);
            }
        }
        Err(NotWhole)
    }

    pub(crate) fn time(&mut self, from: Timestamp) -> Result<Timestamp, NotWhole> {
        let zigzag = self.number()?;
        let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let at = from.as_millisecond().checked_add(distance).ok_or(NotWhole)?;
        Timestamp::from_millisecond(at).map_err(|_| NotWhole)
    }

    /// The text that [`Packer::text_if`] added.
    pub(crate) fn text_if(&mut self) -> Result<Option<String>, NotWhole> {
        let Some(length) = self.number()?.checked_sub(1) else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| NotWhole)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(NotWhole)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).map(Some).map_err(|_| NotWhole)
    }

    /// The bytes that [`Packer::alike`] added.
    pub(crate) fn alike(mut self, others: &[u8]) -> Result<Vec<u8>, NotWhole> {
        let shared = usize::try_from(self.number()?).map_err(|_| NotWhole)?;
        let shared = others.get(..shared).ok_or(NotWhole)?;
        Ok([shared, self.rest()].concat())
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(packer: Packer) -> Vec<u8> {
        packer.0
    }

    #[test]
    fn numbers_and_times_come_back_in_the_bytes_that_they_need() {
        let (zero, now) = (Timestamp::UNIX_EPOCH, Timestamp::from_millisecond(1_763_689_000_123).unwrap());
        let later = Timestamp::from_millisecond(now.as_millisecond() + 3_600_000).unwrap();
        let last = Timestamp::from_second(Timestamp::MAX.as_second()).unwrap();
        let packed = bytes(Packer::default().number(127).number(u64::MAX).time(zero, now).time(now, later));
        let packed = bytes(Packer(packed).time(later, now).time(zero, Timestamp::MIN).time(zero, last));

        let mut unpacker = Unpacker::new(&packed);
        assert_eq!((unpacker.number(), unpacker.number()), (Ok(127), Ok(u64::MAX)));
        assert_eq!(
            (unpacker.time(zero), unpacker.time(now), unpacker.time(later)),
            (Ok(now), Ok(later), Ok(now))
        );
        for far in [Timestamp::MIN, last] {
            assert_eq!(unpacker.time(zero).unwrap().as_millisecond(), far.as_millisecond());
        }
        assert!(unpacker.is_empty());
        assert_eq!(bytes(Packer::default().time(zero, now)).len(), 6);
        assert_eq!(bytes(Packer::default().time(now, later)).len(), 4);
    }

    #[test]
    fn bytes_that_begin_alike_are_stored_from_where_they_differ() {
        let (envelope, former) = (b"header key one".as_slice(), b"header key former".as_slice());
        let packed = bytes(Packer::default().alike(envelope, former));

        assert_eq!(packed, b"\x0bformer");
        assert_eq!(Unpacker::new(&packed).alike(envelope).unwrap(), former);
        for (others, all) in [(envelope, b"".as_slice()), (b"", former), (envelope, &envelope[..4])] {
            let packed = bytes(Packer::default().alike(others, all));
            assert_eq!(Unpacker::new(&packed).alike(others).unwrap(), all);
        }
    }

    #[test]
    fn texts_come_back_and_one_that_is_missing_is_not_an_empty_one() {
        let packed =
            bytes(Packer::default().text_if(Some("Größe")).text_if(None).text_if(Some("")).number(7));

        let mut unpacker = Unpacker::new(&packed);
        assert_eq!(unpacker.text_if(), Ok(Some("Größe".to_owned())));
        assert_eq!((unpacker.text_if(), unpacker.text_if()), (Ok(None), Ok(Some(String::new()))));
        assert_eq!(unpacker.number(), Ok(7));
    }

    #[test]
    fn what_is_cut_off_or_out_of_range_is_refused() {
        let from = Timestamp::UNIX_EPOCH;

        assert_eq!(Unpacker::new(&[]).number(), Err(NotWhole));
        assert_eq!(Unpacker::new(&[0x80]).number(), Err(NotWhole));
        assert_eq!(Unpacker::new(&[0xff; 11]).number(), Err(NotWhole));
        assert_eq!(
            Unpacker::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number(),
            Err(NotWhole)
        );
        assert_eq!(Unpacker::new(&bytes(Packer::default().number(u64::MAX))).time(from), Err(NotWhole));
        assert_eq!(Unpacker::new(&[9]).alike(b"short"), Err(NotWhole));
        for text in [b"\x03a".as_slice(), b"\x02\xff"] {
            assert_eq!(Unpacker::new(text).text_if(), Err(NotWhole));
        }
    }
}

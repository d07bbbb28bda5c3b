//! The byte codec of records: LEB128 numbers and length-prefixed bytes, after one format version byte.
//! Reading is total: any bytes give a value or [`Damaged`], never a panic, never an allocation larger than the input.

use bytes::Bytes;

/// A record that does not decode. It names the family and what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of family {family} does not decode: {expected}")]
pub struct Damaged {
    /// The kind of record.
    pub family: &'static str,
    /// What should have stood there.
    pub expected: &'static str,
}

pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(version: u8) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(version);
        Self(bytes)
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub(crate) fn number(&mut self, mut n: u64) -> &mut Self {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.byte(n as u8)
    }

    pub(crate) fn array<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.byte(0),
            Some(value) => {
                self.byte(1);
                write(self, value);
                self
            }
        }
    }

    pub(crate) fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) -> &mut Self {
        self.number(items.len() as u64);
        items.for_each(|item| write(self, item));
        self
    }
}

pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    family: &'static str,
}

impl<'a> Reader<'a> {
    /// Opens a record and checks its format version.
    pub(crate) fn new(family: &'static str, version: u8, bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut reader = Self { rest: bytes, family };
        match reader.byte()? {
            v if v == version => Ok(reader),
            _ => Err(reader.damaged("a format version that this release knows")),
        }
    }

    pub(crate) const fn damaged(&self, expected: &'static str) -> Damaged {
        Damaged { family: self.family, expected }
    }

    /// Every byte must have been read.
    pub(crate) fn end(self) -> Result<(), Damaged> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged("the end of the record")) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(self.damaged("more bytes"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Damaged> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Damaged> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("0 or 1")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, Damaged> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(self.damaged("a number of at most 64 bits"))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.damaged("more bytes"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let n = self.number()?;
        self.take(usize::try_from(n).map_err(|_| self.damaged("a length"))?)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Damaged> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged("UTF-8"))
    }

    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Damaged>) -> Result<Option<T>, Damaged> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
        let n = self.number()?;
        let mut items = Vec::new();
        for _ in 0..n {
            items.push(read(self)?);
        }
        Ok(items)
    }
}

//! The bytes of a file, kept in pages that copies share, so that an image of a disk costs next to nothing. Holes read as zeros.

use std::{collections::BTreeMap, sync::Arc};

/// Bytes of a page, the unit in which a page cache writes back.
pub const PAGE_BYTES: u64 = 4096;

type Page = Arc<[u8; PAGE_BYTES as usize]>;

/// The bytes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pages: BTreeMap<u64, Page>,
    len: u64,
}

impl Content {
    /// Bytes from the start to the end of the file.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that take space: holes do not.
    pub fn used_bytes(&self) -> u64 {
        self.pages.len() as u64 * PAGE_BYTES
    }

    /// Up to `size` bytes from `offset` on.
    pub fn read(&self, offset: u64, size: u64) -> Vec<u8> {
        let end = self.len.min(offset.saturating_add(size));
        let mut bytes = vec![0; end.saturating_sub(offset) as usize];
        if bytes.is_empty() {
            return bytes;
        }
        for (number, page) in self.pages.range(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let begin = number * PAGE_BYTES;
            let (from, to) = (begin.max(offset), (begin + PAGE_BYTES).min(end));
            bytes[(from - offset) as usize..(to - offset) as usize].copy_from_slice(&page[(from - begin) as usize..(to - begin) as usize]);
        }
        bytes
    }

    /// Puts bytes in their place; the file grows if they end behind it.
    pub fn write(&mut self, offset: u64, mut bytes: &[u8]) {
        let mut at = offset;
        while !bytes.is_empty() {
            let within = (at % PAGE_BYTES) as usize;
            let (now, rest) = bytes.split_at(bytes.len().min(PAGE_BYTES as usize - within));
            let page = self.pages.entry(at / PAGE_BYTES).or_insert_with(|| Arc::new([0; PAGE_BYTES as usize]));
            Arc::make_mut(page)[within..within + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            bytes = rest;
        }
        self.len = self.len.max(at);
    }

    /// Cuts the file short, or makes it longer with zeros.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE_BYTES));
            if let Some(last) = self.pages.get_mut(&(len / PAGE_BYTES)) {
                Arc::make_mut(last)[(len % PAGE_BYTES) as usize..].fill(0);
            }
        }
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_plain_vector_holds(steps in prop::collection::vec((0u8..3, 0u64..20_000, 0usize..9000), 1..20)) {
            let (mut content, mut plain) = (Content::default(), Vec::<u8>::new());
            for (n, (kind, offset, len)) in steps.into_iter().enumerate() {
                match kind {
                    0 => {
                        content.set_len(offset);
                        plain.resize(offset as usize, 0);
                    }
                    _ if len > 0 => {
                        let end = offset as usize + len;
                        plain.resize(plain.len().max(end), 0);
                        plain[offset as usize..end].fill(n as u8 + 1);
                        content.write(offset, &vec![n as u8 + 1; len]);
                    }
                    _ => {}
                }
                prop_assert_eq!(content.len(), plain.len() as u64);
                prop_assert!(content.read(0, u64::MAX) == plain);
                let (from, to) = (plain.len().min(offset as usize), plain.len().min(offset as usize + len));
                prop_assert!(content.read(from as u64, len as u64) == plain[from..to]);
            }
        }
    }
}

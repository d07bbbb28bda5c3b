//! Bodies that say whose they are in every block, so that a torn, mixed, shifted or shortened one is seen at once.

use bytes::Bytes;

use crate::history::Content;

/// The metadata header that carries the number of the content.
pub const CONTENT_HEADER: &str = "x-amz-meta-content";
/// A block is: 16 digits of the content, 8 of the number of blocks, 7 of this block's number, and a line end.
const BLOCK_BYTES: usize = 32;

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Torn {
    /// Not a whole number of blocks, or none.
    #[error("it has {0} bytes, which is no whole number of blocks")]
    Length(usize),
    /// It ends early or goes on too long.
    #[error("it has {found} blocks, and content {} has {expected}", .content.0)]
    Blocks {
        /// Whose first block it is.
        content: Content,
        /// What that block says.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A block of something else.
    #[error("it begins with content {}, and its block {block} is {found:?}", .content.0)]
    Mixed {
        /// Whose first block it is.
        content: Content,
        /// Which block.
        block: usize,
        /// What stands there.
        found: String,
    },
}

/// The body of a content: about `bytes` long, at least a block.
pub fn body(content: Content, bytes: usize) -> Bytes {
    let blocks = bytes.div_ceil(BLOCK_BYTES).max(1);
    let mut body = Vec::with_capacity(blocks * BLOCK_BYTES);
    for at in 0..blocks {
        body.extend_from_slice(&block(content, blocks, at));
    }
    body.into()
}

/// Whose body it is.
///
/// # Errors
/// It is nobody's.
pub fn content_of(body: &[u8]) -> Result<Content, Torn> {
    let (blocks, rest) = body.as_chunks::<BLOCK_BYTES>();
    let Some(first) = blocks.first().filter(|_| rest.is_empty()) else { return Err(Torn::Length(body.len())) };
    let strange = |at: usize, content| Torn::Mixed { content, block: at, found: String::from_utf8_lossy(&blocks[at]).into_owned() };
    let (Some(content), Some(expected)) = (number(&first[..16]).map(Content), number(&first[16..24])) else {
        return Err(strange(0, Content(0)));
    };
    if let Some(at) = (0..blocks.len()).find(|at| blocks[*at] != block(content, expected as usize, *at)) {
        return Err(strange(at, content));
    }
    let found = blocks.len() as u64;
    if found == expected { Ok(content) } else { Err(Torn::Blocks { content, expected, found }) }
}

/// The number that metadata or a block names.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn block(content: Content, blocks: usize, at: usize) -> [u8; BLOCK_BYTES] {
    let mut block = [b'\n'; BLOCK_BYTES];
    hex(&mut block[..16], content.0);
    hex(&mut block[16..24], blocks as u64);
    hex(&mut block[24..31], at as u64);
    block
}

fn hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_content() {
        for bytes in [0, 1, 32, 33, 5000] {
            assert_eq!(content_of(&body(Content(0xabc), bytes)), Ok(Content(0xabc)));
        }
    }

    #[test]
    fn every_way_of_tearing_is_seen() {
        let (one, two) = (body(Content(1), 320), body(Content(2), 320));
        let mixed = [&one[..100], &two[100..]].concat();
        assert!(matches!(content_of(&mixed), Err(Torn::Mixed { content: Content(1), block: 3, .. })));
        let shifted = [&one[..32], &one[64..]].concat();
        assert!(matches!(content_of(&shifted), Err(Torn::Mixed { block: 1, .. })));
        assert!(matches!(content_of(&one[..64]), Err(Torn::Blocks { expected: 10, found: 2, .. })));
        assert!(matches!(content_of(&one[..65]), Err(Torn::Length(65))));
        assert!(matches!(content_of(&[&one[..], &one[..]].concat()), Err(Torn::Mixed { block: 10, .. })));
        assert!(matches!(content_of(b""), Err(Torn::Length(0))));
        assert!(matches!(content_of(&[b'x'; 32]), Err(Torn::Mixed { block: 0, .. })));
    }
}

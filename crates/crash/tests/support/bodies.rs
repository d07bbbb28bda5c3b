//! Bodies that say whose they are: each has a number, and any mix of two bodies is told from both.

use bytes::Bytes;

/// A body of `len` bytes, no two of which have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Body {
    pub number: u32,
    pub len: u32,
}

const HEAD_BYTES: usize = 8;

impl Body {
    /// The bytes: number and length, then what follows from them.
    pub fn bytes(self) -> Bytes {
        assert!(self.len as usize >= HEAD_BYTES, "a body has room for its head");
        let mut bytes = Vec::with_capacity(self.len as usize + 8);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.len.to_le_bytes());
        let mut random = holdfast_crash::Random::new(u64::from(self.number));
        while bytes.len() < self.len as usize {
            bytes.extend_from_slice(&random.next().to_le_bytes());
        }
        bytes.truncate(self.len as usize);
        bytes.into()
    }
}

/// The bodies of which these bytes are made, one after the other.
pub fn bodies_of(mut bytes: &[u8]) -> Result<Vec<Body>, String> {
    let mut bodies = Vec::new();
    while !bytes.is_empty() {
        let Some((head, _)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            return Err(format!("{} bytes that are no body", bytes.len()));
        };
        let number = u32::from_le_bytes(head[..4].try_into().unwrap());
        let len = u32::from_le_bytes(head[4..].try_into().unwrap());
        let body = Body { number, len };
        if (len as usize) < HEAD_BYTES || len as usize > bytes.len() || body.bytes() != bytes[..len as usize] {
            return Err(format!("bytes that nobody wrote, where body {number} of {len} bytes should be"));
        }
        bodies.push(body);
        bytes = &bytes[len as usize..];
    }
    Ok(bodies)
}

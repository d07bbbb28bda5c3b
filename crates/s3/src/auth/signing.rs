//! The keyed half of Signature Version 4: deriving a signing key, signing with it, and remembering it.
//!
//! Deriving costs four HMACs, so keys are kept for each credential scope. The cache is bounded, is filled only after a signature
//! has verified (a stranger cannot push entries out), and an entry serves only the very secret that it was derived from.

use std::{collections::HashMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use holdfast_model::limits::SIGNING_KEYS_MAX;
use parking_lot::RwLock;
use sha2::Sha256;

use super::{
    credentials::SecretKey,
    scope::{AmzDate, Scope, hex32},
};

/// A key that signs for one scope: an HMAC state that has absorbed its key.
#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    pub(super) fn derive(secret: &SecretKey, scope: &Scope<'_>) -> Self {
        let seed = [b"AWS4", secret.expose()].concat();
        [scope.date, scope.region, "s3", "aws4_request"]
            .into_iter()
            .fold(Self::keyed(&seed), |key, part| Self::keyed(&key.sign(&[part.as_bytes()])))
    }

    fn keyed(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The signature of `parts`, one after the other.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

/// Signing keys in use, by the whole credential scope as text.
#[derive(Default)]
pub(super) struct SigningKeys(RwLock<HashMap<Box<str>, (SecretKey, SigningKey)>>);

impl SigningKeys {
    pub(super) fn get(&self, scope: &Scope<'_>, secret: &SecretKey) -> Option<SigningKey> {
        let known = self.0.read();
        known.get(scope.text).filter(|(of, _)| of == secret).map(|(_, key)| key.clone())
    }

    /// Remembers a key whose signature was right. A full cache starts afresh: one derivation for each scope in use is cheap.
    pub(super) fn keep(&self, scope: &Scope<'_>, secret: &SecretKey, key: &SigningKey) {
        let mut known = self.0.write();
        if known.len() >= SIGNING_KEYS_MAX {
            known.clear();
        }
        known.insert(scope.text.into(), (secret.clone(), key.clone()));
    }
}

/// The chain of signatures of a streamed body: each chunk signs the signature before it, the first one the request's.
#[derive(Clone)]
pub(super) struct ChunkChain {
    key: SigningKey,
    /// Time and scope, each with its newline: what every string to sign of this body shares.
    shared: Vec<u8>,
    previous: [u8; 64],
}

impl ChunkChain {
    pub(super) fn new(key: SigningKey, date: &AmzDate, scope: &Scope<'_>, seed: &[u8; 32]) -> Self {
        let shared = [b"\n", date.as_bytes(), b"\n", scope.signed_part().as_bytes(), b"\n"].concat();
        Self { key, shared, previous: hex32(seed) }
    }

    /// The signature that the chunk with this SHA-256 must have; the next link builds on it.
    pub(super) fn chunk(&mut self, sha256: &[u8; 32]) -> [u8; 32] {
        const EMPTY_SHA256_LINE: &[u8] = b"\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
        let signature = self.key.sign(&[b"AWS4-HMAC-SHA256-PAYLOAD", &self.shared, &self.previous, EMPTY_SHA256_LINE, &hex32(sha256)]);
        self.previous = hex32(&signature);
        signature
    }

    /// The signature that trailers with this SHA-256 must have.
    pub(super) fn trailer(&self, sha256: &[u8; 32]) -> [u8; 32] {
        self.key.sign(&[b"AWS4-HMAC-SHA256-TRAILER", &self.shared, &self.previous, b"\n", &hex32(sha256)])
    }
}

impl fmt::Debug for ChunkChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkChain(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(region: &str) -> String {
        format!("AK/20130524/{region}/s3/aws4_request")
    }

    #[test]
    fn a_kept_key_serves_only_the_secret_it_came_from() {
        let (keys, text) = (SigningKeys::default(), scope("us-east-1"));
        let (scope, old, new) = (Scope::parse(&text).unwrap(), SecretKey::new("old"), SecretKey::new("new"));
        assert!(keys.get(&scope, &old).is_none());
        keys.keep(&scope, &old, &SigningKey::derive(&old, &scope));
        assert!(keys.get(&scope, &old).is_some());
        assert!(keys.get(&scope, &new).is_none());
    }

    #[test]
    fn the_cache_is_bounded() {
        let (keys, secret) = (SigningKeys::default(), SecretKey::new("secret"));
        for n in 0..=SIGNING_KEYS_MAX {
            let text = scope(&format!("r{n}"));
            let scope = Scope::parse(&text).unwrap();
            keys.keep(&scope, &secret, &SigningKey::derive(&secret, &scope));
            assert!(keys.get(&scope, &secret).is_some());
        }
        assert!(keys.0.read().len() <= SIGNING_KEYS_MAX);
    }
}

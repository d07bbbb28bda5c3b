//! Access keys, secrets and whose they are.
//!
//! A [`SecretKey`] never prints itself. Where credentials come from is not known here: the server passes a [`Credentials`].

use std::{fmt, sync::Arc};

use holdfast_model::limits::ACCESS_KEY_BYTES_MAX;
use subtle::ConstantTimeEq;

/// The public half of a credential: 1 to 128 characters of printable ASCII without `/`, `,`, `;` and spaces.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKeyId(Arc<str>);

/// Why a text is not an access key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access key id has 1 to 128 characters of printable ASCII, without space, slash, comma and semicolon")]
pub struct InvalidAccessKeyId;

impl AccessKeyId {
    /// Checks `text`, so that it survives a credential scope and an Authorization header unharmed.
    ///
    /// # Errors
    /// [`InvalidAccessKeyId`].
    pub fn parse(text: &str) -> Result<Self, InvalidAccessKeyId> {
        is_access_key(text).then(|| Self(text.into())).ok_or(InvalidAccessKeyId)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn is_access_key(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b',' | b';');
    (1..=ACCESS_KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The secret half of a credential. It compares in constant time and never shows itself.
#[derive(Clone)]
pub struct SecretKey(Arc<str>);

impl SecretKey {
    /// Wraps a secret; what makes a good one is for whoever issues it.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for deriving signing keys only.
    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// Who acts: the name that policies, records and logs know.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal(Arc<str>);

impl Principal {
    /// A principal called `name`.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One credential: the id, its secret and whom it stands for.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The public id.
    pub access_key: AccessKeyId,
    /// The secret that signs.
    pub secret: SecretKey,
    /// Who acts with it.
    pub principal: Principal,
}

/// Knows every credential that is valid now.
pub trait Credentials: Send + Sync {
    /// The credential with this access key id; `None` if there is none or it is no longer valid. Called once for each request.
    fn lookup(&self, access_key: &str) -> Option<Credential>;
}

/// A fixed list of credentials, as the configuration gives it.
#[derive(Clone, Debug, Default)]
pub struct StaticCredentials(Vec<Credential>);

impl StaticCredentials {
    /// These credentials and no others. Of two with one id the first counts.
    pub fn new(credentials: Vec<Credential>) -> Self {
        Self(credentials)
    }
}

impl Credentials for StaticCredentials {
    fn lookup(&self, access_key: &str) -> Option<Credential> {
        self.0.iter().find(|known| known.access_key.as_str() == access_key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let credential = Credential {
            access_key: AccessKeyId::parse("AKIA").unwrap(),
            secret: SecretKey::new("hush-hush"),
            principal: Principal::new("root"),
        };
        assert!(!format!("{credential:?} {:?}", StaticCredentials::new(vec![credential.clone()])).contains("hush"));
    }

    #[test]
    fn access_keys_survive_a_scope_and_a_header() {
        for good in ["A", "AKIAIOSFODNN7EXAMPLE", "user@example.org", &"k".repeat(128)] {
            assert!(AccessKeyId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a,b", "a b", "a;b", "\u{e9}", "a\n", &"k".repeat(129)] {
            assert_eq!(AccessKeyId::parse(bad), Err(InvalidAccessKeyId), "{bad}");
        }
    }
}

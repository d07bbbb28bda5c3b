//! Root credentials: given by the environment, or generated once and kept in the data folder.
//!
//! The secret leaves this file only through [`Secret::expose`]. The kept file appears whole or not at all, is never
//! overwritten, and only its owner may read it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The kept credentials inside the data folder.
pub const CREDENTIALS_FILE: &str = "root-credentials.toml";
const ACCESS_KEY_BYTES: std::ops::RangeInclusive<usize> = 3..=128;
const SECRET_KEY_BYTES: std::ops::RangeInclusive<usize> = 8..=128;
/// Pairs that installations are known by, and so are no secret.
const WELL_KNOWN: &[(&str, &str)] = &[
    ("minioadmin", "minioadmin"),
    ("rustfsadmin", "rustfsadmin"),
    ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("admin", "password"),
    ("test", "testtest"),
];

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The secret itself; never for a log or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where the credentials came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator chose them.
    Environment,
    /// An earlier start generated them.
    Kept(PathBuf),
    /// This start generated them: nobody can have seen them before.
    GeneratedNow(PathBuf),
}

/// The pair that may do everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCredentials {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret_key: Secret,
    /// Where they came from.
    pub origin: Origin,
}

/// Why there are no root credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// One half of a pair.
    #[error("{0} is set but {1} is not; set both, or neither to have them generated")]
    Half(&'static str, &'static str),
    /// A value and a file for the same half.
    #[error("{0} and {0}_FILE are both set; keep one of them")]
    Twice(&'static str),
    /// A half that cannot be used.
    #[error("{name} must be {expected}")]
    Unusable {
        /// Which variable or key.
        name: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The kept file is not as it was written.
    #[error("{0} does not hold `access_key` and `secret_key`; restore it, or remove it to have new credentials generated")]
    Damaged(PathBuf),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for new credentials: {0}")]
    Random(getrandom::Error),
}

impl RootCredentials {
    /// Takes the credentials from `variable`, else from the data folder, else generates and keeps them.
    ///
    /// # Errors
    /// A variable or a file that cannot be used; nothing is generated then.
    pub fn obtain(data: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self, CredentialsError> {
        let access_key = given(&variable, "HOLDFAST_ROOT_ACCESS_KEY", "HOLDFAST_ROOT_ACCESS_KEY_FILE")?;
        let secret_key = given(&variable, "HOLDFAST_ROOT_SECRET_KEY", "HOLDFAST_ROOT_SECRET_KEY_FILE")?;
        match (access_key, secret_key) {
            (Some(access_key), Some(secret_key)) => checked(access_key, secret_key, Origin::Environment),
            (Some(_), None) => Err(CredentialsError::Half("HOLDFAST_ROOT_ACCESS_KEY", "HOLDFAST_ROOT_SECRET_KEY")),
            (None, Some(_)) => Err(CredentialsError::Half("HOLDFAST_ROOT_SECRET_KEY", "HOLDFAST_ROOT_ACCESS_KEY")),
            (None, None) => kept_or_generated(data),
        }
    }

    /// Whether anyone could guess this pair.
    pub fn are_well_known(&self) -> bool {
        let secret = self.secret_key.expose();
        secret == self.access_key || WELL_KNOWN.contains(&(self.access_key.as_str(), secret))
    }
}

fn given(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    file_name: &'static str,
) -> Result<Option<String>, CredentialsError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    match (set(name), set(file_name)) {
        (Some(_), Some(_)) => Err(CredentialsError::Twice(name)),
        (Some(value), None) => Ok(Some(value)),
        (None, Some(path)) => {
            let text = fs::read_to_string(&path).map_err(|error| CredentialsError::File { path: path.into(), error })?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (None, None) => Ok(None),
    }
}

fn checked(access_key: String, secret_key: String, origin: Origin) -> Result<RootCredentials, CredentialsError> {
    let unusable = |name, expected| Err(CredentialsError::Unusable { name, expected });
    // A slash or a comma inside would end the access key early in an Authorization header.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !ACCESS_KEY_BYTES.contains(&access_key.len()) || !access_key.bytes().all(plain) {
        return unusable("the root access key", "3 to 128 letters, digits, `-`, `_` or `.`");
    }
    if !SECRET_KEY_BYTES.contains(&secret_key.len()) || !secret_key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return unusable("the root secret key", "8 to 128 visible ASCII characters");
    }
    Ok(RootCredentials { access_key, secret_key: Secret(secret_key), origin })
}

fn kept_or_generated(data: &Path) -> Result<RootCredentials, CredentialsError> {
    let path = data.join(CREDENTIALS_FILE);
    if let Some(kept) = kept(&path)? {
        return Ok(kept);
    }
    let credentials = generate(path.clone())?;
    let at = |error| CredentialsError::File { path: path.clone(), error };
    if keep(data, &path, &credentials).map_err(at)? {
        return Ok(credentials);
    }
    // Another process was first: its pair is the one that was kept.
    kept(&path)?.ok_or_else(|| CredentialsError::Damaged(path.clone()))
}

fn kept(path: &Path) -> Result<Option<RootCredentials>, CredentialsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CredentialsError::File { path: path.to_owned(), error }),
    };
    if fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others may read the root credentials; run `chmod 600` on this file");
    }
    let damaged = || CredentialsError::Damaged(path.to_owned());
    let table: toml::Table = text.parse().map_err(|_| damaged())?;
    let half = |key: &str| table.get(key).and_then(|value| value.as_str()).map(str::to_owned).ok_or_else(damaged);
    checked(half("access_key")?, half("secret_key")?, Origin::Kept(path.to_owned())).map(Some)
}

/// Writes the file durably; `false` if it was already there.
fn keep(data: &Path, path: &Path, credentials: &RootCredentials) -> io::Result<bool> {
    fs::create_dir_all(data)?;
    let staged = data.join(format!("{CREDENTIALS_FILE}.{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    write!(
        file,
        "# Root credentials of this data folder, generated at the first start.\naccess_key = \"{}\"\nsecret_key = \"{}\"\n",
        credentials.access_key,
        credentials.secret_key.expose()
    )?;
    file.sync_all()?;
    // A link, unlike a rename, cannot replace a file that appeared meanwhile.
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged)?;
    match linked {
        Ok(()) => File::open(data)?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn generate(path: PathBuf) -> Result<RootCredentials, CredentialsError> {
    let access_key = format!("HF{}", random_text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 18)?);
    let secret_key = random_text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 40)?;
    Ok(RootCredentials { access_key, secret_key: Secret(secret_key), origin: Origin::GeneratedNow(path) })
}

/// `length` characters of `alphabet`, whose size divides 256, so that every character is as likely as any other.
fn random_text(alphabet: &[u8], length: usize) -> Result<String, CredentialsError> {
    assert_eq!(256 % alphabet.len(), 0, "a biased alphabet");
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(CredentialsError::Random)?;
    Ok(bytes.into_iter().map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()])).collect())
}

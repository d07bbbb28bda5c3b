//! What a client attaches to an object besides its bytes: the standard headers and user metadata,
//! both returned exactly as they came.

use crate::limits::{STANDARD_HEADER_BYTES_MAX, USER_METADATA_BYTES_MAX};

/// A standard header that S3 keeps with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StandardHeader {
    /// `Content-Type`.
    ContentType,
    /// `Content-Encoding`, without `aws-chunked`.
    ContentEncoding,
    /// `Content-Disposition`.
    ContentDisposition,
    /// `Content-Language`.
    ContentLanguage,
    /// `Cache-Control`.
    CacheControl,
    /// `Expires`, as text: S3 does not judge it.
    Expires,
    /// `x-amz-website-redirect-location`.
    WebsiteRedirectLocation,
}

impl StandardHeader {
    /// Every standard header.
    pub const ALL: [Self; 7] = [
        Self::ContentType,
        Self::ContentEncoding,
        Self::ContentDisposition,
        Self::ContentLanguage,
        Self::CacheControl,
        Self::Expires,
        Self::WebsiteRedirectLocation,
    ];

    /// The header's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContentType => "content-type",
            Self::ContentEncoding => "content-encoding",
            Self::ContentDisposition => "content-disposition",
            Self::ContentLanguage => "content-language",
            Self::CacheControl => "cache-control",
            Self::Expires => "expires",
            Self::WebsiteRedirectLocation => "x-amz-website-redirect-location",
        }
    }
}

/// Standard headers and user metadata of one object. Values are bytes, since header values need not be UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    standard: Vec<(StandardHeader, Vec<u8>)>,
    user: Vec<(String, Vec<u8>)>,
}

/// Why metadata is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// More than 2 KiB of user metadata.
    #[error("user metadata has at most 2048 bytes, names and values together")]
    UserTooLarge,
    /// A standard header of more than 2 KiB.
    #[error("the header {0} has at most 2048 bytes")]
    HeaderTooLarge(&'static str),
}

impl Attributes {
    /// Collects headers and `x-amz-meta-*` entries (names in lower case, without the prefix).
    ///
    /// # Errors
    /// [`InvalidMetadata`] where a bound is passed.
    pub fn new(standard: Vec<(StandardHeader, Vec<u8>)>, user: Vec<(String, Vec<u8>)>) -> Result<Self, InvalidMetadata> {
        if let Some((header, _)) = standard.iter().find(|(_, v)| v.len() > STANDARD_HEADER_BYTES_MAX) {
            return Err(InvalidMetadata::HeaderTooLarge(header.name()));
        }
        let user_bytes: usize = user.iter().map(|(k, v)| k.len() + v.len()).sum();
        if user_bytes > USER_METADATA_BYTES_MAX {
            return Err(InvalidMetadata::UserTooLarge);
        }
        Ok(Self { standard, user })
    }

    /// The standard headers that were given.
    pub fn standard(&self) -> impl Iterator<Item = (StandardHeader, &[u8])> {
        self.standard.iter().map(|(h, v)| (*h, v.as_slice()))
    }

    /// User metadata: name without `x-amz-meta-`, value.
    pub fn user(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.user.iter().map(|(k, v)| (k.as_str(), v.as_slice()))
    }

    /// One standard header.
    pub fn get(&self, header: StandardHeader) -> Option<&[u8]> {
        self.standard.iter().find(|(h, _)| *h == header).map(|(_, v)| v.as_slice())
    }
}

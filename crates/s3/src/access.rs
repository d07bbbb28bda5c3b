//! May this principal do this? The one place that decides it, before every operation.
//!
//! There is one principal, the owner of everything, so whoever is authenticated may do everything; what is left to refuse is a
//! request that expects the bucket to be somebody else's.

use http::HeaderMap;

use crate::{auth::Identity, error::S3Error, headers::expected_owner, route::Route, xml::Owner};

/// The canonical id of the owner of every bucket and object: 64 hex digits, as S3 has it.
pub const OWNER_ID: &str = "686f6c646661737420726f6f74206f776e6572000000000000000000000000ff";
/// The name that listings show for the owner.
pub const OWNER_NAME: &str = "holdfast";

/// The owner of every bucket and object.
pub const fn owner() -> Owner<'static> {
    Owner { id: OWNER_ID, display_name: OWNER_NAME }
}

/// Refuses what the caller may not do.
///
/// # Errors
/// 403 AccessDenied.
pub fn authorise(_identity: &Identity, _route: &Route, headers: &HeaderMap) -> Result<(), S3Error> {
    expected_owner(headers, OWNER_ID)
}

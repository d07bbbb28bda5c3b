//! Signatures in the Authorization header and in the query.
//!
//! Whatever is accepted carries the signature that a second implementation computes for it, and signs every header that it must. What
//! that implementation signs is accepted; changed by one byte it is refused, unless it still means the same.

use std::sync::{Arc, OnceLock};

use holdfast_model::Timestamp;
use holdfast_s3::auth::{AccessKeyId, AuthError, Authenticator, Credential, Identity, Principal, SecretKey, SignedBy, StaticCredentials};
use http::{HeaderValue, Request, request::Parts};

use crate::{
    input::{Input, mutate},
    signer::{ACCESS_KEY, SCOPE, SECRET_KEY, STAMP, STAMP_SECS, canonical, decode, encode, request_signature},
};

/// Headers that a presigned URL may leave unsigned.
const EXEMPT: [&str; 4] = ["x-amz-content-sha256", "x-amz-date", "x-amz-user-agent", "x-amz-checksum-mode"];

pub(crate) fn authenticate(head: &Parts) -> Result<Identity, AuthError> {
    static KNOWN: OnceLock<Authenticator> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let access_key = AccessKeyId::parse(ACCESS_KEY).unwrap();
        let credential = Credential { access_key, secret: SecretKey::new(SECRET_KEY), principal: Principal::new("root") };
        Authenticator::new(Arc::new(StaticCredentials::new(vec![credential])))
    });
    known.authenticate(head, Timestamp::from_secs(STAMP_SECS))
}

/// A request head as text: `METHOD target`, then lines of `name: value`.
#[derive(Clone)]
struct Draft {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Draft {
    fn read(text: &[u8]) -> Option<Self> {
        let mut lines = text.split(|byte| *byte == b'\n');
        let first = lines.next()?;
        let space = first.iter().position(|byte| *byte == b' ')?;
        let method = std::str::from_utf8(&first[..space]).ok()?.to_owned();
        let mut headers = Vec::new();
        for line in lines.take(40) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
            headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        Some(Self { method, target: first[space + 1..].to_vec(), headers })
    }

    fn without(mut self, names: &[&str]) -> Self {
        self.headers.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }

    fn head(&self) -> Option<Parts> {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.target.as_slice());
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), HeaderValue::from_bytes(value).ok()?);
        }
        Some(request.body(()).ok()?.into_parts().0)
    }

    /// Names that are signed: all, or those that must be.
    fn signed_names(&self, all: bool) -> Vec<String> {
        let must = |name: &str| name == "host" || name.starts_with("x-amz-") || name.starts_with("x-holdfast-");
        let mut names: Vec<String> = self.headers.iter().map(|(name, _)| name.clone()).filter(|name| all || must(name)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Changes one byte of the target or of a header's value.
    fn mutate(&mut self, input: &mut Input<'_>) {
        let which = input.below(self.headers.len() + 1);
        match self.headers.get_mut(which) {
            Some((_, value)) => mutate(value, input),
            None => mutate(&mut self.target, input),
        };
    }
}

/// Whether a query says, in any spelling, that it is signed.
fn query_claims_a_signature(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or("");
    query.split('&').any(|pair| {
        let name = decode(pair.split('=').next().unwrap_or(""), true).unwrap_or_default().to_ascii_lowercase();
        name.starts_with(b"x-amz-") || name == b"awsaccesskeyid" || name == b"signature"
    })
}

fn utf8_query(head: &Parts) -> bool {
    let parts = head.uri.query().unwrap_or("").split(['&', '=']);
    parts.into_iter().all(|part| decode(part, true).is_some_and(|bytes| String::from_utf8(bytes).is_ok()))
}

pub(crate) fn sigv4_header(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mode = input.byte();
    let mut controls = Input::new(input.take(6));
    let Some(draft) = Draft::read(input.rest()) else { return };
    if mode & 1 == 0 {
        let Some(head) = draft.head() else { return };
        if let Ok(identity) = authenticate(&head) {
            assert_genuine(&head, &identity);
        }
        return;
    }
    let Some(mut signed) = sign_by_header(draft, mode) else { return };
    let head = signed.head().expect("a head that was built before");
    match authenticate(&head) {
        Ok(identity) => assert_genuine(&head, &identity),
        Err(AuthError::SignedTwice | AuthError::InvalidUri) if query_claims_a_signature(&head) || !utf8_query(&head) => return,
        Err(why) => panic!("a good signature is refused: {why:?}\n{head:?}"),
    }
    signed.mutate(&mut controls);
    if let Some(head) = signed.head()
        && let Ok(identity) = authenticate(&head)
    {
        assert_genuine(&head, &identity);
    }
}

fn sign_by_header(draft: Draft, mode: u8) -> Option<Draft> {
    let mut draft = draft.without(&["authorization", "x-amz-security-token"]);
    if !draft.headers.iter().any(|(name, _)| name == "host") {
        draft.set("host", "examplebucket.s3.amazonaws.com");
    }
    draft.set("x-amz-date", STAMP);
    draft.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let names = draft.signed_names(mode & 2 == 0);
    let head = draft.head()?;
    let canonical = canonical(&head, &names, "UNSIGNED-PAYLOAD", mode & 4 != 0)?;
    // By its own rules a request must decode whichever way it was signed.
    crate::signer::canonical(&head, &names, "", false)?;
    let signature = request_signature(STAMP, SCOPE, &canonical);
    let value = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE}, SignedHeaders={}, Signature={signature}", names.join(";"));
    draft.headers.push(("authorization".into(), value.into_bytes()));
    Some(draft)
}

pub(crate) fn sigv4_presigned(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mode = input.byte();
    let mut controls = Input::new(input.take(6));
    let Some(draft) = Draft::read(input.rest()) else { return };
    if mode & 1 == 0 {
        let Some(head) = draft.head() else { return };
        if let Ok(identity) = authenticate(&head) {
            assert_genuine(&head, &identity);
        }
        return;
    }
    let Some(mut signed) = presign(draft, mode) else { return };
    let head = signed.head().expect("a head that was built before");
    if utf8_query(&head) {
        let identity = authenticate(&head).unwrap_or_else(|why| panic!("a good signature is refused: {why:?}\n{head:?}"));
        assert_genuine(&head, &identity);
    }
    signed.mutate(&mut controls);
    if let Some(head) = signed.head()
        && let Ok(identity) = authenticate(&head)
    {
        assert_genuine(&head, &identity);
    }
}

fn presign(draft: Draft, mode: u8) -> Option<Draft> {
    let mut draft = draft.without(&["authorization", "x-amz-security-token", "x-amz-content-sha256"]);
    if !draft.headers.iter().any(|(name, _)| name == "host") {
        draft.set("host", "examplebucket.s3.amazonaws.com");
    }
    // The guard lets no fragment through, and `http::Uri` would drop it with everything behind it.
    if draft.target.contains(&b'#') || query_claims_a_signature(&draft.head()?) {
        return None;
    }
    let names = draft.signed_names(mode & 2 == 0);
    let encoded = |text: String| encode(text.as_bytes(), false);
    let (credential, signed) = (encoded(format!("{ACCESS_KEY}/{SCOPE}")), encoded(names.join(";")));
    let separator = if draft.target.contains(&b'?') { "&" } else { "?" };
    let core = format!(
        "{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={STAMP}&X-Amz-Expires=60&X-Amz-SignedHeaders={signed}"
    );
    draft.target.extend_from_slice(core.as_bytes());
    let canonical = canonical(&draft.head()?, &names, "UNSIGNED-PAYLOAD", false)?;
    let signature = request_signature(STAMP, SCOPE, &canonical);
    draft.target.extend_from_slice(format!("&X-Amz-Signature={signature}").as_bytes());
    draft.head()?;
    Some(draft)
}

/// The pairs of a query, decoded, whose name is `name`.
fn parameter(head: &Parts, name: &str) -> Option<String> {
    let pairs = head.uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut found = pairs.filter(|(known, _)| decode(known, true).is_some_and(|known| known == name.as_bytes()));
    let (_, value) = found.next()?;
    String::from_utf8(decode(value, true)?).ok()
}

/// What was accepted has the signature that it must have, and signs what it must sign.
fn assert_genuine(head: &Parts, identity: &Identity) {
    assert_eq!(identity.principal.as_str(), "root");
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (credential, names, claimed, stamp) = if identity.signed_by == SignedBy::Header {
        let value = text("authorization").expect("an Authorization header");
        let part = |name: &str| {
            let parts = value.strip_prefix("AWS4-HMAC-SHA256 ").expect("the algorithm").split(',').map(|part| part.trim_matches(' '));
            parts.into_iter().find_map(|part| part.strip_prefix(name)).expect("a component").to_owned()
        };
        let stamp = text("x-amz-date").unwrap_or_else(|| STAMP.to_owned());
        (part("Credential="), part("SignedHeaders="), part("Signature="), stamp)
    } else {
        let of = |name| parameter(head, name).expect("a parameter of the signature");
        (of("X-Amz-Credential"), of("X-Amz-SignedHeaders"), of("X-Amz-Signature"), of("X-Amz-Date"))
    };
    let mut names: Vec<String> = names.split(';').map(str::to_owned).collect();
    names.sort();
    let presigned = identity.signed_by == SignedBy::Query;
    for name in head.headers.keys().map(http::HeaderName::as_str) {
        let must_sign = name == "host" || name.starts_with("x-amz-") || name.starts_with("x-holdfast-");
        let exempt = presigned && EXEMPT.contains(&name);
        assert!(!must_sign || exempt || names.iter().any(|signed| signed == name), "{name} is not signed: {head:?}");
    }
    let payload = parameter(head, "X-Amz-Content-Sha256").filter(|_| presigned).or_else(|| text("x-amz-content-sha256"));
    let payload = payload.unwrap_or_else(|| "UNSIGNED-PAYLOAD".to_owned());
    let scope = credential.strip_prefix(ACCESS_KEY).and_then(|rest| rest.strip_prefix('/')).expect("our access key");
    let genuine = [false, true].into_iter().any(|as_sent| {
        canonical(head, &names, &payload, as_sent).is_some_and(|canonical| request_signature(&stamp, scope, &canonical) == claimed)
    });
    assert!(genuine, "accepted with a signature that is not its own: {head:?}");
}

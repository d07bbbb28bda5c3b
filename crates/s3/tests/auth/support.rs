//! What the tests share: the credentials of AWS's documentation, request heads, and AWS's own signer.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity as AwsIdentity;
use bytes::Bytes;
use holdfast_model::Timestamp;
use holdfast_s3::auth::{
    AccessKeyId, AuthError, Authenticator, BodyDecoder, BodyEnd, BodyError, Credential, Identity, Principal, SecretKey, StaticCredentials,
};
use http::{Request, Uri, request::Parts};

pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// 2013-05-24T00:00:00Z, the time of every example in the documentation.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_369_353_600);

pub(crate) fn authenticator() -> Authenticator {
    Authenticator::new(Arc::new(StaticCredentials::new(vec![Credential {
        access_key: AccessKeyId::parse(ACCESS_KEY).unwrap(),
        secret: SecretKey::new(SECRET_KEY),
        principal: Principal::new("root"),
    }])))
}

pub(crate) fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let request =
        headers.iter().fold(Request::builder().method(method).uri(target), |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

pub(crate) fn authenticate(head: &Parts) -> Result<Identity, AuthError> {
    authenticator().authenticate(head, NOW)
}

pub(crate) fn seconds_later(secs: i64) -> Timestamp {
    Timestamp::from_secs(NOW.secs().checked_add_signed(secs).unwrap())
}

pub(crate) fn aws_identity() -> AwsIdentity {
    AwsCredentials::new(ACCESS_KEY, SECRET_KEY, None, None, "documentation").into()
}

pub(crate) fn aws_params<'a>(
    identity: &'a AwsIdentity,
    region: &'static str,
    location: SignatureLocation,
) -> v4::SigningParams<'a, SigningSettings> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    settings.expires_in = (location == SignatureLocation::QueryParams).then_some(Duration::from_mins(10));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.secs());
    v4::SigningParams::builder().identity(identity).region(region).name("s3").time(time).settings(settings).build().unwrap()
}

/// The head of a request as a server gets it, signed by AWS's signer at [`NOW`].
pub(crate) fn signed_by_aws(
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: SignableBody<'_>,
    region: &'static str,
    location: SignatureLocation,
) -> Parts {
    let identity = aws_identity();
    let params = aws_params(&identity, region, location).into();
    let uri = format!("http://127.0.0.1:9000{target}");
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new(method, &uri, pairs, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let request = Request::builder().method(method).uri(&uri);
    let mut request = headers.iter().fold(request, |request, (name, value)| request.header(name, value)).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let (mut parts, ()) = request.into_parts();
    parts.uri = parts.uri.path_and_query().map(ToString::to_string).unwrap().parse::<Uri>().unwrap();
    parts.headers.insert("host", "127.0.0.1:9000".parse().unwrap());
    parts
}

/// Pushes `wire` in pieces that end at `cuts`, and returns the payload together with the end.
pub(crate) fn decode(mut decoder: BodyDecoder, wire: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, BodyEnd), BodyError> {
    let (mut payload, mut from) = (Vec::new(), 0);
    for to in cuts.iter().copied().chain([wire.len()]) {
        decoder.push(Bytes::copy_from_slice(&wire[from..to]), &mut payload)?;
        from = to;
    }
    decoder.finish().map(|end| (payload.concat(), end))
}

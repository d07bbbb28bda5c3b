//! What a client attaches to an object, and the smaller headers that steer an operation. Values that S3 returns as they
//! came are kept as bytes. All functions take the effective headers ([`crate::fields::effective_headers`]).

use holdfast_model::{
    Attributes, InvalidMetadata, InvalidTags, StandardHeader, Tags,
    limits::{CLIENT_TOKEN_BYTES_MAX, INVOCATION_ID_BYTES_MAX, OBJECT_TAGS_MAX},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    error::{Code, S3Error},
    fields::{digits, number, single, single_filled},
    query::Query,
    uri::{Plus, decode},
};

const USER_PREFIX: &str = "x-amz-meta-";

/// Standard headers and user metadata of PutObject, CopyObject and CreateMultipartUpload. `aws-chunked` is the encoding
/// of the transfer and no attribute.
///
/// # Errors
/// 400 MetadataTooLarge where a bound is passed, 400 InvalidRequest for a standard header given twice.
pub fn attributes(headers: &HeaderMap) -> Result<Attributes, S3Error> {
    let mut standard = Vec::new();
    for header in StandardHeader::ALL {
        let value = match header {
            StandardHeader::ContentEncoding => content_encoding(headers),
            _ => single_bytes(headers, header.name())?.map(<[u8]>::to_vec),
        };
        standard.extend(value.map(|v| (header, v)));
    }
    Attributes::new(standard, user_metadata(headers)).map_err(|why| match why {
        InvalidMetadata::UserTooLarge => S3Error::new(Code::MetadataTooLarge).with_field("MaxSizeAllowed", "2048"),
        InvalidMetadata::HeaderTooLarge(name) => {
            S3Error::new(Code::MetadataTooLarge).with_message(format!("{why}.")).with_field("Header", name)
        }
    })
}

fn single_bytes<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h [u8]>, S3Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(S3Error::invalid_header(name, format!("The header {name} is given twice; send it once."))),
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
    }
}

/// The content encodings of the object itself, `None` if none is left.
fn content_encoding(headers: &HeaderMap) -> Option<Vec<u8>> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter().flat_map(|v| v.as_bytes().split(|b| *b == b','));
    let kept: Vec<&[u8]> = codings.map(<[u8]>::trim_ascii).filter(|c| !c.is_empty() && !c.eq_ignore_ascii_case(b"aws-chunked")).collect();
    (!kept.is_empty()).then(|| kept.join(&b","[..]))
}

/// Several fields of one name are joined by a comma, as S3 does.
fn user_metadata(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let named = headers.keys().filter_map(|name| Some((name, name.as_str().strip_prefix(USER_PREFIX)?)));
    named
        .map(|(name, short)| {
            let values: Vec<&[u8]> = headers.get_all(name).iter().map(|v| v.as_bytes().trim_ascii()).collect();
            (short.to_owned(), values.join(&b","[..]))
        })
        .collect()
}

/// Puts attributes into a response as they came.
pub fn insert_attributes(attributes: &Attributes, headers: &mut HeaderMap) {
    let standard = attributes.standard().map(|(h, v)| (HeaderName::from_static(h.name()), v));
    let user = attributes.user().filter_map(|(name, v)| Some((HeaderName::try_from(format!("{USER_PREFIX}{name}")).ok()?, v)));
    for (name, value) in standard.chain(user) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
}

/// `x-amz-tagging`: tags as a query string; `None` if the header is absent.
///
/// # Errors
/// 400 InvalidTag or InvalidArgument.
pub fn tagging(headers: &HeaderMap) -> Result<Option<Tags>, S3Error> {
    let Some(text) = single(headers, "x-amz-tagging")? else { return Ok(None) };
    parse_tagging(text).map(Some)
}

/// Reads `a=1&b=2`, form-encoded.
///
/// # Errors
/// 400 InvalidTag or InvalidArgument.
pub fn parse_tagging(text: &str) -> Result<Tags, S3Error> {
    let part = |text: &str| {
        decode(text.as_bytes(), Plus::Space).map_err(|_| {
            let message =
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
            S3Error::invalid_argument("x-amz-tagging", text, message)
        })
    };
    let mut pairs = Vec::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((part(key)?, part(value)?));
    }
    Tags::new(pairs, OBJECT_TAGS_MAX).map_err(invalid_tags)
}

/// How S3 refuses a set of tags.
#[allow(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
pub fn invalid_tags(why: InvalidTags) -> S3Error {
    match why {
        InvalidTags::TooMany { max } => S3Error::new(Code::BadRequest).with_message(format!("Tags cannot be greater than {max}")),
        InvalidTags::Duplicate(_) => {
            S3Error::new(Code::InvalidTag).with_message(format!("Cannot provide multiple Tags with the same key: {why}"))
        }
        InvalidTags::Key => S3Error::new(Code::InvalidTag).with_message(format!("The TagKey you have provided is invalid: {why}.")),
        InvalidTags::Value => S3Error::new(Code::InvalidTag).with_message(format!("The TagValue you have provided is invalid: {why}.")),
        InvalidTags::Reserved => S3Error::new(Code::InvalidTag).with_message(format!("System tags cannot be added by requesters: {why}.")),
    }
}

/// Whether a copy keeps what the source has or takes what the request brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directive {
    /// `COPY`, the default.
    #[default]
    Copy,
    /// `REPLACE`.
    Replace,
}

/// `x-amz-metadata-directive`.
///
/// # Errors
/// 400 InvalidArgument for anything but COPY and REPLACE.
pub fn metadata_directive(headers: &HeaderMap) -> Result<Directive, S3Error> {
    directive(headers, "x-amz-metadata-directive", "Unknown metadata directive. Send COPY or REPLACE.")
}

/// `x-amz-tagging-directive`.
///
/// # Errors
/// 400 InvalidArgument for anything but COPY and REPLACE.
pub fn tagging_directive(headers: &HeaderMap) -> Result<Directive, S3Error> {
    directive(headers, "x-amz-tagging-directive", "Unknown tagging directive. Send COPY or REPLACE.")
}

fn directive(headers: &HeaderMap, name: &'static str, message: &'static str) -> Result<Directive, S3Error> {
    match single(headers, name)? {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(S3Error::invalid_argument(name, other, message)),
    }
}

/// `x-amz-client-token` of RenameObject.
///
/// # Errors
/// 400 InvalidArgument unless it has 1 to 64 characters from `!` to `~`.
pub fn client_token(headers: &HeaderMap) -> Result<Option<String>, S3Error> {
    const NAME: &str = "x-amz-client-token";
    match single(headers, NAME)? {
        None => Ok(None),
        Some(token) if (1..=CLIENT_TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(token.to_owned()))
        }
        Some(token) => Err(S3Error::invalid_argument(NAME, token, "A client token has 1 to 64 characters, ASCII 33 to 126.")),
    }
}

/// What an AWS SDK tells about the attempts of one request. Absent or unusable values are nothing to refuse: they only
/// make a lost answer impossible to recognise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// `amz-sdk-invocation-id`: the same for every attempt.
    pub id: Option<String>,
    /// `attempt=N` of `amz-sdk-request`.
    pub attempt: Option<u32>,
}

/// Reads `amz-sdk-invocation-id` and `amz-sdk-request`.
pub fn invocation(headers: &HeaderMap) -> Invocation {
    let text = |name| single(headers, name).ok().flatten();
    let id = text("amz-sdk-invocation-id").filter(|id| (1..=INVOCATION_ID_BYTES_MAX).contains(&id.len()));
    let attempts = text("amz-sdk-request").into_iter().flat_map(|t| t.split(';'));
    let attempt = attempts.filter_map(|part| part.trim().strip_prefix("attempt=")).find_map(digits);
    Invocation { id: id.map(str::to_owned), attempt: attempt.and_then(|n| u32::try_from(n).ok()) }
}

/// `x-amz-mp-object-size` of CompleteMultipartUpload: the size that the object must have.
///
/// # Errors
/// 400 InvalidArgument for anything but a whole number.
pub fn multipart_object_size(headers: &HeaderMap) -> Result<Option<u64>, S3Error> {
    number(headers, "x-amz-mp-object-size")
}

/// `response-*` parameters of GetObject and HeadObject: headers that the answer shall carry instead of the stored ones.
///
/// # Errors
/// 400 InvalidArgument for a value that no header can have.
pub fn response_overrides(query: &Query) -> Result<Vec<(HeaderName, HeaderValue)>, S3Error> {
    let names = [
        ("response-content-type", header::CONTENT_TYPE),
        ("response-content-language", header::CONTENT_LANGUAGE),
        ("response-expires", header::EXPIRES),
        ("response-cache-control", header::CACHE_CONTROL),
        ("response-content-disposition", header::CONTENT_DISPOSITION),
        ("response-content-encoding", header::CONTENT_ENCODING),
    ];
    let given = names.into_iter().filter_map(|(parameter, header)| Some((parameter, header, query.get(parameter)?)));
    given
        .map(|(parameter, header, text)| {
            let value = HeaderValue::from_bytes(text.as_bytes());
            let refused = |_| S3Error::invalid_argument(parameter, text, "This value cannot be sent as a response header.");
            Ok((header, value.map_err(refused)?))
        })
        .collect()
}

/// What GetObjectAttributes may be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one name of the header's list")]
#[allow(missing_docs, reason = "each is the attribute of its name")]
pub struct WantedAttributes {
    pub etag: bool,
    pub checksum: bool,
    pub object_parts: bool,
    pub storage_class: bool,
    pub object_size: bool,
}

/// `x-amz-object-attributes`: a list of names, in one header or several.
///
/// # Errors
/// 400 InvalidRequest if it is missing, 400 InvalidArgument for an unknown name.
pub fn wanted_attributes(headers: &HeaderMap) -> Result<WantedAttributes, S3Error> {
    const NAME: &str = "x-amz-object-attributes";
    let mut wanted = WantedAttributes::default();
    for value in headers.get_all(NAME) {
        for name in crate::fields::ascii(NAME, value)?.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            match name {
                "ETag" => wanted.etag = true,
                "Checksum" => wanted.checksum = true,
                "ObjectParts" => wanted.object_parts = true,
                "StorageClass" => wanted.storage_class = true,
                "ObjectSize" => wanted.object_size = true,
                other => return Err(S3Error::invalid_argument(NAME, other, "Invalid attribute name specified.")),
            }
        }
    }
    if wanted == WantedAttributes::default() {
        return Err(S3Error::invalid_header(
            NAME,
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
        ));
    }
    Ok(wanted)
}

/// `x-amz-expected-bucket-owner` and `x-amz-source-expected-bucket-owner`: whoever names another owner is refused.
///
/// # Errors
/// 403 AccessDenied for another owner.
pub fn expected_owner(headers: &HeaderMap, owner_id: &str) -> Result<(), S3Error> {
    for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        if single_filled(headers, name)?.is_some_and(|expected| expected != owner_id) {
            let message = format!("Access Denied: the bucket is not owned by the account that {name} names.");
            return Err(S3Error::new(Code::AccessDenied).with_message(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in given {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn attributes_come_back_exactly_as_they_came() {
        let given = headers(&[
            ("Content-Type", "text/plain; charset=\"utf-8\""),
            ("Cache-Control", "no-cache"),
            ("Expires", "whenever"),
            ("x-amz-website-redirect-location", "/other"),
            ("X-Amz-Meta-Name", "v\u{e9}"),
            ("x-amz-meta-twice", "a"),
            ("x-amz-meta-twice", "b"),
            ("content-length", "5"),
        ]);
        let mut rendered = HeaderMap::new();
        insert_attributes(&attributes(&given).unwrap(), &mut rendered);
        let expect = headers(&[
            ("content-type", "text/plain; charset=\"utf-8\""),
            ("cache-control", "no-cache"),
            ("expires", "whenever"),
            ("x-amz-website-redirect-location", "/other"),
            ("x-amz-meta-name", "v\u{e9}"),
            ("x-amz-meta-twice", "a,b"),
        ]);
        assert_eq!(rendered, expect);
    }

    #[test]
    fn aws_chunked_is_no_content_encoding() {
        for (given, expect) in [
            (&["aws-chunked"][..], None),
            (&["aws-chunked,gzip"], Some("gzip")),
            (&["gzip, AWS-chunked"], Some("gzip")),
            (&["aws-chunked", "gzip , br"], Some("gzip,br")),
            (&["gzip"], Some("gzip")),
            (&[""], None),
        ] {
            let map = headers(&given.iter().map(|v| ("content-encoding", *v)).collect::<Vec<_>>());
            let read = attributes(&map).unwrap();
            assert_eq!(read.get(StandardHeader::ContentEncoding), expect.map(str::as_bytes), "{given:?}");
        }
    }

    #[test]
    fn attributes_have_bounds() {
        let big = "v".repeat(2049);
        for (name, expect) in [("x-amz-meta-a", Code::MetadataTooLarge), ("content-type", Code::MetadataTooLarge)] {
            assert_eq!(attributes(&headers(&[(name, &big)])).unwrap_err().code(), expect);
        }
        assert_eq!(attributes(&headers(&[("content-type", "a"), ("content-type", "b")])).unwrap_err().code(), Code::InvalidRequest);
    }

    #[test]
    fn tags_are_read_from_a_form() {
        for (text, expect) in [
            ("", Ok(vec![])),
            ("a=1&b=", Ok(vec![("a", "1"), ("b", "")])),
            ("k+1=v%2B&x", Ok(vec![("k 1", "v+"), ("x", "")])),
            ("a=%", Err(Code::InvalidArgument)),
            ("a=%ff", Err(Code::InvalidArgument)),
            ("a=1&a=2", Err(Code::InvalidTag)),
            ("=1", Err(Code::InvalidTag)),
            ("aws:a=1", Err(Code::InvalidTag)),
            ("a&b&c&d&e&f&g&h&i&j&k", Err(Code::BadRequest)),
        ] {
            let got = parse_tagging(text);
            assert_eq!(got.as_ref().map(|t| t.iter().collect::<Vec<_>>()).map_err(S3Error::code), expect, "{text}");
        }
    }

    #[test]
    fn tokens_directives_and_invocations_are_read() {
        let token = |t: &str| client_token(&headers(&[("x-amz-client-token", t)])).is_ok();
        assert!(token("a-1!~") && token(&"t".repeat(64)));
        assert!(!token("") && !token("a b") && !token(&"t".repeat(65)));

        let directive = |d: &str| metadata_directive(&headers(&[("x-amz-metadata-directive", d)])).map_err(|e| e.code());
        assert_eq!(directive("REPLACE"), Ok(Directive::Replace));
        assert_eq!(directive("COPY"), Ok(Directive::Copy));
        assert_eq!(directive("replace"), Err(Code::InvalidArgument));

        let given = headers(&[("amz-sdk-invocation-id", "4b6e"), ("amz-sdk-request", "ttl=20261122T110000Z; attempt=2; max=5")]);
        assert_eq!(invocation(&given), Invocation { id: Some("4b6e".into()), attempt: Some(2) });
        assert_eq!(
            invocation(&headers(&[("amz-sdk-invocation-id", &"i".repeat(129)), ("amz-sdk-request", "attempt=x")])),
            Invocation::default()
        );
    }

    #[test]
    fn wanted_attributes_are_a_list_of_known_names() {
        let wanted =
            wanted_attributes(&headers(&[("x-amz-object-attributes", "ETag, ObjectSize"), ("x-amz-object-attributes", "Checksum")]))
                .unwrap();
        assert_eq!(wanted, WantedAttributes { etag: true, object_size: true, checksum: true, ..WantedAttributes::default() });
        for bad in ["", "Etag", "ETag,Colour"] {
            assert!(wanted_attributes(&headers(&[("x-amz-object-attributes", bad)])).is_err(), "{bad}");
        }
    }

    #[test]
    fn another_expected_owner_is_denied() {
        for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
            assert_eq!(expected_owner(&headers(&[(name, "me")]), "me"), Ok(()));
            assert_eq!(expected_owner(&headers(&[(name, "you")]), "me").unwrap_err().code(), Code::AccessDenied);
        }
    }

    #[test]
    fn overrides_cannot_smuggle_lines() {
        let query = |text: &str| Query::parse(Some(text)).unwrap();
        let good = response_overrides(&query("response-content-type=text%2Fhtml&response-expires=0")).unwrap();
        assert_eq!(good, [(header::CONTENT_TYPE, HeaderValue::from_static("text/html")), (header::EXPIRES, HeaderValue::from_static("0"))]);
        assert!(response_overrides(&query("response-content-type=a%0D%0AX:1")).is_err());
    }
}

"""Presigned URLs, fetched without any SDK."""

import ssl
import urllib.error
import urllib.request

import pytest

from harness.boto import body, keys

OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture
def fetch(server):
    context = ssl.create_default_context(cafile=server.ca) if server.ca else None

    def call(method, url, data=None, headers=None):
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    return call


@pytest.fixture
def presign(server, bucket):
    """SigV4 URLs: boto3 still presigns with SigV2 unless told."""
    from harness import boto

    signer = boto.client(server.url, server.ca, signature_version="s3v4")
    return lambda operation, seconds=60, **more: signer.generate_presigned_url(
        operation, Params={"Bucket": bucket, "Key": "k", **more}, ExpiresIn=seconds)


def test_get_and_put(s3, bucket, fetch, presign):
    assert fetch("PUT", presign("put_object"), b"by url")[0] == 200
    assert body(s3, bucket, "k") == b"by url"
    assert fetch("GET", presign("get_object")) == (200, b"by url")
    assert fetch("GET", presign("get_object"), headers={"Range": "bytes=3-5"}) == (206, b"url")
    assert fetch("DELETE", presign("delete_object"))[0] == 204
    assert keys(s3, bucket) == []


def test_overrides_are_signed_query_keys(s3, bucket, fetch, presign):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = presign("get_object", ResponseContentType="text/x-mine")
    with urllib.request.urlopen(url, context=ssl._create_unverified_context()) as answer:
        assert answer.headers["Content-Type"] == "text/x-mine"


@pytest.mark.parametrize("expected", ["created", "exists"])
def test_if_none_match_as_a_signed_header(s3, bucket, fetch, presign, expected):
    if expected == "exists":
        s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    url = presign("put_object", IfNoneMatch="*")
    if "if-none-match" in url.split("X-Amz-SignedHeaders=")[1].split("&")[0]:
        status, answer = fetch("PUT", url, b"new", {"If-None-Match": "*"})
    else:
        status, answer = fetch("PUT", url, b"new")
    assert status == (200 if expected == "created" else 412)
    assert body(s3, bucket, "k") == (b"new" if expected == "created" else b"kept")


def with_query(server, method, bucket, query, headers=(), seconds=60):
    """A URL presigned by our own signer, with any signed query keys."""
    import hashlib
    import hmac
    import urllib.parse
    from datetime import datetime, timezone

    from harness import wire
    from harness.server import ACCESS_KEY, REGION

    host = urllib.parse.urlsplit(server.url).netloc
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    signed = sorted([("host", host), *((n.lower(), v) for n, v in headers)])
    names = ";".join(n for n, _ in signed)
    query = [*query, ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{ACCESS_KEY}/{scope}"), ("X-Amz-Date", stamp),
             ("X-Amz-Expires", str(seconds)), ("X-Amz-SignedHeaders", names)]
    canonical = "\n".join([method, f"/{bucket}/k", wire.canonical_query(query), *(f"{n}:{v}" for n, v in signed), "", names,
                           wire.UNSIGNED])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(wire.signing_key(stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{server.url}/{bucket}/k?{wire.canonical_query(query)}&X-Amz-Signature={signature}"


def test_conditions_as_signed_query_keys_count_like_headers(s3, bucket, server, fetch):
    def put(query, data, headers=None):
        return fetch("PUT", with_query(server, "PUT", bucket, query, (headers or {}).items()), data, headers)[0]

    assert put([("If-Match", OTHER_ETAG)], b"x") == 404
    assert put([("If-None-Match", "*")], b"first") == 200
    assert put([("If-None-Match", "*")], b"second") == 412
    assert put([("if-none-match", "*")], b"second") == 412
    assert put([("If-Match", OTHER_ETAG)], b"second") == 412
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    assert body(s3, bucket, "k") == b"first"
    assert put([("If-Match", etag)], b"second") == 200
    assert put([("If-None-Match", "*")], b"third", {"If-Match": etag}) == 400
    assert put([("If-None-Match", "*")], b"third", {"If-None-Match": OTHER_ETAG}) == 400
    assert put([("If-None-Match", "*")], b"third", {"If-None-Match": "*"}) == 412
    assert body(s3, bucket, "k") == b"second"


@pytest.mark.parametrize("spoil", [
    lambda url: url.replace("/k?", "/other?"),
    lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
    lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
    lambda url: url + "&response-content-type=text/html",
], ids=["key", "expiry", "signature", "query"])
def test_a_changed_url_is_refused(s3, bucket, server, fetch, spoil):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    status, answer = fetch("GET", spoil(with_query(server, "GET", bucket, [])))
    assert (status, b"SignatureDoesNotMatch" in answer) == (403, True)


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1])
def test_an_expiry_beyond_seven_days_or_none_is_refused(bucket, server, fetch, seconds):
    assert fetch("GET", with_query(server, "GET", bucket, [], seconds=seconds))[0] in (400, 403)


def test_an_unknown_query_key_on_a_write_is_refused(s3, bucket, server, fetch):
    """It may be a verb of tomorrow: it must not become a PutObject."""
    assert fetch("PUT", with_query(server, "PUT", bucket, [("futureVerb", "")]), b"x")[0] == 400
    assert fetch("PUT", with_query(server, "PUT", bucket, [("torrent", "")]), b"x")[0] in (400, 405, 501)
    assert fetch("PUT", with_query(server, "PUT", bucket, [("x-id", "PutObject")]), b"x")[0] == 200
    assert keys(s3, bucket) == ["k"]

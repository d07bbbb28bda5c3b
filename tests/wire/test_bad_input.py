"""Bad input, as a table: the right refusal, nothing written, and a server that lives and stays in step."""

import base64
import hashlib
import zlib
from datetime import datetime, timedelta, timezone

import pytest

from harness import wire
from harness.boto import MIB, keys, start_upload

KEY = "k"
BODY = b"the body of a put"


@pytest.fixture(autouse=True)
def alive_and_unchanged(server, s3, bucket):
    """After each case: the server lives, and the bucket holds only what it held."""
    yield
    assert server.alive() and server.health("live") == 200
    assert [k for k in keys(s3, bucket) if k != "kept"] == []


def put_of(server, bucket, headers=(), body=BODY, unsigned=None):
    host = server.url.removeprefix("http://")
    unsigned = [("content-length", str(len(body)))] if unsigned is None else unsigned
    return wire.head("PUT", host, f"/{bucket}/{KEY}", (), headers, hashlib.sha256(body).hexdigest(), unsigned) + body


def exchange(server, data):
    """Sends `data` and returns the answer, or None when the connection is closed without one that can still be read."""
    with wire.Connection(server, timeout=20) as connection:
        try:
            connection.send(data)
        except ConnectionError:
            pass  # refused before the end; the answer may be there
        try:
            return connection.receive()
        except (ConnectionError, wire.http.client.HTTPException):
            return None


# ---- HTTP that can be read in two ways ------------------------------------------------------------------------------

AMBIGUOUS = {
    "content-length twice, different": lambda r: with_line(r, b"content-length: 5"),
    "content-length twice, the same": lambda r: with_line(r, b"content-length: %d" % len(BODY)),
    "content-length as a list": lambda r: r.replace(b"content-length: 17", b"content-length: 17, 17"),
    "content-length with a sign": lambda r: r.replace(b"content-length: 17", b"content-length: +17"),
    "content-length negative": lambda r: r.replace(b"content-length: 17", b"content-length: -17"),
    "content-length not a number": lambda r: r.replace(b"content-length: 17", b"content-length: 0x11"),
    "content-length and transfer-encoding": lambda r: with_line(r, b"transfer-encoding: chunked"),
    "transfer-encoding unknown": lambda r: r.replace(b"content-length: 17", b"transfer-encoding: xchunked"),
    "transfer-encoding chunked twice": lambda r: r.replace(b"content-length: 17", b"transfer-encoding: chunked, chunked"),
    "transfer-encoding not chunked last": lambda r: r.replace(b"content-length: 17", b"transfer-encoding: chunked, identity"),
    "a folded header": lambda r: with_line(r, b"x-folded: one\r\n two"),
    "bare line feeds": lambda r: r.replace(b"\r\n", b"\n"),
    "one bare line feed": lambda r: with_line(r, b"x-one: 1\nx-two: 2"),
    "a bare carriage return": lambda r: with_line(r, b"x-one: 1\rx-two: 2"),
    "a space before the colon": lambda r: r.replace(b"content-length:", b"content-length :"),
    "a null byte": lambda r: with_line(r, b"x-null: a\0b"),
    "a header without a name": lambda r: with_line(r, b": value"),
    "a line that is no header": lambda r: with_line(r, b"no colon here"),
    "no host": lambda r: b"\r\n".join(l for l in r.split(b"\r\n") if not l.startswith(b"host:")),
    "two hosts": lambda r: with_line(r, b"host: elsewhere.example"),
    "http/1.1 misspelt": lambda r: r.replace(b"HTTP/1.1", b"HTTP/1.2", 1),
    "no version": lambda r: r.replace(b" HTTP/1.1", b"", 1),
    "two spaces in the request line": lambda r: r.replace(b"PUT ", b"PUT  ", 1),
}


def with_line(request, line):
    return request.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous_http_is_refused_and_ends_its_connection(server, bucket, name):
    request = AMBIGUOUS[name](put_of(server, bucket))
    smuggled = put_of(server, bucket)
    with wire.Connection(server, timeout=20) as connection:
        connection.send(request + smuggled)
        received = bytearray()
        try:
            while piece := connection.socket.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    statuses = [line.split()[1] for line in bytes(received).split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert statuses in ([], [b"400"], [b"505"], [b"501"]), received


def test_headers_beyond_the_bound_are_refused(server, bucket):
    for lines in ([("x-amz-meta-large", "v" * 100_000)], [(f"x-many-{n}", "v") for n in range(5000)]):
        answer = exchange(server, put_of(server, bucket, lines))
        assert answer is None or answer.status in (400, 431), answer


def test_a_request_line_beyond_the_bound_is_refused(server, bucket):
    answer = exchange(server, b"PUT /" + b"k" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answer is None or answer.status in (400, 414, 431), answer


# ---- signatures and digests -----------------------------------------------------------------------------------------


def test_a_changed_header_body_or_path_breaks_the_signature(server, bucket):
    request = put_of(server, bucket, [("x-amz-meta-a", "1")])
    for spoilt, expected in [
        (request.replace(b"x-amz-meta-a: 1", b"x-amz-meta-a: 2"), (403, "SignatureDoesNotMatch")),
        (request.replace(f"/{bucket}/{KEY}".encode(), f"/{bucket}/other".encode(), 1), (403, "SignatureDoesNotMatch")),
        (request.replace(BODY, BODY.upper()), (400, "XAmzContentSHA256Mismatch")),
        (with_line(request, b"x-amz-meta-unsigned: 1"), (403, "AccessDenied")),
        (with_line(request, b"if-match: \"0000\""), (404, "NoSuchKey")),
    ]:
        assert exchange(server, spoilt).verdict[:2] == expected


@pytest.mark.parametrize("away", [timedelta(minutes=-16), timedelta(minutes=16), timedelta(days=-365)], ids=str)
def test_a_date_too_far_from_now_is_refused(server, bucket, monkeypatch, away):
    class Elsewhen(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(timezone.utc) + away

    monkeypatch.setattr(wire, "datetime", Elsewhen)
    assert exchange(server, put_of(server, bucket)).verdict[:2] == (403, "RequestTimeTooSkewed")


@pytest.mark.parametrize("authorization", ["", "AWS4-HMAC-SHA256", "AWS AKID:signature", "Bearer token",
                                           "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=zz"])
def test_an_authorization_that_is_none_is_refused(server, bucket, authorization):
    lines = put_of(server, bucket).split(b"\r\n")
    spoilt = b"\r\n".join(b"authorization: " + authorization.encode() if l.startswith(b"authorization:") else l for l in lines)
    assert exchange(server, spoilt).status in (400, 403)


DIGESTS = {
    "md5 of another body": (("content-md5", base64.b64encode(hashlib.md5(b"other").digest()).decode()), "BadDigest"),
    "md5 that is too short": (("content-md5", "AAAA"), "InvalidDigest"),
    "crc32 of another body": (("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()), "BadDigest"),
    "crc32 that is no base64": (("x-amz-checksum-crc32", "!!!!"), "InvalidRequest"),
    "sha256 of the wrong length": (("x-amz-checksum-sha256", "AAAA"), "InvalidRequest"),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_a_wrong_digest_is_refused(server, bucket, name):
    header, code = DIGESTS[name]
    assert exchange(server, put_of(server, bucket, [header])).verdict[:2] == (400, code)


# ---- lengths and chunks ---------------------------------------------------------------------------------------------


def test_a_put_without_a_length_is_refused(server, bucket):
    assert exchange(server, put_of(server, bucket, unsigned=[])).verdict[:2] == (411, "MissingContentLength")


@pytest.mark.parametrize("size", [10, 5000, 300_000])
def test_a_client_that_stops_in_the_middle_leaves_nothing(server, bucket, size):
    request = put_of(server, bucket, body=b"x" * size)
    for _ in range(5):
        with wire.Connection(server) as connection:
            connection.send(request[: -size // 2])
    server.wait_until(lambda: server.metrics()["holdfast_staged_bytes"] == 0, 30, "forget what was staged")


def chunked(server, bucket, change):
    """A chunk-signed put, spoilt by `change(head, chunks)`."""
    host = server.url.removeprefix("http://")
    head, chunks = wire.signed_chunks(host, f"/{bucket}/{KEY}", b"c" * 150_000)
    return change(head, chunks)


def test_a_chunk_signed_body_is_taken(server, s3, bucket):
    host = server.url.removeprefix("http://")
    head, chunks = wire.signed_chunks(host, f"/{bucket}/kept", b"c" * 150_000)
    assert exchange(server, head + b"".join(chunks)).status == 200
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"c" * 150_000


def with_another_signature(data):
    at = data.index(b"chunk-signature=") + len(b"chunk-signature=")
    return data[:at] + (b"0" if data[at:at + 1] != b"0" else b"1") + data[at + 1:]


CHUNKS = {
    "a changed byte": lambda head, chunks: head + b"".join(chunks).replace(b"ccc", b"ccd", 1),
    "a wrong signature": lambda head, chunks: head + with_another_signature(b"".join(chunks)),
    "two chunks exchanged": lambda head, chunks: head + b"".join([chunks[1], chunks[0], *chunks[2:]]),
    "a size that is no number": lambda head, chunks: head + b"".join(chunks).replace(b"10000;", b"1000x;", 1),
    "no signature": lambda head, chunks: head + b"".join(chunks).replace(b";chunk-signature=", b";chunk-nonsense_=", 1),
    "bytes after the end": lambda head, chunks: head + b"".join(chunks)[:-2] + b"!!",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_spoilt_chunks_are_refused(server, bucket, name):
    answer = exchange(server, chunked(server, bucket, CHUNKS[name]))
    assert answer.status in (400, 403), answer


def test_a_chunked_body_that_ends_early_is_refused(server, bucket):
    with wire.Connection(server, timeout=20) as connection:
        connection.send(chunked(server, bucket, lambda head, chunks: head + chunks[0]))
        connection.socket.shutdown(wire.socket.SHUT_WR)
        try:
            assert connection.receive().status >= 400
        except (ConnectionError, wire.http.client.HTTPException):
            pass


@pytest.mark.parametrize("declared", ["1", "149999", "150001", "99999999999", "-1", "many"])
def test_a_decoded_length_that_is_wrong_is_refused(server, bucket, declared):
    """The length is signed with the rest, so the head is made with the wrong one."""
    host = server.url.removeprefix("http://")
    _, chunks = wire.signed_chunks(host, f"/{bucket}/{KEY}", b"c" * 150_000)
    data = b"".join(chunks)
    head = wire.head("PUT", host, f"/{bucket}/{KEY}", (), [("x-amz-decoded-content-length", declared)], "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                     [("content-length", str(len(data)))])
    assert exchange(server, head + data).status in (400, 403, 411)


@pytest.mark.parametrize(("trailer", "ends"), [
    ("x-amz-checksum-crc32:AAAAAA==", (400, "BadDigest")),
    ("x-amz-checksum-sha1:AAAAAA==", (400, None)),
    ("", (400, None)),
    ("nonsense", (400, None)),
], ids=["wrong", "not announced", "missing", "malformed"])
def test_a_trailing_checksum_must_be_right(server, bucket, trailer, ends):
    host = server.url.removeprefix("http://")
    encoded = b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, trailer.encode() + b"\r\n" if trailer else b"")
    headers = [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(len(BODY))), ("x-amz-trailer", "x-amz-checksum-crc32")]
    head = wire.head("PUT", host, f"/{bucket}/{KEY}", (), headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", [("content-length", str(len(encoded)))])
    answer = exchange(server, head + encoded)
    assert answer.status == ends[0] and ends[1] in (None, answer.code), answer


# ---- headers with meaning -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"), ("x-amz-server-side-encryption", "aws:kms"),
    ("x-amz-object-lock-mode", "GOVERNANCE"), ("x-amz-object-lock-legal-hold", "ON"), ("x-amz-storage-class", "GLACIER"),
    ("x-amz-acl", "public-read"), ("x-amz-grant-read", "id=1"),
    ("x-amz-copy-source-range", "bytes=0-1"), ("x-amz-if-match-size", "3"), ("x-amz-rename-source", "elsewhere"),
], ids=lambda h: h[0])
def test_a_header_whose_meaning_cannot_be_honoured_is_refused(server, bucket, header):
    assert exchange(server, put_of(server, bucket, [header])).status in (400, 501)


# ---- XML ------------------------------------------------------------------------------------------------------------

BOMB = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
DOCUMENTS = {
    "nothing": b"",
    "no xml": b"{}",
    "cut off": b"<Delete><Object><Key>kept</Key>",
    "not utf-8": b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
    "entities": BOMB + b"<Delete><Object><Key>&b;</Key></Object></Delete>",
    "an external entity": b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
    "200,000 levels": b"<Delete>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</Delete>",
    "10 MB": b"<Delete><Object><Key>" + b"k" * 10 * MIB + b"</Key></Object></Delete>",
    "another root": b"<Tagging><Object><Key>kept</Key></Object></Tagging>",
    "no objects": b"<Delete></Delete>",
    "no key": b"<Delete><Object></Object></Delete>",
    "two keys in one object": b"<Delete><Object><Key>kept</Key><Key>other</Key></Object></Delete>",
    "an unknown condition": b"<Delete><Object><Key>kept</Key><IfMatch>x</IfMatch></Object></Delete>",
    "a size that is none": b"<Delete><Object><Key>kept</Key><Size>big</Size></Object></Delete>",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_malformed_delete_deletes_nothing(server, s3, bucket, name):
    s3.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    document = DOCUMENTS[name]
    md5 = ("content-md5", base64.b64encode(hashlib.md5(document).digest()).decode())
    host = server.url.removeprefix("http://")
    answer = exchange(server, wire.request_bytes("POST", host, f"/{bucket}", [("delete", "")], [md5], document))
    assert answer is None or answer.status in (400, 413), answer
    assert keys(s3, bucket) == ["kept"]


@pytest.mark.parametrize("query", ["uploadId", "tagging", "bucket-tagging", "create-bucket"])
@pytest.mark.parametrize("name", ["no xml", "cut off", "entities", "200,000 levels", "10 MB", "another root"])
def test_a_malformed_document_changes_nothing(server, s3, bucket, query, name):
    s3.put_object(Bucket=bucket, Key="kept", Body=b"kept", Tagging="a=b")
    document = DOCUMENTS[name].replace(b"Tagging", b"Nonsense")
    upload, parts = start_upload(s3, bucket, KEY, [BODY])
    method, path, pairs = {
        "uploadId": ("POST", f"/{bucket}/{KEY}", [("uploadId", upload)]),
        "tagging": ("PUT", f"/{bucket}/kept", [("tagging", "")]),
        "bucket-tagging": ("PUT", f"/{bucket}", [("tagging", "")]),
        "create-bucket": ("PUT", f"/{bucket}-other", []),
    }[query]
    answer = exchange(server, wire.request_bytes(method, server.url.removeprefix("http://"), path, pairs, (), document))
    assert answer is None or answer.status in (400, 413), answer
    assert s3.get_object_tagging(Bucket=bucket, Key="kept")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert f"{bucket}-other" not in {b["Name"] for b in s3.list_buckets()["Buckets"]}
    assert len(s3.list_parts(Bucket=bucket, Key=KEY, UploadId=upload)["Parts"]) == 1


@pytest.mark.parametrize("numbers", [(1, 1), (2, 1), (0, 1), (1, 10_001), (1, -1), ("one", 2)], ids=str)
def test_parts_out_of_order_twice_or_out_of_bounds_complete_nothing(server, s3, bucket, numbers):
    upload, document = start_upload(s3, bucket, KEY, [BODY, BODY])
    etag = document["Parts"][0]["ETag"]
    xml = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n in numbers)
    body = f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>".encode()
    answer = wire.request(server, "POST", f"/{bucket}/{KEY}", [("uploadId", upload)], (), body)
    assert (answer.status, answer.code) in ((400, "InvalidPartOrder"), (400, "MalformedXML"), (400, "InvalidPart"), (400, "InvalidArgument"))

"""Multipart uploads: parts, rules of completion, listings, part copies."""

import hashlib

import pytest

from harness.boto import OK, PART_BYTES_MIN, body, keys, multipart, start_upload, verdict

A, B = b"a" * PART_BYTES_MIN, b"b" * PART_BYTES_MIN


def etag_of(*parts):
    digests = b"".join(hashlib.md5(p).digest() for p in parts)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


def complete(s3, bucket, upload, document, key="k"):
    return verdict(s3.complete_multipart_upload, Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=document)


def test_parts_become_one_object(s3, bucket):
    upload, document = start_upload(s3, bucket, "k", [A, B, b"tail"], Metadata={"m": "1"})
    assert keys(s3, bucket) == []
    answer = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=document)
    assert answer["ETag"] == etag_of(A, B, b"tail")
    assert (answer["Bucket"], answer["Key"]) == (bucket, "k")
    assert body(s3, bucket, "k") == A + B + b"tail"
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"m": "1"}
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_only_named_parts_count_and_numbers_may_have_gaps(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etags = {n: s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=n, Body=data)["ETag"]
             for n, data in ((3, A), (7, B), (10_000, b"tail"))}
    document = {"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in (3, 10_000)]}
    assert complete(s3, bucket, upload, document) == OK
    assert body(s3, bucket, "k") == A + b"tail"


def test_a_part_sent_again_replaces_the_first(s3, bucket):
    upload, document = start_upload(s3, bucket, "k", [A])
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=B)["ETag"]
    assert complete(s3, bucket, upload, document)[:2] == (400, "InvalidPart")
    assert complete(s3, bucket, upload, {"Parts": [{"PartNumber": 1, "ETag": etag}]}) == OK
    assert body(s3, bucket, "k") == B


@pytest.mark.parametrize(("change", "code"), [
    (lambda parts: parts[::-1], "InvalidPartOrder"),
    (lambda parts: [parts[0], parts[0]], "InvalidPartOrder"),
    (lambda parts: [parts[0] | {"ETag": '"0000"'}, parts[1]], "InvalidPart"),
    (lambda parts: [parts[0], {"PartNumber": 9, "ETag": parts[1]["ETag"]}], "InvalidPart"),
    (lambda parts: [], "MalformedXML"),
], ids=["order", "twice", "etag", "missing", "none"])
def test_a_document_that_is_wrong_completes_nothing(s3, bucket, change, code):
    upload, document = start_upload(s3, bucket, "k", [A, b"tail"])
    assert complete(s3, bucket, upload, {"Parts": change([dict(p) for p in document["Parts"]])})[:2] == (400, code)
    assert keys(s3, bucket) == []
    assert complete(s3, bucket, upload, document) == OK


def test_a_part_that_is_too_small_is_refused_but_for_the_last(s3, bucket):
    upload, document = start_upload(s3, bucket, "k", [b"small", b"last"])
    assert complete(s3, bucket, upload, document)[:2] == (400, "EntityTooSmall")


@pytest.mark.parametrize("number", [0, 10_001, -1])
def test_part_numbers_have_bounds(s3, bucket, number):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    assert verdict(s3.upload_part, Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=b"x")[:2] == (400, "InvalidArgument")


def test_an_aborted_upload_is_gone(s3, bucket):
    upload, document = start_upload(s3, bucket, "k", [A])
    assert verdict(s3.abort_multipart_upload, Bucket=bucket, Key="k", UploadId=upload)[0] == 204
    gone = (404, "NoSuchUpload")
    assert complete(s3, bucket, upload, document)[:2] == gone
    assert verdict(s3.upload_part, Bucket=bucket, Key="k", UploadId=upload, PartNumber=2, Body=b"x")[:2] == gone
    assert verdict(s3.list_parts, Bucket=bucket, Key="k", UploadId=upload)[:2] == gone
    assert verdict(s3.list_parts, Bucket=bucket, Key="k", UploadId="never-was")[:2] == gone


def test_an_upload_belongs_to_its_key(s3, bucket):
    upload, document = start_upload(s3, bucket, "k", [A])
    assert complete(s3, bucket, upload, document, key="other")[:2] == (404, "NoSuchUpload")
    assert complete(s3, bucket, upload, document) == OK


def test_uploads_on_one_key_do_not_meet(s3, bucket):
    first, one = start_upload(s3, bucket, "k", [A])
    second, two = start_upload(s3, bucket, "k", [B])
    assert complete(s3, bucket, first, one) == OK
    assert complete(s3, bucket, second, two) == OK
    assert body(s3, bucket, "k") == B


def test_parts_are_listed_in_pages(s3, bucket):
    upload, document = start_upload(s3, bucket, "k", [b"1", b"22", b"333", b"4444", b"55555"])
    seen, marker = [], 0
    while True:
        page = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, MaxParts=2, PartNumberMarker=marker)
        assert len(page["Parts"]) <= 2
        seen += [(p["PartNumber"], p["ETag"], p["Size"]) for p in page["Parts"]]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert seen == [(p["PartNumber"], p["ETag"], p["PartNumber"]) for p in document["Parts"]]


def test_uploads_are_listed_in_pages_and_by_prefix(s3, bucket):
    uploads = {(k, s3.create_multipart_upload(Bucket=bucket, Key=k)["UploadId"]) for k in ("a/1", "a/1", "a/2", "b/1", "c")}
    seen, markers = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        seen += [(u["Key"], u["UploadId"]) for u in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert len(seen) == 5 and set(seen) == uploads
    assert [k for k, _ in seen] == ["a/1", "a/1", "a/2", "b/1", "c"]
    assert {u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")["Uploads"]} == {"a/1", "a/2"}
    folded = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in folded["CommonPrefixes"]] == ["a/", "b/"]
    assert [u["Key"] for u in folded["Uploads"]] == ["c"]


def test_parts_can_be_copied_whole_and_in_ranges(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=A + b"0123456789")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    arguments = {"Bucket": bucket, "Key": "k", "UploadId": upload, "CopySource": f"{bucket}/source"}
    parts = [s3.upload_part_copy(**arguments, PartNumber=1)["CopyPartResult"],
             s3.upload_part_copy(**arguments, PartNumber=2, CopySourceRange=f"bytes={PART_BYTES_MIN + 2}-{PART_BYTES_MIN + 5}")["CopyPartResult"]]
    document = {"Parts": [{"PartNumber": n, "ETag": p["ETag"]} for n, p in enumerate(parts, 1)]}
    assert complete(s3, bucket, upload, document) == OK
    assert body(s3, bucket, "k") == A + b"0123456789" + b"2345"


@pytest.mark.parametrize("asked", ["bytes=0-999", "bytes=5-", "bytes=-5", "bytes=7-3", "0-3"])
def test_a_part_copy_range_must_lie_within_the_source(s3, bucket, asked):
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    status, code, _ = verdict(s3.upload_part_copy, Bucket=bucket, Key="k", UploadId=upload, PartNumber=1,
                              CopySource=f"{bucket}/source", CopySourceRange=asked)
    assert (status, code) in ((400, "InvalidArgument"), (400, "InvalidRequest"), (416, "InvalidRange"))


def test_a_small_source_makes_a_last_part(s3, bucket):
    """obstore and delta-rs copy whole small objects as the one part of an upload."""
    s3.put_object(Bucket=bucket, Key="source", Body=b"small")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part_copy(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/source")["CopyPartResult"]
    arguments = {"Bucket": bucket, "Key": "k", "UploadId": upload, "IfNoneMatch": "*",
                 "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}}
    assert verdict(s3.complete_multipart_upload, **arguments) == OK
    assert body(s3, bucket, "k") == b"small"


def test_a_multipart_object_can_be_overwritten_and_deleted(s3, bucket):
    multipart(s3, bucket, "k", [A, B])
    s3.put_object(Bucket=bucket, Key="k", Body=b"plain")
    assert body(s3, bucket, "k") == b"plain"
    multipart(s3, bucket, "k", [A, B])
    s3.delete_object(Bucket=bucket, Key="k")
    assert keys(s3, bucket) == []

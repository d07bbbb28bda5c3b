"""Contract section 2: every row of the write table, on each of the four operations that may carry a condition.

Each refusal is also checked to have changed nothing that a client can see.
"""

import uuid
from datetime import timedelta

import pytest

from harness import wire
from harness.boto import OK, body, http_date, last_modified, multipart, sending, snapshot, start_upload, verdict

KEY = "models/current"
OLD, NEW = b"the old object", b"the new object"
ABSENT, PRESENT = False, True
INVALID = (400, "InvalidRequest", None)
NO_SUCH_KEY = (404, "NoSuchKey", None)
OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'


def failed(condition):
    return 412, "PreconditionFailed", condition


def put(s3, bucket):
    return lambda: s3.put_object(Bucket=bucket, Key=KEY, Body=NEW)


def complete(s3, bucket):
    upload, document = start_upload(s3, bucket, KEY, [NEW])
    return lambda: s3.complete_multipart_upload(Bucket=bucket, Key=KEY, UploadId=upload, MultipartUpload=document)


def copy(s3, bucket):
    source = source_of(s3, bucket)
    return lambda: s3.copy_object(Bucket=bucket, Key=KEY, CopySource={"Bucket": bucket, "Key": source})


def rename(s3, bucket):
    source = source_of(s3, bucket)
    return lambda: s3.rename_object(Bucket=bucket, Key=KEY, RenameSource=source)


def source_of(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=NEW, Metadata={"made": "by the test"})
    return "source"


OPERATIONS = [put, complete, copy, rename]

# what is sent ({etag} is the current ETag, {bare} the same without quotes), the answer when absent, the answer when present
ROWS = [
    ({}, OK, OK),
    ({"If-None-Match": "*"}, OK, failed("If-None-Match")),
    ({"If-None-Match": '"*"'}, INVALID, INVALID),
    ({"If-None-Match": "{etag}"}, INVALID, INVALID),
    ({"If-None-Match": OTHER_ETAG}, INVALID, INVALID),
    ({"If-None-Match": "{etag}, " + OTHER_ETAG}, INVALID, INVALID),
    ({"If-None-Match": "*, *"}, INVALID, INVALID),
    ({"If-None-Match": "W/{etag}"}, INVALID, INVALID),
    ({"If-Match": "{etag}"}, NO_SUCH_KEY, OK),
    ({"If-Match": "{bare}"}, NO_SUCH_KEY, OK),
    ({"If-Match": OTHER_ETAG}, NO_SUCH_KEY, failed("If-Match")),
    ({"If-Match": "*"}, NO_SUCH_KEY, OK),
    ({"If-Match": "W/{etag}"}, INVALID, INVALID),
    ({"If-Match": "{etag}, " + OTHER_ETAG}, INVALID, INVALID),
    ({"If-Match": "{etag}", "If-None-Match": "*"}, INVALID, INVALID),
    ({"If-Match": "*", "If-None-Match": "*"}, INVALID, INVALID),
    ({"If-Match": ""}, INVALID, INVALID),
    ({"If-None-Match": ""}, INVALID, INVALID),
    ({"x-holdfast-if-generation-match": "0"}, OK, failed("x-holdfast-if-generation-match")),
    ({"x-holdfast-if-generation-match": "{generation}"}, NO_SUCH_KEY, OK),
    ({"x-holdfast-if-generation-match": "99999999"}, NO_SUCH_KEY, failed("x-holdfast-if-generation-match")),
    ({"x-holdfast-if-generation-match": "one"}, (400, "InvalidArgument", None), (400, "InvalidArgument", None)),
]


def current_of(s3, bucket, state):
    """Brings the key to its state; returns what placeholders of a row stand for."""
    if state is ABSENT:
        return {"etag": OTHER_ETAG, "bare": OTHER_ETAG.strip('"'), "generation": "7"}
    answer = s3.put_object(Bucket=bucket, Key=KEY, Body=OLD, Metadata={"kept": "as it was"}, Tagging="a=b")
    return {"etag": answer["ETag"], "bare": answer["ETag"].strip('"'),
            "generation": answer["ResponseMetadata"]["HTTPHeaders"].get("x-holdfast-generation", "missing")}


@pytest.mark.parametrize("state", [ABSENT, PRESENT], ids=["absent", "present"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: " + ".join(f"{n}={v}" for n, v in row[0].items()) or "no condition")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.__name__)
def test_a_write_follows_its_row_and_a_refusal_changes_nothing(s3, bucket, operation, row, state):
    conditions, *expected = row
    current = current_of(s3, bucket, state)
    attempt = operation(s3, bucket)
    before = snapshot(s3, bucket)
    with sending(s3, {n: v.format(**current) for n, v in conditions.items()}):
        got = verdict(attempt)
    assert got == expected[state]
    if got == OK:
        assert body(s3, bucket, KEY) == NEW
    else:
        assert snapshot(s3, bucket) == before


@pytest.mark.parametrize("twice", [("If-None-Match", "*"), ("If-Match", OTHER_ETAG), ("If-Match", "*")], ids=str)
@pytest.mark.parametrize("operation", ["put", "copy", "rename", "complete"])
def test_a_condition_given_twice_is_refused(s3, server, bucket, operation, twice):
    s3.put_object(Bucket=bucket, Key="source", Body=NEW)
    upload, document = start_upload(s3, bucket, KEY, [NEW])
    method, query, headers, payload = {
        "put": ("PUT", [], [], NEW),
        "copy": ("PUT", [], [("x-amz-copy-source", f"{bucket}/source")], b""),
        "rename": ("PUT", [("renameObject", "")], [("x-amz-rename-source", "source")], b""),
        "complete": ("POST", [("uploadId", upload)], [], complete_xml(document)),
    }[operation]
    before = snapshot(s3, bucket)
    answer = wire.request(server, method, f"/{bucket}/{KEY}", query, [*headers, twice, twice], payload)
    assert answer.verdict == INVALID
    assert snapshot(s3, bucket) == before


def complete_xml(document):
    parts = "".join(f"<Part><PartNumber>{p['PartNumber']}</PartNumber><ETag>{p['ETag']}</ETag></Part>" for p in document["Parts"])
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


@pytest.mark.parametrize("state", [ABSENT, PRESENT], ids=["absent", "present"])
@pytest.mark.parametrize("operation", ["put_object", "complete_multipart_upload", "copy_object"])
def test_the_arguments_of_boto3_are_the_headers(s3, bucket, operation, state):
    """IfNoneMatch and IfMatch as users write them, with the ETag exactly as boto3 returned it."""
    current = current_of(s3, bucket, state)
    s3.put_object(Bucket=bucket, Key="source", Body=NEW)
    arguments = {"Bucket": bucket, "Key": KEY}
    if operation == "put_object":
        arguments["Body"] = NEW
    elif operation == "copy_object":
        arguments["CopySource"] = f"{bucket}/source"
    else:
        arguments["UploadId"], arguments["MultipartUpload"] = start_upload(s3, bucket, KEY, [NEW])
    call = getattr(s3, operation)
    assert verdict(call, **arguments, IfMatch=OTHER_ETAG) == (failed("If-Match") if state else NO_SUCH_KEY)
    if state is PRESENT:
        assert verdict(call, **arguments, IfNoneMatch="*") == failed("If-None-Match")
        assert verdict(call, **arguments, IfMatch=current["etag"]) == OK
    else:
        assert verdict(call, **arguments, IfNoneMatch="*") == OK


def test_a_refused_complete_can_be_completed_later_or_aborted(s3, bucket):
    s3.put_object(Bucket=bucket, Key=KEY, Body=OLD)
    upload, document = start_upload(s3, bucket, KEY, [NEW])
    arguments = {"Bucket": bucket, "Key": KEY, "UploadId": upload, "MultipartUpload": document}
    assert verdict(s3.complete_multipart_upload, **arguments, IfNoneMatch="*") == failed("If-None-Match")
    assert verdict(s3.complete_multipart_upload, **arguments, IfMatch=OTHER_ETAG) == failed("If-Match")
    assert [p["PartNumber"] for p in s3.list_parts(Bucket=bucket, Key=KEY, UploadId=upload)["Parts"]] == [1]
    assert verdict(s3.complete_multipart_upload, **arguments) == OK
    second, _ = start_upload(s3, bucket, KEY, [NEW])
    assert s3.abort_multipart_upload(Bucket=bucket, Key=KEY, UploadId=second)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert body(s3, bucket, KEY) == NEW


def test_replaying_a_complete_that_succeeded_gives_the_first_answer(s3, bucket):
    upload, document = start_upload(s3, bucket, KEY, [NEW])
    arguments = {"Bucket": bucket, "Key": KEY, "UploadId": upload, "MultipartUpload": document, "IfNoneMatch": "*"}
    first = s3.complete_multipart_upload(**arguments)
    assert s3.complete_multipart_upload(**arguments)["ETag"] == first["ETag"]
    s3.put_object(Bucket=bucket, Key=KEY, Body=OLD)
    assert s3.complete_multipart_upload(**arguments)["ETag"] == first["ETag"]
    assert body(s3, bucket, KEY) == OLD


SOURCE_ROWS = [
    ("if-match", "{etag}", True),
    ("if-match", "{bare}", True),
    ("if-match", OTHER_ETAG, False),
    ("if-none-match", OTHER_ETAG, True),
    ("if-none-match", "{etag}", False),
    ("if-modified-since", "{before}", True),
    ("if-modified-since", "{at}", False),
    ("if-modified-since", "{future}", True),
    ("if-unmodified-since", "{at}", True),
    ("if-unmodified-since", "{before}", False),
]


def source_values(s3, bucket, key):
    at = last_modified(s3, bucket, key)
    etag = s3.head_object(Bucket=bucket, Key=key)["ETag"]
    return {"etag": etag, "bare": etag.strip('"'), "at": http_date(at), "before": http_date(at - timedelta(seconds=1)),
            "future": http_date(at + timedelta(days=1))}


def copy_part(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]
    return lambda: s3.upload_part_copy(Bucket=bucket, Key=KEY, UploadId=upload, PartNumber=1, CopySource=f"{bucket}/source")


@pytest.mark.parametrize("row", SOURCE_ROWS, ids=lambda row: "=".join(row[:2]))
@pytest.mark.parametrize(
    ("operation", "prefix"), [(copy, "x-amz-copy-source-"), (copy_part, "x-amz-copy-source-"), (rename, "x-amz-rename-source-")],
    ids=["copy", "copy_part", "rename"])
def test_conditions_on_the_source(s3, bucket, operation, prefix, row):
    name, value, holds = row
    source_of(s3, bucket)
    values = source_values(s3, bucket, "source")
    s3.put_object(Bucket=bucket, Key=KEY, Body=OLD)
    attempt = operation(s3, bucket) if operation is copy_part else renewed(operation, s3, bucket, values)
    before = snapshot(s3, bucket)
    with sending(s3, {prefix + name: value.format(**values)}):
        status, code, condition = verdict(attempt)
    if holds:
        assert (status, code) == (200, None)
    else:
        assert (status, code, condition.lower()) == (412, "PreconditionFailed", prefix + name)
        assert snapshot(s3, bucket) == before


def renewed(operation, s3, bucket, values):
    """The operation makes its source anew: its dates must be those of the new one."""
    attempt = operation(s3, bucket)
    values.update(source_values(s3, bucket, "source"))
    return attempt


@pytest.mark.parametrize(("pair", "holds"), [
    ({"if-match": "{etag}", "if-unmodified-since": "{before}"}, True),
    ({"if-none-match": OTHER_ETAG, "if-modified-since": "{at}"}, True),
    ({"if-none-match": "{etag}", "if-modified-since": "{before}"}, False),
    ({"if-match": OTHER_ETAG, "if-unmodified-since": "{at}"}, False),
], ids=str)
@pytest.mark.parametrize(("operation", "prefix"), [(copy, "x-amz-copy-source-"), (rename, "x-amz-rename-source-")], ids=["copy", "rename"])
def test_tags_outweigh_dates_on_the_source(s3, bucket, operation, prefix, pair, holds):
    attempt = operation(s3, bucket)
    values = source_values(s3, bucket, "source")
    with sending(s3, {prefix + n: v.format(**values) for n, v in pair.items()}):
        assert verdict(attempt)[0] == (200 if holds else 412)


@pytest.mark.parametrize("operation", [copy, copy_part, rename], ids=lambda o: o.__name__)
def test_a_missing_source_is_404(s3, bucket, operation):
    attempt = operation(s3, bucket)
    s3.delete_object(Bucket=bucket, Key="source")
    assert verdict(attempt)[:2] == (404, "NoSuchKey")


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match", "x-holdfast-if-generation-match"])
def test_a_condition_on_an_operation_without_conditions_is_refused(s3, bucket, header):
    """A condition on a write is never ignored."""
    s3.put_object(Bucket=bucket, Key=KEY, Body=OLD)
    upload, _ = start_upload(s3, bucket, KEY, [NEW])
    value = "0" if header.startswith("x-") else "*"
    before = snapshot(s3, bucket)
    tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
    for call, arguments in [
        (s3.create_multipart_upload, {"Key": KEY}),
        (s3.upload_part, {"Key": KEY, "UploadId": upload, "PartNumber": 2, "Body": b"x"}),
        (s3.upload_part_copy, {"Key": KEY, "UploadId": upload, "PartNumber": 2, "CopySource": f"{bucket}/{KEY}"}),
        (s3.put_object_tagging, {"Key": KEY, "Tagging": tags}),
        (s3.delete_object_tagging, {"Key": KEY}),
        (s3.put_bucket_tagging, {"Tagging": tags}),
        (s3.delete_objects, {"Delete": {"Objects": [{"Key": KEY}]}}),
    ]:
        with sending(s3, {header: value}):
            assert verdict(call, Bucket=bucket, **arguments)[:2] == (400, "InvalidRequest"), call
    with sending(s3, {header: value}):
        assert verdict(s3.delete_bucket, Bucket=bucket)[:2] == (400, "InvalidRequest")
        assert verdict(s3.create_bucket, Bucket=f"new-{uuid.uuid4()}")[:2] == (400, "InvalidRequest")
    assert snapshot(s3, bucket) == before


def test_generations_grow_also_across_a_delete(s3, bucket):
    seen = []
    for write in (
        lambda: s3.put_object(Bucket=bucket, Key=KEY, Body=OLD),
        lambda: s3.put_object(Bucket=bucket, Key=KEY, Body=OLD),
        lambda: s3.delete_object(Bucket=bucket, Key=KEY) and s3.put_object(Bucket=bucket, Key=KEY, Body=OLD),
        lambda: multipart(s3, bucket, KEY, [OLD]),
        lambda: copy(s3, bucket)(),
    ):
        write()
        answer = s3.head_object(Bucket=bucket, Key=KEY)
        seen.append(int(answer["ResponseMetadata"]["HTTPHeaders"]["x-holdfast-generation"]))
    assert seen == sorted(set(seen))
    for wanted, expected in ((seen[0], 412), (seen[-1], 200), (seen[-1], 412)):
        with sending(s3, {"x-holdfast-if-generation-match": str(wanted)}):
            assert verdict(s3.put_object, Bucket=bucket, Key=KEY, Body=OLD)[0] == expected

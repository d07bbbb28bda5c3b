"""Contract section 6: a conditional write whose answer was lost, sent again by the SDK, gets the first answer."""

import pytest

from harness import boto, wire
from harness.boto import body, keys, start_upload, verdict
from harness.lossy import LossyProxy

KEY = "checkpoint/000017"


@pytest.fixture(scope="module")
def proxy(server):
    with LossyProxy(server) as proxy:
        yield proxy


@pytest.fixture
def through(proxy):
    """boto3 with its default retries, talking through the proxy."""
    return boto.client(proxy.url)


def prepared(s3, bucket, operation):
    """The conditional write as (name of the call, arguments), ready but for being sent."""
    arguments = {"Bucket": bucket, "Key": KEY}
    if operation == "put":
        return "put_object", arguments | {"Body": b"the winner's bytes"}
    if operation == "complete":
        upload, document = start_upload(s3, bucket, KEY, [b"the winner's bytes"])
        return "complete_multipart_upload", arguments | {"UploadId": upload, "MultipartUpload": document}
    s3.put_object(Bucket=bucket, Key="source", Body=b"the winner's bytes")
    if operation == "copy":
        return "copy_object", arguments | {"CopySource": f"{bucket}/source"}
    return "rename_object", arguments | {"RenameSource": "source"}


def created(operation):
    return {"DestinationIfNoneMatch": "*"} if operation == "rename" else {"IfNoneMatch": "*"}


def matching(operation, etag):
    return {"DestinationIfMatch": etag} if operation == "rename" else {"IfMatch": etag}


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
@pytest.mark.parametrize("operation", ["put", "complete", "copy", "rename"])
def test_the_retry_of_a_lost_success_is_the_success(s3, bucket, proxy, through, operation, condition):
    if condition == "If-Match":
        given = matching(operation, s3.put_object(Bucket=bucket, Key=KEY, Body=b"before")["ETag"])
    else:
        given = created(operation)
    call, arguments = prepared(s3, bucket, operation)
    proxy.lose_next()
    answer = getattr(through, call)(**arguments, **given)
    assert proxy.lost == 1
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    current = s3.head_object(Bucket=bucket, Key=KEY)["ETag"]
    if operation != "rename":
        assert (answer.get("ETag") or answer["CopyObjectResult"]["ETag"]) == current
    assert body(s3, bucket, KEY) == b"the winner's bytes"
    assert ("source" in keys(s3, bucket)) == (operation == "copy")


@pytest.mark.parametrize("operation", ["put", "copy", "rename"])
def test_the_retry_of_a_lost_refusal_is_the_refusal(s3, bucket, proxy, through, operation):
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"the rival's bytes")
    call, arguments = prepared(s3, bucket, operation)
    proxy.lose_next()
    assert verdict(getattr(through, call), **arguments, **created(operation))[:2] == (412, "PreconditionFailed")
    assert proxy.lost == 1
    assert body(s3, bucket, KEY) == b"the rival's bytes"


def test_a_lost_conditional_delete_of_an_etag_is_404_on_retry(s3, bucket, proxy, through):
    """A delete leaves no record to remember it by; NoSuchKey says truthfully that the object is gone."""
    etag = s3.put_object(Bucket=bucket, Key=KEY, Body=b"x")["ETag"]
    proxy.lose_next()
    assert verdict(through.delete_object, Bucket=bucket, Key=KEY, IfMatch=etag)[0] in (204, 404)
    assert keys(s3, bucket) == []


def test_only_the_same_invocation_and_payload_get_the_first_answer(server, bucket):
    def put(body, invocation, attempt, key=KEY, condition=("if-none-match", "*")):
        headers = [condition] if condition else []
        if invocation:
            headers += [("amz-sdk-invocation-id", invocation), ("amz-sdk-request", f"attempt={attempt}; max=3")]
        return wire.request(server, "PUT", f"/{bucket}/{key}", (), headers, body)

    first = put(b"mine", "one", 1)
    assert first.status == 200
    again = put(b"mine", "one", 2)
    assert (again.status, again.headers["etag"]) == (200, first.headers["etag"])
    assert put(b"other payload", "one", 2).status == 412
    assert put(b"mine", "two", 2).status == 412
    assert put(b"mine", None, 1).status == 412
    assert put(b"mine", "one", 3, condition=("if-match", '"0123456789abcdef0123456789abcdef"')).status in (200, 412)
    assert put(b"overwritten", None, 1, condition=None).status == 200
    assert put(b"mine", "one", 2).status == 412


def test_another_operation_with_the_same_invocation_is_refused(server, s3, bucket):
    marks = [("if-none-match", "*"), ("amz-sdk-invocation-id", "one"), ("amz-sdk-request", "attempt=2; max=3")]
    assert wire.request(server, "PUT", f"/{bucket}/{KEY}", (), marks, b"mine").status == 200
    s3.put_object(Bucket=bucket, Key="source", Body=b"mine")
    assert wire.request(server, "PUT", f"/{bucket}/{KEY}", (), [("x-amz-copy-source", f"{bucket}/source"), *marks]).status == 412
    assert body(s3, bucket, KEY) == b"mine"

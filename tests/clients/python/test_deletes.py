"""Contract section 4: deletes, with and without conditions, one key and many."""

from datetime import timedelta

import pytest

from harness.boto import body, http_date, keys, last_modified, sending, snapshot, verdict

KEY = "old/logs"
OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'
GONE = (204, None, None)
NO_SUCH_KEY = (404, "NoSuchKey", None)


def failed(condition):
    return 412, "PreconditionFailed", condition


ROWS = [
    ({}, GONE, GONE),
    ({"If-Match": "{etag}"}, NO_SUCH_KEY, GONE),
    ({"If-Match": "{bare}"}, NO_SUCH_KEY, GONE),
    ({"If-Match": "*"}, NO_SUCH_KEY, GONE),
    ({"If-Match": OTHER_ETAG}, NO_SUCH_KEY, failed("If-Match")),
    ({"x-amz-if-match-size": "5"}, NO_SUCH_KEY, GONE),
    ({"x-amz-if-match-size": "6"}, NO_SUCH_KEY, failed("x-amz-if-match-size")),
    ({"x-amz-if-match-last-modified-time": "{at}"}, NO_SUCH_KEY, GONE),
    ({"x-amz-if-match-last-modified-time": "{before}"}, NO_SUCH_KEY, failed("x-amz-if-match-last-modified-time")),
    ({"If-Match": "{etag}", "x-amz-if-match-size": "6"}, NO_SUCH_KEY, failed("x-amz-if-match-size")),
    ({"x-holdfast-if-generation-match": "{generation}"}, NO_SUCH_KEY, GONE),
    ({"x-holdfast-if-generation-match": "99999999"}, NO_SUCH_KEY, failed("x-holdfast-if-generation-match")),
    ({"If-None-Match": "*"}, (400, "InvalidRequest", None), (400, "InvalidRequest", None)),
]


@pytest.mark.parametrize("present", [False, True], ids=["absent", "present"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: " + ".join(f"{n}={v}" for n, v in row[0].items()) or "no condition")
def test_a_delete_follows_its_row_and_a_refusal_changes_nothing(s3, bucket, row, present):
    conditions, *expected = row
    answer = s3.put_object(Bucket=bucket, Key=KEY, Body=b"12345", Metadata={"a": "b"}, Tagging="t=v")
    at = last_modified(s3, bucket, KEY)
    values = {"etag": answer["ETag"], "bare": answer["ETag"].strip('"'), "at": http_date(at),
              "before": http_date(at - timedelta(seconds=1)),
              "generation": answer["ResponseMetadata"]["HTTPHeaders"].get("x-holdfast-generation", "missing")}
    if not present:
        s3.delete_object(Bucket=bucket, Key=KEY)
    before = snapshot(s3, bucket)
    with sending(s3, {n: v.format(**values) for n, v in conditions.items()}):
        got = verdict(s3.delete_object, Bucket=bucket, Key=KEY)
    assert got == expected[present]
    if got == GONE:
        assert keys(s3, bucket) == []
    else:
        assert snapshot(s3, bucket) == before


def test_the_arguments_of_boto3_are_the_headers(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key=KEY, Body=b"12345")["ETag"]
    at = last_modified(s3, bucket, KEY)
    assert verdict(s3.delete_object, Bucket=bucket, Key=KEY, IfMatch=OTHER_ETAG) == failed("If-Match")
    assert verdict(s3.delete_object, Bucket=bucket, Key=KEY, IfMatchSize=4)[0] == 412
    assert verdict(s3.delete_object, Bucket=bucket, Key=KEY, IfMatchLastModifiedTime=at - timedelta(days=1))[0] == 412
    assert verdict(s3.delete_object, Bucket=bucket, Key=KEY, IfMatch=etag, IfMatchSize=5, IfMatchLastModifiedTime=at) == GONE


def test_delete_objects_judges_each_key_by_itself(s3, bucket):
    etags = {k: s3.put_object(Bucket=bucket, Key=k, Body=k.encode())["ETag"] for k in ("right", "wrong", "size", "time", "free", "wrong-size")}
    at = last_modified(s3, bucket, "time")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": "right", "ETag": etags["right"]},
        {"Key": "wrong", "ETag": OTHER_ETAG},
        {"Key": "size", "Size": 4},
        {"Key": "wrong-size", "Size": 99},
        {"Key": "time", "LastModifiedTime": at},
        {"Key": "free"},
        {"Key": "absent"},
        {"Key": "absent-too", "ETag": OTHER_ETAG},
    ]})
    assert {d["Key"] for d in answer["Deleted"]} == {"right", "size", "time", "free", "absent"}
    assert {e["Key"]: e["Code"] for e in answer["Errors"]} == {
        "wrong": "PreconditionFailed", "wrong-size": "PreconditionFailed", "absent-too": "NoSuchKey"}
    assert keys(s3, bucket) == ["wrong", "wrong-size"]
    assert body(s3, bucket, "wrong") == b"wrong"


def test_delete_objects_quiet_answers_errors_only(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": "a"}, {"Key": "b", "ETag": OTHER_ETAG}]})
    assert "Deleted" not in answer
    assert [e["Key"] for e in answer["Errors"]] == ["b"]


def test_a_thousand_keys_go_in_one_request_and_no_more(s3, bucket):
    objects = [{"Key": f"k{n}"} for n in range(1001)]
    for each in objects[:20]:
        s3.put_object(Bucket=bucket, Key=each["Key"], Body=b"")
    assert verdict(s3.delete_objects, Bucket=bucket, Delete={"Objects": objects})[:2] == (400, "MalformedXML")
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": objects[:1000]})["Deleted"]) == 1000
    assert keys(s3, bucket) == []

"""CopyObject and RenameObject beyond their conditions: directives, sources as clients spell them, replays."""

from datetime import timedelta
from urllib.parse import quote, quote_plus

import pytest

from harness import wire
from harness.boto import OK, PART_BYTES_MIN, body, http_date, keys, last_modified, multipart, new_bucket, sending, snapshot, verdict

ODD_KEY = "dir//with space/plus+percent%25/ümlaut-🦀"


def put(s3, bucket, key="source", data=b"data"):
    return s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata={"m": "1"}, ContentType="text/x-source", Tagging="t=1")


def described(s3, bucket, key):
    head = s3.head_object(Bucket=bucket, Key=key)
    return head["Metadata"], head["ContentType"], s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]


def test_copy_keeps_metadata_and_tags_unless_told_to_replace(s3, bucket):
    etag = put(s3, bucket)["ETag"]
    answer = s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "source"})
    assert answer["CopyObjectResult"]["ETag"] == etag
    assert described(s3, bucket, "copied") == ({"m": "1"}, "text/x-source", [{"Key": "t", "Value": "1"}])
    s3.copy_object(Bucket=bucket, Key="copied", CopySource=f"{bucket}/source", MetadataDirective="REPLACE", Metadata={"n": "2"},
                   ContentType="text/x-new", TaggingDirective="REPLACE", Tagging="u=2")
    assert described(s3, bucket, "copied") == ({"n": "2"}, "text/x-new", [{"Key": "u", "Value": "2"}])
    assert body(s3, bucket, "copied") == b"data"


def test_copy_onto_itself_must_change_something(s3, bucket):
    put(s3, bucket)
    arguments = {"Bucket": bucket, "Key": "source", "CopySource": f"{bucket}/source"}
    before = snapshot(s3, bucket)
    assert verdict(s3.copy_object, **arguments)[:2] == (400, "InvalidRequest")
    assert snapshot(s3, bucket) == before
    assert verdict(s3.copy_object, **arguments, MetadataDirective="REPLACE", Metadata={"n": "2"}) == OK
    assert described(s3, bucket, "source")[0] == {"n": "2"}
    assert verdict(s3.copy_object, **arguments, MetadataDirective="REPLACE", IfNoneMatch="*") == (412, "PreconditionFailed", "If-None-Match")


def test_copies_outlive_their_source(s3, bucket):
    multipart(s3, bucket, "source", [b"a" * PART_BYTES_MIN, b"b"])
    other = new_bucket(s3)
    s3.copy_object(Bucket=other, Key="copied", CopySource=f"{bucket}/source")
    s3.delete_object(Bucket=bucket, Key="source")
    assert body(s3, other, "copied") == b"a" * PART_BYTES_MIN + b"b"


@pytest.mark.parametrize("spelled", [
    lambda bucket: quote(f"{bucket}/{ODD_KEY}"),
    lambda bucket: quote(f"/{bucket}/{ODD_KEY}"),
    lambda bucket: quote(f"{bucket}/{ODD_KEY}", safe=""),
    lambda bucket: quote_plus(f"{bucket}/{ODD_KEY}", safe="/"),
], ids=["bucket/key", "/bucket/key", "all-encoded", "form-encoded"])
def test_copy_sources_are_understood_as_clients_spell_them(s3, bucket, spelled):
    """s5cmd form-encodes (a space becomes +); most encode all but the slashes."""
    put(s3, bucket, ODD_KEY)
    with sending(s3, {"x-amz-copy-source": spelled(bucket)}):
        s3.copy_object(Bucket=bucket, Key="copied", CopySource="replaced/above")
    assert body(s3, bucket, "copied") == b"data"


@pytest.mark.parametrize("how", ["key", "bucket/key", "/bucket/key", "encoded"])
def test_rename_moves_everything_and_takes_each_spelling(s3, bucket, how):
    put(s3, bucket, ODD_KEY)
    before = s3.head_object(Bucket=bucket, Key=ODD_KEY)
    source = {"key": quote(ODD_KEY), "bucket/key": quote(f"{bucket}/{ODD_KEY}"), "/bucket/key": quote(f"/{bucket}/{ODD_KEY}"),
              "encoded": quote(ODD_KEY, safe="")}[how]
    assert verdict(s3.rename_object, Bucket=bucket, Key="renamed", RenameSource=source) == OK
    assert keys(s3, bucket) == ["renamed"]
    after = s3.head_object(Bucket=bucket, Key="renamed")
    assert [after[n] for n in ("ETag", "LastModified", "Metadata", "ContentType")] == [
        before[n] for n in ("ETag", "LastModified", "Metadata", "ContentType")]
    assert s3.get_object_tagging(Bucket=bucket, Key="renamed")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert body(s3, bucket, "renamed") == b"data"


def test_a_rename_source_is_a_literal_key_first(s3, bucket):
    put(s3, bucket, f"{bucket}/k", b"literal")
    put(s3, bucket, "k", b"prefixed")
    s3.rename_object(Bucket=bucket, Key="first", RenameSource=f"{bucket}/k")
    s3.rename_object(Bucket=bucket, Key="second", RenameSource=f"{bucket}/k")
    assert (body(s3, bucket, "first"), body(s3, bucket, "second")) == (b"literal", b"prefixed")


def test_rename_replaces_an_existing_destination(s3, bucket):
    put(s3, bucket, "source", b"new")
    put(s3, bucket, "target", b"old")
    assert verdict(s3.rename_object, Bucket=bucket, Key="target", RenameSource="source") == OK
    assert (keys(s3, bucket), body(s3, bucket, "target")) == (["target"], b"new")


def test_rename_moves_multipart_objects(s3, bucket):
    etag = multipart(s3, bucket, "source", [b"a" * PART_BYTES_MIN, b"b"])["ETag"]
    s3.rename_object(Bucket=bucket, Key="target", RenameSource="source")
    assert s3.head_object(Bucket=bucket, Key="target")["ETag"] == etag
    assert len(body(s3, bucket, "target")) == PART_BYTES_MIN + 1


@pytest.mark.parametrize(("source", "answer"), [
    ("target", (400, "InvalidRequest")), ("/elsewhere-of-mine/source", (400, "InvalidRequest")), ("absent", (404, "NoSuchKey")),
    ("", (400, "InvalidArgument")),
])
def test_renames_that_cannot_be(s3, bucket, source, answer):
    put(s3, bucket, "target")
    before = snapshot(s3, bucket)
    with sending(s3, {"x-amz-rename-source": source}):
        assert verdict(s3.rename_object, Bucket=bucket, Key="target", RenameSource="replaced")[:2] == answer
    assert snapshot(s3, bucket) == before


@pytest.mark.parametrize(("arguments", "condition"), [
    ({"DestinationIfNoneMatch": "*"}, "If-None-Match"),
    ({"DestinationIfMatch": '"0000"'}, "If-Match"),
    ({"DestinationIfModifiedSince": "{target}"}, "If-Modified-Since"),
    ({"DestinationIfUnmodifiedSince": "{target-}"}, "If-Unmodified-Since"),
    ({"SourceIfMatch": '"0000"'}, "x-amz-rename-source-if-match"),
    ({"SourceIfNoneMatch": "{etag}"}, "x-amz-rename-source-if-none-match"),
    ({"SourceIfModifiedSince": "{source}"}, "x-amz-rename-source-if-modified-since"),
    ({"SourceIfUnmodifiedSince": "{source-}"}, "x-amz-rename-source-if-unmodified-since"),
], ids=str)
def test_the_conditions_of_rename_as_boto3_names_them(s3, bucket, arguments, condition):
    etag = put(s3, bucket, "source", b"new")["ETag"]
    put(s3, bucket, "target", b"old")
    values = {"{etag}": etag}
    for key in ("source", "target"):
        at = last_modified(s3, bucket, key)
        values |= {f"{{{key}}}": at, f"{{{key}-}}": at - timedelta(seconds=1)}
    before = snapshot(s3, bucket)
    given = {n: values.get(v, v) for n, v in arguments.items()}
    status, code, failed = verdict(s3.rename_object, Bucket=bucket, Key="target", RenameSource="source", **given)
    assert (status, code, failed.lower()) == (412, "PreconditionFailed", condition.lower())
    assert snapshot(s3, bucket) == before


def test_the_conditions_of_rename_let_pass_what_holds(s3, bucket):
    source, target = put(s3, bucket, "source", b"new")["ETag"], put(s3, bucket, "target", b"old")["ETag"]
    at = last_modified(s3, bucket, "target")
    assert verdict(s3.rename_object, Bucket=bucket, Key="target", RenameSource="source", DestinationIfMatch=target,
                   SourceIfMatch=source, DestinationIfUnmodifiedSince=at, SourceIfUnmodifiedSince=at) == OK
    assert verdict(s3.rename_object, Bucket=bucket, Key="fresh", RenameSource="target", DestinationIfNoneMatch="*") == OK
    assert keys(s3, bucket) == ["fresh"]


def test_a_client_token_makes_rename_repeatable(s3, bucket):
    put(s3, bucket, "source", b"first")
    arguments = {"Bucket": bucket, "Key": "target", "RenameSource": "source", "ClientToken": "token-1"}
    assert verdict(s3.rename_object, **arguments) == OK
    assert verdict(s3.rename_object, **arguments) == OK
    put(s3, bucket, "source", b"second")
    assert verdict(s3.rename_object, **arguments) == OK
    assert (body(s3, bucket, "target"), body(s3, bucket, "source")) == (b"first", b"second")
    assert verdict(s3.rename_object, **(arguments | {"Key": "other"}))[:2] == (400, "IdempotencyParameterMismatch")
    assert verdict(s3.rename_object, **(arguments | {"DestinationIfNoneMatch": "*"}))[:2] == (400, "IdempotencyParameterMismatch")
    assert verdict(s3.rename_object, **(arguments | {"ClientToken": "token-2"})) == OK
    assert body(s3, bucket, "target") == b"second"


@pytest.mark.parametrize("token", ["", "x" * 65, "with space", "ümlaut"])
def test_a_client_token_that_is_none_is_refused(server, s3, bucket, token):
    put(s3, bucket)
    answer = wire.request(server, "PUT", f"/{bucket}/target", [("renameObject", "")],
                          [("x-amz-rename-source", "source"), ("x-amz-client-token", token.encode().decode("latin-1"))])
    assert answer.status in (400, 403)
    assert keys(s3, bucket) == ["source"]


def test_a_rename_with_a_body_is_refused(server, s3, bucket):
    put(s3, bucket)
    answer = wire.request(server, "PUT", f"/{bucket}/target", [("renameObject", "")], [("x-amz-rename-source", "source")], b"a body")
    assert answer.status == 400
    assert keys(s3, bucket) == ["source"]


def test_a_put_that_names_renameobject_without_source_is_not_a_put(server, s3, bucket):
    put(s3, bucket, "target")
    before = snapshot(s3, bucket)
    assert wire.request(server, "PUT", f"/{bucket}/target", [("renameObject", "")], []).status == 400
    assert snapshot(s3, bucket) == before


def test_conditions_of_put_that_only_rename_has_are_refused(s3, bucket):
    """If-Unmodified-Since is a condition of RenameObject's destination; PutObject and CopyObject must not ignore it."""
    put(s3, bucket, "target")
    date = http_date(last_modified(s3, bucket, "target") - timedelta(days=1))
    before = snapshot(s3, bucket)
    for name in ("If-Unmodified-Since", "If-Modified-Since"):
        with sending(s3, {name: date}):
            assert verdict(s3.put_object, Bucket=bucket, Key="target", Body=b"x")[:2] == (400, "InvalidRequest")
    assert snapshot(s3, bucket) == before

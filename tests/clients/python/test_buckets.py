"""Buckets: create, head, list, location, tagging, delete."""

import uuid

import pytest
from botocore import UNSIGNED
from botocore.handlers import validate_bucket_name

from harness import boto
from harness.boto import ACCESS_KEY, REGION, header, sending, verdict


def test_a_bucket_lives_from_create_to_delete(s3):
    name = f"bucket-{uuid.uuid4()}"
    assert verdict(s3.head_bucket, Bucket=name)[0] == 404
    assert s3.create_bucket(Bucket=name)["Location"].endswith(name)
    assert verdict(s3.head_bucket, Bucket=name) == (200, None, None)
    listed = {b["Name"]: b["CreationDate"] for b in s3.list_buckets()["Buckets"]}
    assert name in listed
    assert verdict(s3.delete_bucket, Bucket=name)[0] == 204
    assert verdict(s3.head_bucket, Bucket=name)[0] == 404
    assert verdict(s3.delete_bucket, Bucket=name)[:2] == (404, "NoSuchBucket")
    assert name not in {b["Name"] for b in s3.list_buckets()["Buckets"]}


def test_a_location_constraint_is_accepted(s3):
    name = f"bucket-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert verdict(s3.get_bucket_location, Bucket=name) == (200, None, None)


def test_the_location_of_the_default_region_is_empty(s3, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] in (None, REGION)


def test_creating_ones_own_bucket_again_keeps_its_objects(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    assert verdict(s3.create_bucket, Bucket=bucket)[:2] in ((200, None), (409, "BucketAlreadyOwnedByYou"))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


@pytest.mark.parametrize("name", ["UPPER-CASE", "under_score", "-starts", "ends-", "two..dots", "192.168.0.1", "a" * 64, "xn--punny"])
def test_bad_names_are_refused(server, name):
    unchecked = boto.client(server.url, server.ca)
    unchecked.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    assert verdict(unchecked.create_bucket, Bucket=name)[:2] == (400, "InvalidBucketName")


def test_a_bucket_that_is_not_empty_stays(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert verdict(s3.delete_bucket, Bucket=bucket)[:2] == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=bucket, Key="k")
    assert verdict(s3.delete_bucket, Bucket=bucket)[0] == 204


def test_everything_in_a_missing_bucket_is_404(s3):
    name = f"missing-{uuid.uuid4()}"
    for call, arguments in [
        (s3.put_object, {"Key": "k", "Body": b"x"}), (s3.get_object, {"Key": "k"}), (s3.delete_object, {"Key": "k"}),
        (s3.list_objects, {}), (s3.list_objects_v2, {}), (s3.list_multipart_uploads, {}), (s3.get_bucket_location, {}),
        (s3.create_multipart_upload, {"Key": "k"}), (s3.get_bucket_tagging, {}),
        (s3.copy_object, {"Key": "k", "CopySource": f"{name}/k"}), (s3.rename_object, {"Key": "k", "RenameSource": "j"}),
        (s3.delete_objects, {"Delete": {"Objects": [{"Key": "k"}]}}),
    ]:
        assert verdict(call, Bucket=name, **arguments)[:2] == (404, "NoSuchBucket"), call


def test_bucket_tags_round_trip(s3, bucket):
    assert verdict(s3.get_bucket_tagging, Bucket=bucket)[:2] == (404, "NoSuchTagSet")
    tags = [{"Key": "team", "Value": "ml & infra"}, {"Key": "cost", "Value": ""}]
    assert verdict(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": tags})[0] in (200, 204)
    assert sorted(s3.get_bucket_tagging(Bucket=bucket)["TagSet"], key=str) == sorted(tags, key=str)
    assert verdict(s3.delete_bucket_tagging, Bucket=bucket)[0] == 204
    assert verdict(s3.get_bucket_tagging, Bucket=bucket)[:2] == (404, "NoSuchTagSet")


@pytest.mark.parametrize("operation", [
    "get_bucket_policy", "get_bucket_acl", "get_bucket_cors", "get_bucket_lifecycle_configuration",
    "get_bucket_encryption", "get_object_lock_configuration", "get_bucket_replication", "get_bucket_website", "get_bucket_logging",
])
def test_what_is_not_there_says_so(s3, bucket, operation):
    """501 for a sub-resource that Holdfast lacks: never a listing, never an empty success for a write."""
    assert verdict(getattr(s3, operation), Bucket=bucket)[:2] == (501, "NotImplemented")


def test_a_bucket_never_had_versioning(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    enable = {"Status": "Enabled"}
    assert verdict(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=enable)[:2] == (501, "NotImplemented")


def test_an_unimplemented_verb_never_becomes_a_put(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    assert verdict(s3.put_object_acl, Bucket=bucket, Key="k", ACL="private")[:2] == (501, "NotImplemented")
    assert verdict(s3.put_object_retention, Bucket=bucket, Key="k")[0] in (400, 501)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_every_answer_has_a_request_id(s3, bucket):
    assert header(s3.list_objects_v2(Bucket=bucket), "x-amz-request-id")


@pytest.mark.parametrize(("access_key", "code"), [(ACCESS_KEY, "SignatureDoesNotMatch"), ("NOBODYKNOWSTHISKEY00", "InvalidAccessKeyId")])
def test_a_wrong_secret_and_an_unknown_key_are_refused(server, access_key, code):
    assert verdict(boto.client(server.url, server.ca, access_key, "wrong").list_buckets)[:2] == (403, code)


def test_unsigned_requests_are_refused(server, bucket):
    anyone = boto.client(server.url, server.ca, signature_version=UNSIGNED)
    assert verdict(anyone.get_object, Bucket=bucket, Key="k")[:2] == (403, "AccessDenied")
    assert verdict(anyone.put_object, Bucket=bucket, Key="k", Body=b"x")[:2] == (403, "AccessDenied")


def test_a_condition_does_not_hide_in_a_bucket_listing(s3, bucket):
    """Conditions on operations that only read and define none are ignored, as HTTP allows."""
    with sending(s3, {"If-None-Match": "*"}):
        assert verdict(s3.list_objects_v2, Bucket=bucket)[0] == 200

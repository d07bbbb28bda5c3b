"""boto3 as users have it today (default settings), and what tests need around it."""

import uuid
from contextlib import contextmanager
from email.utils import format_datetime, parsedate_to_datetime

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .server import ACCESS_KEY, REGION, SECRET_KEY

OK = (200, None, None)
MIB = 1024 * 1024
PART_BYTES_MIN = 5 * MIB


def client(url, ca=None, access_key=ACCESS_KEY, secret_key=SECRET_KEY, **config):
    """An S3 client with today's default settings, but for what is given."""
    return boto3.client("s3", endpoint_url=url, verify=ca or None, region_name=REGION, aws_access_key_id=access_key,
                        aws_secret_access_key=secret_key, config=Config(**config) if config else None)


def new_bucket(s3):
    name = f"bucket-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return name


@contextmanager
def sending(s3, headers):
    """Adds raw headers to every request of `s3` before it is signed."""

    def add(params, **_):
        params["headers"].update(headers)

    s3.meta.events.register("before-call.s3", add)
    try:
        yield
    finally:
        s3.meta.events.unregister("before-call.s3", add)


def verdict(call, **arguments):
    """(status, S3 code, failed condition) of a call, whether it succeeds or not."""
    try:
        return call(**arguments)["ResponseMetadata"]["HTTPStatusCode"], None, None
    except ClientError as refused:
        error = refused.response["Error"]
        return refused.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error.get("Condition")


def header(answer, name):
    return answer["ResponseMetadata"]["HTTPHeaders"].get(name)


def http_date(moment):
    return format_datetime(moment, usegmt=True)


def last_modified(s3, bucket, key):
    """Last-Modified by the second, as HTTP carries it."""
    return parsedate_to_datetime(header(s3.head_object(Bucket=bucket, Key=key), "last-modified"))


def body(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def keys(s3, bucket, **arguments):
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, **arguments).get("Contents", [])]


def start_upload(s3, bucket, key, parts, **arguments):
    """Creates an upload and its parts; returns (upload id, the document that completes it)."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)["UploadId"]
    algorithm = {n: v for n, v in arguments.items() if n == "ChecksumAlgorithm"}
    sent = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part, **algorithm)
        sent.append({"PartNumber": number, **{k: v for k, v in answer.items() if k == "ETag" or k.startswith("Checksum")}})
        sent[-1].pop("ChecksumType", None)
    return upload, {"Parts": sent}


def multipart(s3, bucket, key, parts, complete=None, **arguments):
    """A whole multipart upload; `complete` are extra arguments of CompleteMultipartUpload."""
    upload, document = start_upload(s3, bucket, key, parts, **arguments)
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=document, **(complete or {}))


def snapshot(s3, bucket):
    """Everything a client can see of a bucket: what a refused request must leave as it was."""
    objects = {}
    for listed in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        key = listed["Key"]
        got = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        seen = {n: v for n, v in got["ResponseMetadata"]["HTTPHeaders"].items()
                if n not in ("date", "connection", "server", "keep-alive") and not n.startswith(("x-amz-id", "x-amz-request-id"))}
        tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        objects[key] = (listed["ETag"], listed["Size"], listed["LastModified"], got["Body"].read(), seen, tags)
    uploads = {}
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        parts = s3.list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts", [])
        uploads[upload["Key"], upload["UploadId"]] = [(p["PartNumber"], p["ETag"], p["Size"], p["LastModified"]) for p in parts]
    return objects, uploads

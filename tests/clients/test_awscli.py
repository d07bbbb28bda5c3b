"""The AWS CLI with its default settings: `aws s3` and `aws s3api`, the conditional calls included."""

import json
import os
import ssl
import urllib.request

import pytest

from harness.boto import MIB
from harness.shell import run

OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'


def aws(*arguments, **options):
    return run("aws", *arguments, **options)


def api(*arguments):
    """`aws s3api`, its JSON answer as a dictionary."""
    out = aws("s3api", *arguments).out
    return json.loads(out) if out.strip() else {}


def refused(*arguments):
    """The error that `aws s3api` prints for a call that must fail."""
    done = aws("s3api", *arguments, check=False)
    assert done.status != 0, f"{arguments} succeeded: {done.out}"
    return done.err


@pytest.fixture
def place(bucket, tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("new")
    return ["--bucket", bucket, "--key", "k"], tmp_path


def test_buckets_are_made_listed_and_removed():
    aws("s3", "mb", "s3://made-by-the-cli")
    assert "made-by-the-cli" in aws("s3", "ls").out
    aws("s3", "rb", "s3://made-by-the-cli")
    assert "made-by-the-cli" not in aws("s3", "ls").out


def test_files_are_copied_moved_listed_and_removed(bucket, tmp_path):
    small, large, back = tmp_path / "small", tmp_path / "large", tmp_path / "back"
    small.write_bytes(b"small")
    large.write_bytes(bytes(range(256)) * 4096 * 30)
    aws("s3", "cp", small, f"s3://{bucket}/dir/small")
    aws("s3", "cp", large, f"s3://{bucket}/dir/large")
    aws("s3", "cp", f"s3://{bucket}/dir/large", f"s3://{bucket}/dir/copied")
    aws("s3", "mv", f"s3://{bucket}/dir/copied", f"s3://{bucket}/dir/moved with space+plus")
    listing = aws("s3", "ls", "--recursive", f"s3://{bucket}/").out
    assert [l.split(None, 3)[2:] for l in listing.splitlines()] == [
        [str(30 * MIB), "dir/large"], [str(30 * MIB), "dir/moved with space+plus"], ["5", "dir/small"]]
    assert "PRE dir/" in aws("s3", "ls", f"s3://{bucket}/").out
    aws("s3", "cp", f"s3://{bucket}/dir/moved with space+plus", back)
    assert back.read_bytes() == large.read_bytes()
    aws("s3", "rm", f"s3://{bucket}/dir/small")
    aws("s3", "rm", "--recursive", f"s3://{bucket}/dir/")
    assert aws("s3", "ls", "--recursive", f"s3://{bucket}/", check=False).out == ""
    aws("s3", "rb", f"s3://{bucket}")


def test_a_stream_is_copied_from_and_to_the_terminal(bucket):
    aws("s3", "cp", "-", f"s3://{bucket}/piped", input="piped text")
    assert aws("s3", "cp", f"s3://{bucket}/piped", "-").out == "piped text"


def test_sync_goes_up_down_and_deletes(bucket, tmp_path):
    up, down = tmp_path / "up", tmp_path / "down"
    for n in range(40):
        path = up / f"d{n % 4}" / f"file {n}+ü"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content {n}")
    aws("s3", "sync", up, f"s3://{bucket}/tree")
    assert aws("s3", "sync", up, f"s3://{bucket}/tree").out == ""
    aws("s3", "sync", f"s3://{bucket}/tree", down)
    names = sorted(p.relative_to(up) for p in up.rglob("*") if p.is_file())
    assert sorted(p.relative_to(down) for p in down.rglob("*") if p.is_file()) == names
    assert all((down / n).read_text() == (up / n).read_text() for n in names)
    (up / names[0]).unlink()
    aws("s3", "sync", "--delete", up, f"s3://{bucket}/tree")
    assert len(aws("s3", "ls", "--recursive", f"s3://{bucket}/tree").out.splitlines()) == 39


def test_presign_gives_a_url_that_anyone_can_fetch(bucket, server, tmp_path):
    """Version 1 of the CLI presigns with SigV2, which S3 has closed for new regions, unless told otherwise."""
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    aws("s3", "cp", "-", f"s3://{bucket}/k", input="by url")
    signed = aws("s3", "presign", f"s3://{bucket}/k", "--expires-in", "60", env=os.environ | {"AWS_CONFIG_FILE": str(config)})
    url = signed.out.strip()
    context = ssl.create_default_context(cafile=server.ca) if server.ca else None
    assert urllib.request.urlopen(url, context=context).read() == b"by url"


def test_put_object_conditions(place):
    at, folder = place
    etag = api("put-object", *at, "--body", folder / "old", "--if-none-match", "*")["ETag"]
    assert "PreconditionFailed" in refused("put-object", *at, "--body", folder / "new", "--if-none-match", "*")
    assert "PreconditionFailed" in refused("put-object", *at, "--body", folder / "new", "--if-match", OTHER_ETAG)
    assert api("head-object", *at)["ETag"] == etag
    assert api("put-object", *at, "--body", folder / "new", "--if-match", etag)["ETag"] != etag
    absent = [*at[:2], "--key", "absent"]
    assert "NoSuchKey" in refused("put-object", *absent, "--body", folder / "new", "--if-match", etag)


def test_complete_multipart_upload_conditions(place):
    at, folder = place
    upload = ["--upload-id", api("create-multipart-upload", *at)["UploadId"]]
    etag = api("upload-part", *at, *upload, "--part-number", "1", "--body", folder / "new")["ETag"]
    parts = ["--multipart-upload", json.dumps({"Parts": [{"PartNumber": 1, "ETag": etag}]})]
    current = api("put-object", *at, "--body", folder / "old")["ETag"]
    assert "PreconditionFailed" in refused("complete-multipart-upload", *at, *upload, *parts, "--if-none-match", "*")
    assert len(api("list-parts", *at, *upload)["Parts"]) == 1
    assert api("complete-multipart-upload", *at, *upload, *parts, "--if-match", current)["ETag"].endswith('-1"')


def test_copy_and_rename_and_delete_conditions(place):
    at, folder = place
    bucket = at[1]
    etag = api("put-object", *at, "--body", folder / "old")["ETag"]
    target = ["--bucket", bucket, "--key", "target"]
    copy = ["copy-object", *target, "--copy-source", f"{bucket}/k"]
    api(*copy, "--if-none-match", "*")
    assert "PreconditionFailed" in refused(*copy, "--if-none-match", "*")
    assert "PreconditionFailed" in refused(*copy, "--if-match", OTHER_ETAG)
    api(*copy, "--if-match", etag)
    rename = ["rename-object", *target, "--rename-source", "k"]
    assert "PreconditionFailed" in refused(*rename, "--destination-if-none-match", "*")
    assert "PreconditionFailed" in refused(*rename, "--source-if-match", OTHER_ETAG)
    api(*rename, "--destination-if-match", etag, "--source-if-match", etag)
    assert [o["Key"] for o in api("list-objects-v2", "--bucket", bucket)["Contents"]] == ["target"]
    assert "PreconditionFailed" in refused("delete-object", *target, "--if-match", OTHER_ETAG)
    api("delete-object", *target, "--if-match", etag)
    assert "Contents" not in api("list-objects-v2", "--bucket", bucket)


def test_the_rest_of_the_api_speaks_the_cli_s_language(place):
    at, folder = place
    bucket = at[:2]
    api("put-object", *at, "--body", folder / "old", "--metadata", "a=b", "--content-type", "text/x-old", "--tagging", "t=1",
        "--checksum-algorithm", "SHA256")
    head = api("head-object", *at, "--checksum-mode", "ENABLED")
    assert (head["Metadata"], head["ContentType"], bool(head["ChecksumSHA256"])) == ({"a": "b"}, "text/x-old", True)
    assert api("get-object", *at, "--range", "bytes=1-", folder / "got")["ContentLength"] == 2
    assert (folder / "got").read_text() == "ld"
    assert api("get-object-tagging", *at)["TagSet"] == [{"Key": "t", "Value": "1"}]
    api("put-object-tagging", *at, "--tagging", "TagSet=[{Key=u,Value=2}]")
    assert api("get-object-attributes", *at, "--object-attributes", "ETag", "ObjectSize")["ObjectSize"] == 3
    api("put-bucket-tagging", *bucket, "--tagging", "TagSet=[{Key=team,Value=ml}]")
    assert api("get-bucket-tagging", *bucket)["TagSet"] == [{"Key": "team", "Value": "ml"}]
    api("get-bucket-location", *bucket)
    api("head-bucket", *bucket)
    upload = api("create-multipart-upload", *at)["UploadId"]
    assert [u["UploadId"] for u in api("list-multipart-uploads", *bucket)["Uploads"]] == [upload]
    api("abort-multipart-upload", *at, "--upload-id", upload)
    answer = api("delete-objects", *bucket, "--delete", "Objects=[{Key=k},{Key=absent}]")
    assert sorted(d["Key"] for d in answer["Deleted"]) == ["absent", "k"]

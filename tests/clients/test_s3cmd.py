"""s3cmd: an old client with its own signing, XML parsing and multipart code."""

import os
import urllib.parse

import pytest

from harness.boto import MIB, keys
from harness.server import ACCESS_KEY, REGION, SECRET_KEY
from harness.shell import run


@pytest.fixture
def s3cmd(server, tmp_path):
    host = urllib.parse.urlsplit(server.url).netloc
    common = ["--config", os.devnull, "--access_key", ACCESS_KEY, "--secret_key", SECRET_KEY, "--host", host, "--host-bucket", host,
              "--region", REGION, *(["--ca-certs", server.ca] if server.ca else ["--no-ssl"])]
    return lambda *arguments, **options: run("s3cmd", *common, *arguments, **options)


def test_put_list_get_info_and_delete(s3cmd, bucket, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_text("text")
    s3cmd("put", source, f"s3://{bucket}/dir/k ü+", "--add-header", "x-amz-meta-a:b")
    assert f"s3://{bucket}/dir/k ü+" in s3cmd("ls", "--recursive", f"s3://{bucket}").out
    s3cmd("get", f"s3://{bucket}/dir/k ü+", back)
    assert back.read_text() == "text"
    s3cmd("del", f"s3://{bucket}/dir/k ü+")
    assert s3cmd("ls", "--recursive", f"s3://{bucket}").out == ""


def test_a_large_file_goes_in_parts(s3cmd, s3, bucket, tmp_path):
    large, back = tmp_path / "large", tmp_path / "back"
    large.write_bytes(os.urandom(MIB) * 21)
    s3cmd("put", "--multipart-chunk-size-mb", "5", large, f"s3://{bucket}/large")
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
    s3cmd("get", f"s3://{bucket}/large", back)
    assert back.read_bytes() == large.read_bytes()


def test_copy_move_and_sync(s3cmd, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="a b+c", Body=b"x")
    s3cmd("cp", f"s3://{bucket}/a b+c", f"s3://{bucket}/copied")
    s3cmd("mv", f"s3://{bucket}/copied", f"s3://{bucket}/moved")
    assert keys(s3, bucket) == ["a b+c", "moved"]
    for n in range(20):
        (tmp_path / f"f{n}").write_text(str(n))
    s3cmd("sync", f"{tmp_path}/", f"s3://{bucket}/tree/")
    assert len(keys(s3, bucket, Prefix="tree/")) == 20


def test_buckets(s3cmd):
    s3cmd("mb", "s3://made-by-s3cmd")
    assert "s3://made-by-s3cmd" in s3cmd("ls").out
    s3cmd("rb", "s3://made-by-s3cmd")

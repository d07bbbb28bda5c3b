"""s5cmd: batches of small files, multipart, copies whose source keys it form-encodes."""

import os

from harness.boto import MIB, keys
from harness.shell import run

OLD = 1_700_000_000  # a date before any upload, for sync to compare with


def s5cmd(server, *arguments, **options):
    trust = {"AWS_CA_BUNDLE": server.ca} if server.ca else {}
    return run("s5cmd", "--endpoint-url", server.url, *arguments, env=os.environ | trust, **options)


def test_files_go_up_and_come_down(server, bucket, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    source.mkdir()
    for n in range(300):
        path = source / f"file {n}+"
        path.write_text(f"content {n}")
        os.utime(path, (OLD, OLD))
    s5cmd(server, "cp", f"{source}/", f"s3://{bucket}/tree/")
    assert len(s5cmd(server, "ls", f"s3://{bucket}/tree/*").out.splitlines()) == 300
    s5cmd(server, "cp", f"s3://{bucket}/tree/*", f"{back}/")
    assert {p.name: p.read_text() for p in back.iterdir()} == {p.name: p.read_text() for p in source.iterdir()}
    assert s5cmd(server, "sync", f"{source}/", f"s3://{bucket}/tree/").out == ""
    s5cmd(server, "rm", f"s3://{bucket}/tree/*")
    assert s5cmd(server, "ls", f"s3://{bucket}/tree/*", check=False).status != 0


def test_a_large_file_goes_in_parts(server, bucket, tmp_path):
    large, back = tmp_path / "large", tmp_path / "back"
    large.write_bytes(os.urandom(MIB) * 60)
    s5cmd(server, "cp", "--part-size", "8", large, f"s3://{bucket}/large")
    s5cmd(server, "cp", f"s3://{bucket}/large", back)
    assert back.read_bytes() == large.read_bytes()


def test_copies_and_moves_with_spaces_and_plus_signs(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b+c", Body=b"x")
    s5cmd(server, "cp", f"s3://{bucket}/a b+c", f"s3://{bucket}/copied c+d")
    s5cmd(server, "mv", f"s3://{bucket}/copied c+d", f"s3://{bucket}/moved")
    assert keys(s3, bucket) == ["a b+c", "moved"]
    assert s5cmd(server, "cat", f"s3://{bucket}/moved").out == "x"


def test_buckets(server):
    s5cmd(server, "mb", "s3://made-by-s5cmd")
    assert "s3://made-by-s5cmd" in s5cmd(server, "ls").out
    s5cmd(server, "rb", "s3://made-by-s5cmd")

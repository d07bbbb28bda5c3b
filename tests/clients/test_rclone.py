"""rclone: sync and check of 10,000 small files, a large multipart file, moves."""

import os

import pytest

from harness.boto import MIB, keys
from harness.server import ACCESS_KEY, REGION, SECRET_KEY
from harness.shell import run

FILES = 10_000


@pytest.fixture
def rclone(server, bucket, tmp_path):
    settings = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": server.url, "ACCESS_KEY_ID": ACCESS_KEY, "SECRET_ACCESS_KEY": SECRET_KEY,
                "REGION": REGION}
    environment = os.environ | {f"RCLONE_CONFIG_HF_{n}": v for n, v in settings.items()} | {"RCLONE_CONFIG": str(tmp_path / "none")}
    return lambda *arguments, **options: run("rclone", *arguments, env=environment, **options)


def test_ten_thousand_small_files_sync_check_and_list(rclone, bucket, tmp_path):
    source = tmp_path / "source"
    for n in range(FILES):
        path = source / f"dir{n % 50:02}" / f"file-{n:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file number {n}")
    remote = f"hf:{bucket}/tree"
    rclone("sync", source, remote, "--transfers", "16", "--checkers", "16")
    rclone("check", source, remote, "--checkers", "16")
    assert len(rclone("lsf", "-R", "--files-only", remote).out.splitlines()) == FILES
    (source / "dir00/file-00000").write_text("changed")
    (source / "dir01/file-00001").unlink()
    rclone("sync", source, remote, "--checkers", "16")
    rclone("check", "--download", f"{source}/dir00", f"{remote}/dir00", "--checkers", "16")
    assert len(rclone("lsf", "-R", "--files-only", remote).out.splitlines()) == FILES - 1
    rclone("purge", remote)
    assert rclone("lsf", f"hf:{bucket}").out == ""


def test_a_large_file_goes_in_parts_and_comes_back(rclone, bucket, tmp_path):
    large, back = tmp_path / "large", tmp_path / "back"
    large.write_bytes(os.urandom(MIB) * 70)
    rclone("copyto", large, f"hf:{bucket}/large", "--s3-upload-cutoff", "16M", "--s3-chunk-size", "8M")
    rclone("check", "--download", tmp_path, f"hf:{bucket}", "--include", "/large")
    rclone("copyto", f"hf:{bucket}/large", back, "--multi-thread-streams", "4", "--multi-thread-cutoff", "16M")
    assert back.read_bytes() == large.read_bytes()


def test_a_stream_of_unknown_length_is_uploaded(rclone, bucket):
    rclone("rcat", f"hf:{bucket}/piped", input="piped text")
    assert rclone("cat", f"hf:{bucket}/piped").out == "piped text"


def test_moveto_renames_and_server_side_copy_keeps_the_bytes(rclone, s3, bucket):
    rclone("rcat", f"hf:{bucket}/dir/name with space+%", input="text")
    rclone("moveto", f"hf:{bucket}/dir/name with space+%", f"hf:{bucket}/moved ü")
    assert keys(s3, bucket) == ["moved ü"]
    rclone("copyto", f"hf:{bucket}/moved ü", f"hf:{bucket}/copied")
    assert rclone("cat", f"hf:{bucket}/copied").out == "text"
    rclone("deletefile", f"hf:{bucket}/copied")
    assert keys(s3, bucket) == ["moved ü"]

"""A small file system fills up: clear refusals, nothing lost, not ready while full, healed when space returns, never dead."""

import subprocess
from contextlib import contextmanager

import pytest

from harness import boto, wire
from harness.boto import MIB
from harness.server import Server

DISK_MIB = 512
SIZES = [MIB, 100_000, 4096]  # the last one fits where the first no longer does
HEAL_SECONDS_MAX = 60
REFUSALS = {(503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError"), (507, "InsufficientStorage")}


@contextmanager
def small_disk(tmp_path):
    """A file system of its own: ext4 on a loop device, or tmpfs where there is none."""
    image, mounted = tmp_path / "image", tmp_path / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MIB * MIB)
    attempts = [
        [["mkfs.ext4", "-q", "-F", "-m", "0", image], ["mount", "-o", "loop", image, mounted]],
        [["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", mounted]],
    ]
    reasons = []
    for commands in attempts:
        done = [subprocess.run([str(a) for a in command], capture_output=True, text=True) for command in commands]
        if done[-1].returncode == 0:
            break
        reasons += [d.stderr.strip() for d in done if d.returncode]
    else:
        pytest.skip(f"no file system can be mounted here: {'; '.join(reasons)}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def fill_from_outside(path):
    """Takes all space that is left, as another program would."""
    with path.open("wb", buffering=0) as ballast:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                pass


class Disk:
    """Puts unique objects and remembers which were acknowledged."""

    def __init__(self, server, bucket):
        self.server, self.bucket, self.number = server, bucket, 0
        self.acknowledged, self.unknown = {}, {}

    def put(self, size):
        """(status, S3 code) of one more create."""
        self.number += 1
        key = f"object-{self.number:05}"
        data = (b"object %d." % self.number * (size // 8))[:size]
        answer = wire.request(self.server, "PUT", f"/{self.bucket}/{key}", (), [("if-none-match", "*")], data)
        if answer.status == 200:
            self.acknowledged[key] = data
        elif answer.status == 500:
            self.unknown[key] = data
        return answer.status, answer.code

    def fill(self):
        """Puts large objects, then small ones, until even those are refused."""
        for size in SIZES:
            for _ in range(100 * DISK_MIB):
                if (answer := self.put(size))[0] != 200:
                    break
            assert answer in REFUSALS, answer

    def is_full(self):
        """Fills it again: what the store tidies up meanwhile is space."""
        self.fill()
        return True

    def assert_whole(self, s3):
        """Everything acknowledged is there with its bytes, nothing refused is."""
        present = set(keys_of(s3, self.bucket))
        assert set(self.acknowledged) <= present <= set(self.acknowledged) | set(self.unknown)
        for key, data in self.acknowledged.items():
            answer = wire.request(self.server, "GET", f"/{self.bucket}/{key}")
            assert (answer.status, answer.body) == (200, data), key


def keys_of(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [o["Key"] for page in pages for o in page.get("Contents", [])]


def ready(server):
    return server.health("ready") == 200


def test_a_full_disk_refuses_and_heals(tmp_path):
    with small_disk(tmp_path) as mounted, Server(data=mounted / "data") as server:
        s3 = boto.client(server.url)
        disk = Disk(server, boto.new_bucket(s3))

        server.wait_until(lambda: disk.is_full() and not ready(server), HEAL_SECONDS_MAX, "say that it is not ready")
        assert server.health("live") == 200
        disk.assert_whole(s3)

        for key in list(disk.acknowledged)[: len(disk.acknowledged) // 2]:
            assert wire.request(server, "DELETE", f"/{disk.bucket}/{key}").status == 204, "a delete must go through: it frees space"
            del disk.acknowledged[key]
        server.wait_until(lambda: ready(server), HEAL_SECONDS_MAX, "become ready after deletes")
        assert disk.put(MIB) == (200, None)
        disk.assert_whole(s3)

        fill_from_outside(mounted / "ballast")
        disk.fill()
        server.wait_until(lambda: not ready(server), HEAL_SECONDS_MAX, "say that it is not ready")
        disk.assert_whole(s3)
        (mounted / "ballast").unlink()
        server.wait_until(lambda: ready(server), HEAL_SECONDS_MAX, "become ready after space came back")
        assert disk.put(MIB) == (200, None)
        disk.assert_whole(s3)

        server.stop()
        assert server.check()[0] == 0, server.check()[1]
        server.start()
        disk.assert_whole(s3)

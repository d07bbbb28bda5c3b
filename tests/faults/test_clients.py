"""Hostile clients by the thousand: what they hold is given back, what they half sent is nowhere, and the others go on.

HOLDFAST_TEST_CROWD is the number of slow writers, and of slow readers (default 1000); HOLDFAST_TEST_CROWD_WAVES how often they attack (2).
HOLDFAST_TEST_SEED repeats a run's choices.
"""

import os
import random
import threading
import time
from pathlib import Path

import pytest

from harness import boto, wire
from harness.boto import MIB
from harness.crowd import Crowd, close
from harness.server import Server

CROWD = int(os.environ.get("HOLDFAST_TEST_CROWD", 1000))
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", random.randrange(1 << 32)))
STALL_SECONDS, HEAD_SECONDS, IDLE_SECONDS = 2, 3, 5
# Fewer places than hostile clients, more connections than all together.
REQUESTS_MAX = max(16, CROWD // 4)
LIMITS = ["--max-requests", str(REQUESTS_MAX), "--max-connections", str(4 * CROWD + 500), "--stall-timeout", str(STALL_SECONDS),
          "--head-timeout", str(HEAD_SECONDS), "--idle-timeout", str(IDLE_SECONDS), "--log-filter", "warn"]
ORDINARY = 8
ATTACK_SECONDS = 10
# Longest time that an ordinary client, who tries again at once, may go without a success: places come free when the slow are thrown out.
PATIENCE_SECONDS = 2 * STALL_SECONDS + 3
assert PATIENCE_SECONDS < ATTACK_SECONDS, "starvation would not be seen"
# tokio's idle threads end after 10 s.
SETTLE_SECONDS = 45
# glibc gives back little of what it once needed, and more arenas keep more: with one, growth that goes on is a leak. The first attack may
# leave what its requests were allowed, the second what lies between the places that were in use, and further ones next to nothing.
ALLOCATOR = ("MALLOC_ARENA_MAX", "1")
WAVES = max(2, int(os.environ.get("HOLDFAST_TEST_CROWD_WAVES", 2)))
RESIDENT_GROWTH_FIRST_MIB_MAX = 2 * REQUESTS_MAX
RESIDENT_GROWTHS_MIB_MAX = [RESIDENT_GROWTH_FIRST_MIB_MAX, 48, *[8] * (WAVES - 2)]
# Files and threads of the store's own that may have come meanwhile.
DESCRIPTORS_SLACK, THREADS_SLACK = 8, 2
LARGE = bytes(range(256)) * (8 * MIB // 256)


class Footprint:
    """What a server holds at one instant, as its machine and its metrics tell."""

    def __init__(self, server):
        process = Path(f"/proc/{server.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        metrics = server.metrics()
        self.resident_mib = int(status["VmRSS"].split()[0]) / 1024
        self.threads = int(status["Threads"])
        self.descriptors = len(list((process / "fd").iterdir()))
        self.extents = sum(1 for path in (server.data / "extents").rglob("*") if path.is_file())
        self.staged, self.in_flight = metrics["holdfast_staged_bytes"], metrics["holdfast_requests_in_flight"]
        self.connections, self.queued = metrics["holdfast_connections_open"], metrics["holdfast_transactions_queued"]

    def back_at(self, before, growth_mib):
        """Nothing is held that was not held before."""
        return (self.descriptors <= before.descriptors + DESCRIPTORS_SLACK and self.threads <= before.threads + THREADS_SLACK
                and self.extents <= before.extents and (self.staged, self.in_flight, self.queued) == (0, 0, 0)
                and self.connections <= before.connections and self.resident_mib <= before.resident_mib + growth_mib)

    def __repr__(self):
        return ", ".join(f"{name} {value:.0f}" for name, value in vars(self).items())


class Stage:
    """A server with limits, a bucket, and what it held once it had served a bit of everything."""

    def __init__(self, server):
        self.server, self.s3, self.host = server, boto.client(server.url), server.url.removeprefix("http://")
        self.bucket = boto.new_bucket(self.s3)
        self.s3.put_object(Bucket=self.bucket, Key="large", Body=LARGE)
        for key in ("warm", "warm/large"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=LARGE if "large" in key else b"warm")
            assert boto.body(self.s3, self.bucket, key)
        self.s3.close()
        self.settle(None)
        self.before = Footprint(server)

    def settle(self, before, growth_mib=RESIDENT_GROWTH_FIRST_MIB_MAX):
        """Waits until nothing is held any longer, and returns what is; the last footprint is told when that does not come."""
        last = []

        def back():
            last[:] = [Footprint(self.server)]
            if before is None:
                return last[0].connections == 0 and last[0].in_flight == 0
            return last[0].back_at(before, growth_mib)

        try:
            self.server.wait_until(back, SETTLE_SECONDS, "give back what hostile clients held")
        except RuntimeError as never:
            raise AssertionError(f"before: {before}\n   now: {last[0]}") from never
        print(f"held before: {before}\nheld after:  {last[0]}")
        return last[0]

    def assert_sound(self, hidden=()):
        """Answers as ever, shows nothing half-sent, holds nothing, and the folder is clean."""
        for prefix in hidden:
            assert boto.keys(self.s3, self.bucket, Prefix=prefix) == [], f"half-sent objects have become visible under {prefix}"
        assert boto.body(self.s3, self.bucket, "large") == LARGE
        self.s3.put_object(Bucket=self.bucket, Key="after", Body=b"after")
        self.s3.close()
        assert "panicked" not in self.server.log_tail(10_000)
        self.server.stop()
        code, output = self.server.check()
        assert code == 0, output
        self.server.start()


@pytest.fixture
def stage(monkeypatch):
    monkeypatch.setenv(*ALLOCATOR)
    print(f"HOLDFAST_TEST_SEED={SEED} HOLDFAST_TEST_CROWD={CROWD}")
    with Server(arguments=LIMITS) as server:
        yield Stage(server)


# ---- slow writers and readers ---------------------------------------------------------------------------------------


def slow(what, requests, until, step):
    """Sends its request, then takes a step now and then; comes back when it is thrown out. Its pace is far below the stall limit."""

    async def member(crowd, number):
        await crowd.pause(number / CROWD)
        while time.monotonic() < until:
            connection = await crowd.connect()
            if connection is None:
                continue
            try:
                going = await crowd.send(connection, requests[number % len(requests)])
                while going and time.monotonic() < until:
                    going = await step(crowd, connection)
                    await crowd.pause(0.5)
                crowd.note(f"{what} {'left at the end' if going else 'thrown out'}")
            finally:
                close(connection, reset=number % 2 == 0)

    return member


def slow_writers(stage, until):
    """A mebibyte, a byte at a time; two of three have sent enough of it to be staged on disk."""

    def request(number):
        head = wire.head("PUT", stage.host, f"/{stage.bucket}/slow/{number}", unsigned_headers=[("content-length", str(MIB))])
        return head + bytes(number % 3 * 100_000)

    async def step(crowd, connection):
        return not crowd.answered(connection) and await crowd.send(connection, b"x")

    return slow("writer", [request(number) for number in range(CROWD)], until, step)


def slow_readers(stage, until):
    """8 MiB, 64 bytes at a time."""
    request = wire.head("GET", stage.host, f"/{stage.bucket}/large")
    return slow("reader", [request], until, lambda crowd, connection: crowd.receive(connection, 64))


class Ordinary(threading.Thread):
    """Counts up in an object by compare-and-swap, and tries again when it is told to slow down."""

    def __init__(self, stage, name, until):
        super().__init__(name=f"ordinary-{name}")
        self.server, self.key, self.until = stage.server, f"ordinary/{name}", until
        self.path, self.random = f"/{stage.bucket}/{self.key}", random.Random(f"{SEED} {name}")
        self.count, self.refused, self.longest, self.failure, self.paused = 0, 0, 0.0, None, threading.Event()

    def run(self):
        try:
            self.count_up()
        except Exception as failure:  # noqa: BLE001: told by the test
            self.failure = failure

    def count_up(self):
        condition, since = ("if-none-match", "*"), time.monotonic()
        while time.monotonic() < self.until:
            with wire.Connection(self.server, timeout=30) as connection:
                answer = connection.request("PUT", self.path, headers=[condition], body=str(self.count + 1).encode())
            if answer.status == 503:
                assert answer.code == "SlowDown", answer
                self.refused += 1
                self.paused.wait(self.random.uniform(0.01, 0.1))
            else:
                # Nobody else writes here: the condition is true, whatever the crowd does.
                assert answer.status == 200, answer
                self.count += 1
                condition = ("if-match", answer.headers["etag"])
                self.longest, since = max(self.longest, time.monotonic() - since), time.monotonic()
        self.longest = max(self.longest, time.monotonic() - since)


def attack(stage, wave):
    """Slow writers and readers at once, and ordinary clients who count on; returns these."""
    until = time.monotonic() + ATTACK_SECONDS
    clients = [Ordinary(stage, f"{wave}-{number}", until) for number in range(ORDINARY)]
    with Crowd(stage.server, receive_bytes=4096) as crowd:
        crowd.join(CROWD, slow_writers(stage, until))
        crowd.join(CROWD, slow_readers(stage, until))
        for client in clients:
            client.start()
        for client in clients:
            client.join(ATTACK_SECONDS + 60)
        peak = Footprint(stage.server)
    print(f"at the end of attack {wave}: {peak}; {dict(crowd.seen)}")
    for client in clients:
        print(f"{client.name}: {client.count} writes, {client.refused} SlowDown, at most {client.longest:.1f} s without a success")
    return clients


def test_a_thousand_slow_writers_and_readers_starve_nobody_and_leave_nothing(stage):
    held = stage.before
    for wave, growth_mib in enumerate(RESIDENT_GROWTHS_MIB_MAX, 1):
        clients = attack(stage, wave)
        assert not [c.failure for c in clients if c.failure], [c.failure for c in clients if c.failure]
        assert sum(c.refused for c in clients) > 0 and stage.server.metrics()["holdfast_slow_downs_total"] > 0, "the attack was none"
        assert max(c.longest for c in clients) < PATIENCE_SECONDS, "an ordinary client was starved"
        held = stage.settle(held, growth_mib)
        for client in clients:
            assert boto.body(stage.s3, stage.bucket, client.key) == str(client.count).encode()
        stage.s3.close()
    stage.assert_sound(hidden=["slow/"])


# ---- bodies and answers that are cut off ----------------------------------------------------------------------------


def half_sent(rng, stage, upload, number):
    """A head, and the part of its body that is sent, of one of the kinds that bodies come in."""
    host, size = stage.host, rng.choice([10, 70_000, MIB, 3 * MIB])
    body, path = rng.randbytes(size), f"/{stage.bucket}/half/{number}"
    kind = rng.choice(["length", "chunked", "signed", "part", "append", "copy of the head"])
    if kind == "signed":
        head, chunks = wire.signed_chunks(host, path, body)
        whole = head + b"".join(chunks)
    elif kind == "chunked":
        head = wire.head("PUT", host, path, unsigned_headers=[("transfer-encoding", "chunked")])
        whole = head + f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    else:
        query = [("partNumber", str(1 + number % 100)), ("uploadId", upload)] if kind == "part" else ()
        path = f"/{stage.bucket}/half/upload" if kind == "part" else path
        headers = [("x-amz-write-offset-bytes", "0")] if kind == "append" else [("if-none-match", "*")] if kind == "length" else []
        head = wire.head("PUT", host, path, query, headers, unsigned_headers=[("content-length", str(size))])
        whole = head + body
    if kind == "copy of the head":
        return whole[:rng.randrange(1, len(head))]
    return whole[:rng.choice([len(head), rng.randrange(len(head), len(whole)), len(whole) - 1])]


def test_half_sent_bodies_and_resets_leave_nothing(stage):
    rng, rounds = random.Random(SEED), max(60, CROWD)
    upload = stage.s3.create_multipart_upload(Bucket=stage.bucket, Key="half/upload")["UploadId"]
    plans = [(half_sent(rng, stage, upload, number), rng.random() < 0.5) for number in range(rounds)]

    async def cut_off(crowd, number):
        data, reset = plans[number]
        await crowd.pause(5 * number / rounds)
        connection = await crowd.connect()
        if connection is not None:
            await crowd.send(connection, data)
            close(connection, reset)

    async def hang_up(crowd, number):
        """Asks for 8 MiB, and is gone before, in the head of, or in the middle of the answer."""
        await crowd.pause(5 * number / rounds)
        connection = await crowd.connect()
        if connection is not None:
            await crowd.send(connection, wire.head("GET", crowd.host, f"/{stage.bucket}/large"))
            for _ in range(number % 4):
                await crowd.receive(connection, 100_000)
            close(connection, reset=number % 2 == 0)

    with Crowd(stage.server) as crowd:
        crowd.join(rounds, cut_off)
        crowd.join(rounds, hang_up)
        crowd.wait(120)
    stage.settle(stage.before)
    assert "Parts" not in stage.s3.list_parts(Bucket=stage.bucket, Key="half/upload", UploadId=upload), "a part that was half sent is there"
    stage.assert_sound(hidden=["half/"])


# ---- connections that never become requests -------------------------------------------------------------------------


# name -> what is sent first, what is sent again and again, and how often
ENDLESS = {
    "silent": (b"", b"", 0.5),
    "one byte": (b"G", b"", 0.5),
    "a head without end": (b"GET / HTTP/1.1\r\n", b"x-a: b\r\n", 0.3),
    "empty lines": (b"", b"\r\n", 0.3),
    "a flood of head": (b"GET / HTTP/1.1\r\n", b"x-a: " + b"y" * 2000 + b"\r\n", 0.0),
    "garbage": (b"", bytes(range(256)), 0.1),
    "a body that nobody wants": (b"PUT /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n", bytes(1000), 0.3),
}


async def endless(crowd, number):
    """Goes on as long as the server lets it."""
    name = list(ENDLESS)[number % len(ENDLESS)]
    first, piece, pause = ENDLESS[name]
    connection = await crowd.connect()
    assert connection is not None, "the server does not take connections"
    started = time.monotonic()

    async def until_closed():
        while await crowd.receive(connection):
            pass

    closed = crowd.loop.create_task(until_closed())
    try:
        sent = await crowd.send(connection, first) if first else True
        while sent and not closed.done():
            await crowd.pause(pause)
            sent = await crowd.send(connection, piece) if piece else True
        crowd.note(f"{name}: closed after {round(time.monotonic() - started)} s")
    finally:
        closed.cancel()
        close(connection, reset=number % 2 == 0)


def test_connections_that_never_become_requests_are_closed(stage):
    with Crowd(stage.server) as crowd:
        crowd.join(CROWD, endless)
        crowd.wait(3 * (HEAD_SECONDS + IDLE_SECONDS))
    print("\n".join(f"{count:5} {what}" for what, count in sorted(crowd.seen.items())))
    assert sum(crowd.seen.values()) == CROWD
    stage.settle(stage.before)
    stage.assert_sound()


# ---- the same request twice -----------------------------------------------------------------------------------------

LOST_CREATE = {(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")}
INVOCATION = ("amz-sdk-invocation-id", "b7a9d7c0-0000-4000-8000-%012d")


class Twins:
    """One signed request, byte for byte, on two connections at one instant."""

    def __init__(self, stage):
        self.stage, self.host = stage, stage.host
        self.pair = [wire.Connection(stage.server) for _ in range(2)]

    def send(self, method, key, query=(), headers=(), body=b""):
        request = wire.request_bytes(method, self.host, f"/{self.stage.bucket}/{key}", query, headers, body)
        return wire.volley(self.pair, [request, request], method)

    def generation(self, key):
        answer = self.pair[0].request("HEAD", f"/{self.stage.bucket}/{key}")
        return int(answer.headers["x-holdfast-generation"]) if answer.status == 200 else None


def winner_and_loser(answers, won=200):
    """The one that has the effect, and the (status, code) of the other."""
    first, second = sorted(answers, key=lambda answer: answer.status)
    assert first.status == won, answers
    return first, (second.status, second.code)


@pytest.fixture
def twins(stage):
    return Twins(stage)


def test_a_request_sent_twice_at_once_has_one_effect(stage, twins):
    """Without an invocation id the second is a rival like any other; with one it gets the first answer (contract, section 6)."""
    etag, bucket = None, stage.bucket
    for round_ in range(max(20, CROWD // 20)):
        key, again = f"twice/{round_}", (INVOCATION[0], INVOCATION[1] % round_)
        # Create only.
        won, lost = winner_and_loser(twins.send("PUT", key, headers=[("if-none-match", "*")], body=b"one"))
        assert lost in LOST_CREATE, lost
        etag, created = won.headers["etag"], twins.generation(key)
        # Compare and swap, each time from the state before.
        won, lost = winner_and_loser(twins.send("PUT", key, headers=[("if-match", etag)], body=b"two"))
        assert lost == (412, "PreconditionFailed")
        # Append.
        won, lost = winner_and_loser(twins.send("PUT", key, headers=[("x-amz-write-offset-bytes", "3")], body=b"more"))
        assert lost == (400, "InvalidWriteOffset")
        assert boto.body(stage.s3, bucket, key) == b"twomore"
        # Attempts of one invocation: both are told of the one write.
        before = twins.generation(key)
        answers = twins.send("PUT", key, headers=[("if-match", won.headers["etag"]), again], body=b"three")
        assert [a.status for a in answers] == [200, 200] and answers[0].headers["etag"] == answers[1].headers["etag"], answers
        assert len({a.headers["x-holdfast-generation"] for a in answers}) == 1, "an invocation wrote twice"
        assert created < before < twins.generation(key) == int(answers[0].headers["x-holdfast-generation"])
        # No condition: it may be written once or twice, and is the same object.
        answers = twins.send("PUT", key, body=b"four")
        assert [a.status for a in answers] == [200, 200] and boto.body(stage.s3, bucket, key) == b"four"
        # Rename, then delete.
        rename = [("x-amz-rename-source", key)]
        won, lost = winner_and_loser(twins.send("PUT", f"{key}-moved", [("renameObject", "")], rename))
        assert lost == (404, "NoSuchKey")
        answers = twins.send("PUT", f"{key}-again", [("renameObject", "")], [("x-amz-rename-source", f"{key}-moved"), ("x-amz-client-token", f"t{round_}")])
        assert [a.status for a in answers] == [200, 200], answers
        assert boto.keys(stage.s3, bucket, Prefix=key + "-") == [f"{key}-again"]
        won, lost = winner_and_loser(twins.send("DELETE", f"{key}-again", headers=[("if-match", answers[0].headers.get("etag", "*"))]), won=204)
        assert lost == (404, "NoSuchKey")
        assert boto.keys(stage.s3, bucket, Prefix=key) == []


def test_a_completion_and_a_copy_sent_twice_at_once_have_one_effect(stage, twins):
    for round_ in range(max(10, CROWD // 50)):
        key = f"parts/{round_}"
        upload, document = boto.start_upload(stage.s3, stage.bucket, key, [b"part"])
        tag = document["Parts"][0]["ETag"]
        body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>".encode()
        answers = twins.send("POST", key, [("uploadId", upload)], [("if-none-match", "*")], body)
        assert [a.status for a in answers] == [200, 200] and len({a._element("ETag") for a in answers}) == 1, answers
        before = twins.generation(key)
        answers = twins.send("POST", key, [("uploadId", upload)], [("if-none-match", "*")], body)
        assert [a.status for a in answers] == [200, 200] and twins.generation(key) == before
        copy = [("x-amz-copy-source", f"{stage.bucket}/{key}"), ("if-none-match", "*")]
        _, lost = winner_and_loser(twins.send("PUT", f"copies/{round_}", headers=copy))
        assert lost in LOST_CREATE, lost
        assert boto.body(stage.s3, stage.bucket, f"copies/{round_}") == b"part"
    uploads = stage.s3.list_multipart_uploads(Bucket=stage.bucket)
    assert "Uploads" not in uploads, "a completed upload is still there"

"""`kill -9` in a loop under concurrent conditional writes.

After each kill the server is opened again and every key is read: what was acknowledged is there with its bytes, what
was refused is not, what was under way is there or not. HOLDFAST_TEST_ROUNDS is the number of kills (default 20; the long
run has 100), HOLDFAST_TEST_SEED repeats a run's choices.
"""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from harness import boto, wire
from harness.server import Server, rounds

ROUNDS = rounds(20)
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
WRITERS = 8
KEYS_OF_A_WRITER = 6
ACKNOWLEDGED_BEFORE_KILL_MAX = 400
SIZES = [20, 4096, 70_000, 400_000]  # in the batch; also in the batch; beyond the inline bound; several chunks of an extent
STAGED_SECONDS_MAX = 60
CHECK_EVERY = 5
BUCKET = "crash"
OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'


class Killed(Exception):
    """The connection ended: the outcome of what was under way is not known."""


class Progress:
    """Counts acknowledged writes; the killer waits for a number of them, so that no clock decides when a kill comes."""

    def __init__(self, wanted):
        self.left, self.reached = wanted, threading.Event()
        self.lock = threading.Lock()

    def acknowledged(self):
        with self.lock:
            self.left -= 1
            if self.left <= 0:
                self.reached.set()


def payload(name, size):
    return (name.encode() + b".") * (size // (len(name) + 1) + 1)


class Writer:
    """Owns some keys, and knows in which states they may be: the world as acknowledged, and as it is if what was under way happened."""

    def __init__(self, number):
        self.number, self.sequence = number, 0
        self.random = random.Random(SEED * 1000 + number)
        self.names = [f"writer-{number}/key-{n}" for n in range(KEYS_OF_A_WRITER)]
        self.world = dict.fromkeys(self.names)  # key -> payload, None when absent
        self.etags = {}
        self.under_way = None

    # ---- requests ----

    def run(self, server, progress, contest):
        """Writes until the server dies."""
        try:
            with wire.Connection(server) as self.connection:
                while True:
                    self.random.choice([self.create, self.create, self.swap, self.swap, self.copy, self.rename, self.delete, self.complete,
                                        self.wrong_swap, lambda: contest.enter(self)])()
                    progress.acknowledged()
        except (Killed, OSError):
            pass

    def send(self, method, key, query=(), headers=(), data=b"", then=None):
        """Sends one request; `then` is the world if it happens."""
        self.under_way = then
        try:
            answer = self.connection.request(method, f"/{BUCKET}/{key}", query, headers, data)
        except (OSError, ValueError, wire.http.client.HTTPException) as lost:
            raise Killed from lost
        if answer.status >= 500 and answer.status != 503:
            return answer  # indefinite: `under_way` stays, and both worlds are possible until the next reading
        self.under_way = None
        if answer.status in (200, 204) and then is not None:
            self.world = then
        return answer

    def fresh_payload(self):
        self.sequence += 1
        return payload(f"writer {self.number} write {self.sequence}", self.random.choice(SIZES))

    def expect(self, answer, *statuses):
        assert answer.status in statuses, f"seed {SEED}: {answer}"
        return answer

    def put(self, key, condition, *statuses):
        data = self.fresh_payload()
        answer = self.expect(self.send("PUT", key, (), [condition], data, self.world | {key: data}), *statuses)
        if answer.status == 200:
            self.etags[key] = answer.headers["etag"]

    # ---- operations, each with the answer that the owned state demands ----

    def present(self):
        return [k for k in self.names if self.world[k] is not None]

    def create(self):
        key = self.random.choice(self.names)
        self.put(key, ("if-none-match", "*"), 412 if self.world[key] is not None else 200)

    def swap(self):
        if present := self.present():
            key = self.random.choice(present)
            self.put(key, ("if-match", self.etags[key]), 200)

    def wrong_swap(self):
        key = self.random.choice(self.names)
        self.put(key, ("if-match", OTHER_ETAG), 412 if self.world[key] is not None else 404)

    def pair(self):
        present = self.present()
        if not present:
            return None, None
        source = self.random.choice(present)
        return source, self.random.choice([k for k in self.names if k != source])

    def condition_on(self, key):
        """A condition that holds on the key as it is."""
        return ("if-none-match", "*") if self.world[key] is None else ("if-match", self.etags[key])

    def copy(self):
        source, target = self.pair()
        if source:
            headers = [("x-amz-copy-source", quote(f"{BUCKET}/{source}")), self.condition_on(target)]
            self.expect(self.send("PUT", target, (), headers, then=self.world | {target: self.world[source]}), 200)
            self.etags[target] = self.etags[source]

    def rename(self):
        source, target = self.pair()
        if source:
            headers = [("x-amz-rename-source", quote(source)), self.condition_on(target)]
            then = self.world | {target: self.world[source], source: None}
            self.expect(self.send("PUT", target, [("renameObject", "")], headers, then=then), 200)
            self.etags[target] = self.etags[source]

    def delete(self):
        if present := self.present():
            key = self.random.choice(present)
            self.expect(self.send("DELETE", key, (), [("if-match", self.etags[key])], then=self.world | {key: None}), 204)

    def complete(self):
        key = self.random.choice(self.names)
        data = self.fresh_payload()
        created = self.expect(self.send("POST", key, [("uploads", "")]), 200)
        upload = created.body.decode().split("<UploadId>")[1].split("</UploadId>")[0]
        part = self.expect(self.send("PUT", key, [("partNumber", "1"), ("uploadId", upload)], (), data), 200)
        xml = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part></CompleteMultipartUpload>"
        answer = self.send("POST", key, [("uploadId", upload)], [self.condition_on(key)], xml.encode(), self.world | {key: data})
        self.expect(answer, 200)
        self.etags[key] = boto_etag(answer.body)

    # ---- after a kill ----

    def verify(self, server):
        """Reads the owned keys; they must be one of the possible worlds."""
        with wire.Connection(server) as connection:
            answers = {key: connection.request("GET", f"/{BUCKET}/{key}") for key in self.names}
        read = {key: answer.body if answer.status == 200 else None for key, answer in answers.items()}
        assert all(a.status in (200, 404) for a in answers.values()), f"seed {SEED}: {answers}"
        possible = [self.world] + ([self.under_way] if self.under_way is not None else [])
        assert read in possible, f"seed {SEED}, writer {self.number}:\nread     {shown(read)}\npossible " + "\n      or ".join(map(shown, possible))
        self.world, self.under_way = read, None
        self.etags = {key: answer.headers["etag"] for key, answer in answers.items() if answer.status == 200}


def boto_etag(xml):
    return '"' + xml.decode().split("<ETag>")[1].split("</ETag>")[0].replace("&quot;", "").replace("&#34;", "").strip('"') + '"'


def shown(world):
    return {key: data and f"{data[:24]!r} ({len(data)} bytes)" for key, data in world.items()}


class Contest:
    """Keys that all writers try to create. A refusal is a promise too: the winner must still be there after the kill."""

    def __init__(self, number):
        self.number, self.lock = number, threading.Lock()
        self.next, self.outcomes = {}, {}  # writer -> its next key; key -> {writer: status, None when not known}

    def enter(self, writer):
        with self.lock:
            turn = self.next[writer.number] = self.next.get(writer.number, -1) + 1
            key = f"contest/{self.number}/{turn}"
            self.outcomes.setdefault(key, {})[writer.number] = None
        answer = writer.send("PUT", key, (), [("if-none-match", "*")], self.entry(key, writer.number))
        if answer.status < 500:
            writer.expect(answer, 200, 409, 412)
            with self.lock:
                self.outcomes[key][writer.number] = answer.status

    @staticmethod
    def entry(key, number):
        return payload(f"{key} by {number}", SIZES[number % len(SIZES)])

    def verify(self, server):
        with wire.Connection(server) as connection:
            for key, outcomes in self.outcomes.items():
                winners = [w for w, status in outcomes.items() if status == 200]
                assert len(winners) <= 1, f"seed {SEED}: {key} has winners {winners}"
                allowed = winners or [w for w, status in outcomes.items() if status is None]
                answer = connection.request("GET", f"/{BUCKET}/{key}")
                if answer.status == 404:
                    refused = [w for w, status in outcomes.items() if status in (409, 412)]
                    assert not winners and not refused, f"seed {SEED}: {key} is lost: {outcomes}"
                else:
                    assert answer.body in [self.entry(key, w) for w in allowed], f"seed {SEED}: {key} holds {answer.body[:60]!r}: {outcomes}"


def test_what_was_acknowledged_survives_kill_9_and_what_was_refused_does_not_appear():
    chance = random.Random(SEED)
    writers = [Writer(n) for n in range(WRITERS)]
    with Server() as server:
        boto.client(server.url).create_bucket(Bucket=BUCKET)
        for number in range(ROUNDS):
            progress, contest = Progress(chance.randrange(1, ACKNOWLEDGED_BEFORE_KILL_MAX)), Contest(number)
            with ThreadPoolExecutor(WRITERS) as pool:
                running = [pool.submit(writer.run, server, progress, contest) for writer in writers]
                for each in running:
                    each.add_done_callback(lambda _: progress.reached.set())
                progress.reached.wait()
                server.kill()
                for each in running:
                    each.result()
            if number % CHECK_EVERY == 0:
                assert_checked(server)
            server.start()
            for writer in writers:
                writer.verify(server)
            contest.verify(server)
        assert_reclaimed(server)
        server.stop()
        assert_checked(server)
    print(f"seed {SEED}: {ROUNDS} kills, {sum(w.sequence for w in writers)} bodies sent")


def assert_checked(server):
    status, output = server.check()
    assert status == 0, f"seed {SEED}: holdfast check:\n{output}"


def assert_reclaimed(server):
    """Once uploads are aborted no staged bytes stay."""
    s3 = boto.client(server.url)
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    server.wait_until(lambda: server.metrics()["holdfast_staged_bytes"] == 0, STAGED_SECONDS_MAX, "reclaim all staged bytes")

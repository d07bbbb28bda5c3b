"""Races over real HTTP. Writers are released at one instant over keep-alive connections (`wire.volley`).

HOLDFAST_TEST_ROUNDS sets how often each is repeated (default 100).
"""

import hashlib
import threading
import urllib.parse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

from harness import wire
from harness.boto import MIB, body, keys, start_upload
from harness.server import rounds

WRITERS = 32
LATE = 4
ROUNDS = rounds(100)
LOST = {(409, "ConditionalRequestConflict", "If-None-Match"), (412, "PreconditionFailed", "If-None-Match")}


@pytest.fixture
def connections(server):
    opened = [wire.Connection(server) for _ in range(WRITERS)]
    yield opened
    for connection in opened:
        connection.close()


# ---- one winner -----------------------------------------------------------------------------------------------------
# Each returns the writers' requests for one key; the winner leaves `bodies[writer]` there.


def puts(s3, host, bucket, key, bodies, create_only):
    return [wire.request_bytes("PUT", host, f"/{bucket}/{key}", (), create_only, body) for body in bodies]


def completes(s3, host, bucket, key, bodies, create_only):
    requests = []
    for data in bodies:
        upload, document = start_upload(s3, bucket, key, [data])
        xml = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{escape(document['Parts'][0]['ETag'])}</ETag></Part></CompleteMultipartUpload>"
        requests.append(wire.request_bytes("POST", host, f"/{bucket}/{key}", [("uploadId", upload)], create_only, xml.encode()))
    return requests


def copies(s3, host, bucket, key, bodies, create_only):
    return [wire.request_bytes("PUT", host, f"/{bucket}/{key}", (), [("x-amz-copy-source", urllib.parse.quote(f"{bucket}/{source}")), *create_only])
            for source in sources(s3, bucket, bodies)]


def renames(s3, host, bucket, key, bodies, create_only):
    return [wire.request_bytes("PUT", host, f"/{bucket}/{key}", [("renameObject", "")], [("x-amz-rename-source", source), *create_only])
            for source in sources(s3, bucket, bodies)]


def sources(s3, bucket, bodies):
    names = [f"source-{writer:02}" for writer in range(len(bodies))]
    for name, data in zip(names, bodies, strict=True):
        s3.put_object(Bucket=bucket, Key=name, Body=data)
    return names


@pytest.mark.parametrize("requests_of", [puts, completes, copies, renames], ids=lambda f: f.__name__)
def test_of_32_creators_exactly_one_wins(s3, bucket, connections, requests_of):
    """Every round: one 200, all others 409 or 412, the winner's bytes are there. Over the run both refusals were seen."""
    seen = Counter()
    for number in range(ROUNDS):
        key = f"contested/{number}"
        bodies = [f"round {number} writer {writer}".encode() for writer in range(WRITERS)]
        requests = requests_of(s3, connections[0].host, bucket, key, bodies, [("if-none-match", "*")])
        answers = wire.volley(connections[:-LATE], requests[:-LATE], method=requests[0].split()[0].decode())
        answers += wire.volley(connections[-LATE:], requests[-LATE:], method=requests[0].split()[0].decode())
        winners = [writer for writer, answer in enumerate(answers) if answer.status == 200]
        assert len(winners) == 1, f"round {number}: {Counter(a.verdict for a in answers)}"
        losers = {answer.verdict for answer in answers if answer.status != 200}
        assert losers <= LOST, f"round {number}: {losers - LOST}"
        assert {a.status for a in answers[-LATE:]} == {412}, "a writer that came after a 200 must get 412"
        assert body(s3, bucket, key) == bodies[winners[0]]
        if requests_of is renames:
            assert len(keys(s3, bucket, Prefix="source-")) == WRITERS - 1, "only the winner's source may be gone"
        seen.update(a.status for a in answers)
    print(requests_of.__name__, dict(seen))
    assert seen[200] == ROUNDS and seen[409] > 0 and seen[412] >= LATE * ROUNDS


def test_creators_that_arrived_before_the_winner_get_409(server, s3, bucket, connections):
    """`100 Continue` proves that a writer has arrived and was not refused; then all bodies go at once."""
    data = b"x" * 1024
    for number in range(ROUNDS):
        path = f"/{bucket}/arrived/{number}"
        waiting = [("expect", "100-continue"), ("content-length", str(len(data)))]
        for connection in connections:
            connection.send(wire.head("PUT", connection.host, path, (), [("if-none-match", "*")], wire.UNSIGNED, waiting))
        for connection in connections:
            assert connection.receive_head_line() == "HTTP/1.1 100 Continue"
        assert Counter(a.status for a in wire.volley(connections, [data] * WRITERS)) == {200: 1, 409: WRITERS - 1}


# ---- compare and swap -----------------------------------------------------------------------------------------------


def in_threads(work, count):
    """Runs `work(number)` in `count` threads, releasing them together; returns their results."""
    gate = threading.Barrier(count)

    def start(number):
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


@pytest.mark.parametrize("by", ["etag", "generation"])
def test_a_counter_by_16_clients_is_the_number_of_its_200s(server, s3, bucket, by):
    s3.put_object(Bucket=bucket, Key="counter", Body=b"0")
    path = f"/{bucket}/counter"

    def client(_):
        won = Counter()
        with wire.Connection(server) as connection:
            for _ in range(ROUNDS):
                read = connection.request("GET", path)
                condition = ("if-match", read.headers["etag"]) if by == "etag" else (
                    "x-holdfast-if-generation-match", read.headers["x-holdfast-generation"])
                answer = connection.request("PUT", path, (), [condition], b"%d" % (int(read.body) + 1))
                won[answer.status] += 1
        return won

    answers = sum(in_threads(client, 16), Counter())
    assert set(answers) <= {200, 412}, answers
    assert int(body(s3, bucket, "counter")) == answers[200] > 0
    print(by, dict(answers))


# ---- renames under readers ------------------------------------------------------------------------------------------


def rename(connection, bucket, source, target):
    answer = connection.request("PUT", f"/{bucket}/{target}", [("renameObject", "")], [("x-amz-rename-source", source), ("if-none-match", "*")])
    assert answer.status == 200, answer


def listed(connection, bucket, prefix):
    """{key: ETag} as one listing shows it."""
    page = ElementTree.fromstring(connection.request("GET", f"/{bucket}", [("list-type", "2"), ("prefix", prefix)]).body)
    space = page.tag[:page.tag.index("}") + 1]
    return {entry.findtext(f"{space}Key"): entry.findtext(f"{space}ETag").strip('"') for entry in page.iter(f"{space}Contents")}


def while_running(work, readers):
    """Runs `work` while each of `readers` is called again and again; any exception of any of them is the test's."""
    finished = threading.Event()

    def repeat(reader):
        calls = 0
        while not finished.is_set():
            reader()
            calls += 1
        return calls

    with ThreadPoolExecutor(len(readers)) as pool:
        running = [pool.submit(repeat, reader) for reader in readers]
        try:
            work()
        finally:
            finished.set()
        calls = [each.result() for each in running]
    assert all(calls), "a reader never came to read"
    print(work.__name__, "under readers that read", calls)


def test_a_ring_of_renames_never_changes_what_is_there(server, s3, bucket):
    """Seven objects travel round eight names. Every listing, one snapshot, shows each of them exactly once."""
    names = [f"ring/{n}" for n in range(8)]
    for n, name in enumerate(names[:-1]):
        s3.put_object(Bucket=bucket, Key=name, Body=b"object %d" % n)
    expected = sorted(hashlib.md5(b"object %d" % n).hexdigest() for n in range(7))
    mover, *readers = [wire.Connection(server) for _ in range(4)]

    def ring():
        gap = len(names) - 1
        for _ in range(ROUNDS * len(names)):
            rename(mover, bucket, names[gap - 1], names[gap])
            gap = (gap - 1) % len(names)

    def lister(connection):
        def read():
            seen = listed(connection, bucket, "ring/")
            assert sorted(seen.values()) == expected, seen

        return read

    while_running(ring, [lister(connection) for connection in readers])


def test_a_get_sees_a_renamed_object_at_exactly_one_name(server, s3, bucket):
    """The object of each round moves once. Source gone: it must be at the target. At the target: the source must be gone."""
    current = {"round": 0}
    s3.put_object(Bucket=bucket, Key="from-0", Body=b"the object")
    mover, forward, backward = [wire.Connection(server) for _ in range(3)]

    def moves():
        for number in range(ROUNDS * 4):
            assert mover.request("PUT", f"/{bucket}/from-{number + 1}", (), (), b"the object").status == 200
            current["round"] = number
            rename(mover, bucket, f"from-{number}", f"to-{number}")

    def there(connection, name):
        answer = connection.request("GET", f"/{bucket}/{name}")
        assert (answer.status, answer.body) == (200, b"the object") or answer.verdict[:2] == (404, "NoSuchKey"), answer
        return answer.status == 200

    def source_first():
        number = current["round"]
        assert there(forward, f"from-{number}") or there(forward, f"to-{number}"), f"round {number}: at neither name"

    def target_first():
        number = current["round"]
        assert not (there(backward, f"to-{number}") and there(backward, f"from-{number}")), f"round {number}: at both names"

    while_running(moves, [source_first, target_first])


# ---- large bodies ---------------------------------------------------------------------------------------------------


def test_writers_of_8_mib_on_one_key_never_tear_a_body(server, s3, bucket):
    """Every body that a reader gets is one writer's whole body, and its ETag is of that body; ranged reads with If-Match never mix two."""
    path, size, writers = f"/{bucket}/large", 8 * MIB, 4
    bodies = [bytes([65 + n]) * size for n in range(writers)]
    tags = {hashlib.md5(data).hexdigest() for data in bodies}
    s3.put_object(Bucket=bucket, Key="large", Body=bodies[0])
    counts = Counter()

    def writers_of_large_bodies():
        in_threads(writer, writers)

    def writer(number):
        with wire.Connection(server) as connection:
            for _ in range(max(1, ROUNDS // writers)):
                assert connection.request("PUT", path, (), (), bodies[number]).status == 200

    def reader(connection):
        def read():
            answer = connection.request("GET", path)
            tag = answer.headers["etag"].strip('"')
            assert answer.status == 200 and tag in tags, answer
            assert hashlib.md5(answer.body).hexdigest() == tag, "a torn body, or an ETag that is not of its body"

        return read

    def pinned_reader(connection):
        def read():
            first = connection.request("GET", path, (), [("range", "bytes=0-99")])
            rest = connection.request("GET", path, (), [("range", f"bytes={size - 100}-"), ("if-match", first.headers["etag"])])
            assert rest.status == 412 or (rest.status, rest.body) == (206, first.body), rest
            counts[rest.status] += 1

        return read

    opened = [wire.Connection(server) for _ in range(3)]
    while_running(writers_of_large_bodies, [reader(opened[0]), reader(opened[1]), pinned_reader(opened[2])])
    print("ranged reads pinned by If-Match:", dict(counts))

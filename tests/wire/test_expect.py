"""Early refusal (contract section 2): a condition that is false on arrival costs the server no body bytes, and little time."""

import statistics
import time

import pytest

from harness import wire
from harness.boto import body

GIB = 1 << 30
ATTEMPTS = 40
MEDIAN_SECONDS_MAX = 0.010


@pytest.fixture
def occupied(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    return f"/{bucket}/k"


def put_head(connection, path, length, *more):
    headers = [("content-length", str(length)), *more]
    return wire.head("PUT", connection.host, path, (), [("if-none-match", "*")], wire.UNSIGNED, headers)


def test_a_refused_gibibyte_that_waits_is_never_asked_for(server, s3, bucket, occupied):
    """No `100 Continue`, 412 at once, not one body byte; the connection is then closed or serves the next request."""
    seconds = []
    for _ in range(ATTEMPTS):
        with wire.Connection(server) as connection:
            connection.request("GET", occupied)
            started = time.perf_counter()
            connection.send(put_head(connection, occupied, GIB, ("expect", "100-continue")))
            assert connection.receive_without_interim().verdict[:2] == (412, "PreconditionFailed")
            seconds.append(time.perf_counter() - started)
    assert statistics.median(seconds) < MEDIAN_SECONDS_MAX, f"median {statistics.median(seconds) * 1000:.1f} ms"
    assert body(s3, bucket, "k") == b"kept"


@pytest.mark.parametrize("condition", [("if-none-match", "*"), ("if-match", '"0000"'), ("x-holdfast-if-generation-match", "0")], ids=str)
def test_each_condition_is_judged_before_the_body(server, occupied, condition):
    with wire.Connection(server) as connection:
        headers = [("content-length", str(GIB)), ("expect", "100-continue")]
        connection.send(wire.head("PUT", connection.host, occupied, (), [condition], wire.UNSIGNED, headers))
        assert connection.receive_without_interim().verdict[:2] == (412, "PreconditionFailed")


def test_a_wanted_body_is_asked_for(server, s3, bucket):
    with wire.Connection(server) as connection:
        connection.send(put_head(connection, f"/{bucket}/new", 4, ("expect", "100-continue")))
        assert connection.receive_head_line() == "HTTP/1.1 100 Continue"
        connection.send(b"body")
        assert connection.receive().status == 200
    assert body(s3, bucket, "new") == b"body"


@pytest.mark.parametrize(("refusal", "status"), [("signature", 403), ("bucket", 404), ("too-large", 400), ("query", 400)])
def test_other_refusals_come_before_the_body_too(server, bucket, refusal, status):
    path, query, length = f"/{bucket}/k", (), GIB
    if refusal == "bucket":
        path = "/there-is-no-such-bucket/k"
    if refusal == "too-large":
        length = 5 * GIB + 1
    if refusal == "query":
        query = [("futureVerb", "")]
    with wire.Connection(server) as connection:
        head = wire.head("PUT", connection.host, path, query, (), wire.UNSIGNED, [("content-length", str(length)), ("expect", "100-continue")])
        if refusal == "signature":
            at = head.index(b", Signature=") + len(b", Signature=")
            head = head[:at] + bytes(reversed(head[at:at + 64])) + head[at + 64:]
        connection.send(head)
        assert connection.receive_without_interim().status == status


def test_a_small_refused_body_that_is_sent_anyway_leaves_the_connection_in_step(server, occupied):
    """Without Expect the client sends its body whatever the answer: it must never be read as the next request."""
    disguised = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    for _ in range(ATTEMPTS):
        with wire.Connection(server) as connection:
            connection.send(put_head(connection, occupied, len(disguised)) + disguised)
            answer = connection.receive()
            assert answer.verdict == (412, "PreconditionFailed", "If-None-Match")
            again = connection.request("GET", occupied)
            assert (again.status, again.body) == (200, b"kept")


def test_a_large_refused_body_is_answered_early_and_cut_off(server, s3, bucket, occupied):
    """A gibibyte is on its way: the answer comes while most of it is unsent, and the connection ends."""
    chunk = b"\0" * (1 << 20)
    with wire.Connection(server) as connection:
        connection.send(put_head(connection, occupied, GIB))
        connection.socket.settimeout(10)
        sent = 0
        try:
            while sent < GIB:
                sent += connection.socket.send(chunk)
        except OSError:
            pass
        assert sent < GIB // 4, f"{sent} bytes were taken of a body that was refused"
    assert body(s3, bucket, "k") == b"kept"


def test_the_answer_to_a_large_refused_body_can_be_read(server, occupied):
    """A client that looks before it sends more finds the whole 412, not a reset."""
    with wire.Connection(server) as connection:
        connection.send(put_head(connection, occupied, GIB) + b"\0" * 4096)
        assert connection.receive_without_interim().verdict[:2] == (412, "PreconditionFailed")

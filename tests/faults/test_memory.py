"""Memory is bounded by the number of requests, not by their size."""

from concurrent.futures import ThreadPoolExecutor

from harness import boto, wire
from harness.boto import MIB
from harness.server import Server

UPLOADS = 32
UPLOAD_BYTES = 256 * MIB
RESIDENT_MIB_MAX = 256
PIECE = bytes(MIB)


def test_32_concurrent_uploads_of_256_mib_and_their_reads_stay_under_256_mib():
    with Server() as server:
        bucket = boto.new_bucket(boto.client(server.url))

        def upload(number):
            with wire.Connection(server, timeout=600) as connection:
                length = [("content-length", str(UPLOAD_BYTES))]
                connection.send(wire.head("PUT", connection.host, f"/{bucket}/{number}", (), [("if-none-match", "*")], wire.UNSIGNED, length))
                for _ in range(UPLOAD_BYTES // MIB):
                    connection.send(PIECE)
                return connection.receive().status

        def download(number):
            with wire.Connection(server, timeout=600) as connection:
                connection.send(wire.request_bytes("GET", connection.host, f"/{bucket}/{number}"))
                received = 0
                while received < UPLOAD_BYTES:
                    received += len(connection.socket.recv(MIB))
                return received

        with ThreadPoolExecutor(UPLOADS) as pool:
            assert set(pool.map(upload, range(UPLOADS))) == {200}
            after_uploads = server.memory_peak_mib()
            assert min(pool.map(download, range(UPLOADS))) >= UPLOAD_BYTES
        print(f"peak resident memory: {after_uploads:.0f} MiB after the uploads, {server.memory_peak_mib():.0f} MiB after the downloads")
        assert server.memory_peak_mib() < RESIDENT_MIB_MAX

"""A raw S3 client: signs requests with SigV4 and speaks HTTP/1.1 over a plain socket.

For what SDKs cannot do: two headers of one name, bytes held back at will, many requests released at one instant.
It shares no code with the server or with any SDK.
"""

import hashlib
import hmac
import http.client
import socket
import ssl
import urllib.parse
from datetime import datetime, timezone
from xml.etree import ElementTree

from .server import ACCESS_KEY, REGION, SECRET_KEY

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def quote_path(path):
    return urllib.parse.quote(path, safe="-_.~/")


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(date, secret=SECRET_KEY):
    key = _hmac(b"AWS4" + secret.encode(), date)
    for part in (REGION, "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def canonical_query(query):
    pairs = sorted((quote(k), quote(v)) for k, v in query)
    return "&".join(f"{k}={v}" for k, v in pairs)


def sign(method, host, path, query=(), headers=(), payload_sha256=UNSIGNED, secret=SECRET_KEY, now=None):
    """The Authorization header and the x-amz headers for a request; `headers` are all signed."""
    stamp = (now or datetime.now(timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
    extra = [("x-amz-content-sha256", payload_sha256), ("x-amz-date", stamp)]
    merged = {}
    for name, value in [("host", host), *headers, *extra]:
        merged.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = sorted(merged)
    canonical = "\n".join([method, quote_path(path), canonical_query(query),
                           *(f"{n}:{','.join(merged[n])}" for n in names), "", ";".join(names), payload_sha256])
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(signing_key(stamp[:8], secret), to_sign.encode(), hashlib.sha256).hexdigest()
    authorization = f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return [*extra, ("authorization", authorization)]


def head(method, host, path, query=(), headers=(), payload_sha256=UNSIGNED, unsigned_headers=()):
    """The bytes of a signed request head. `headers` are signed, `unsigned_headers` are not."""
    target = quote_path(path) + ("?" + canonical_query(query) if query else "")
    signed = sign(method, host, path, query, headers, payload_sha256)
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
    lines += [f"{n}: {v}" for n, v in [*headers, *signed, *unsigned_headers]]
    return "\r\n".join(lines + ["", ""]).encode()


def request_bytes(method, host, path, query=(), headers=(), body=b""):
    """A whole signed request, its payload hash included."""
    sha256 = hashlib.sha256(body).hexdigest()
    length = [] if method in ("GET", "HEAD", "DELETE") and not body else [("content-length", str(len(body)))]
    return head(method, host, path, query, headers, sha256, length) + body


def signed_chunks(host, path, body, headers=(), size=64 * 1024):
    """A PutObject as STREAMING-AWS4-HMAC-SHA256-PAYLOAD: (head, [encoded chunks, the empty last one included])."""
    pieces = [body[at:at + size] for at in range(0, len(body), size)] + [b""]
    encoded = sum(len(f"{len(p):x};chunk-signature=") + 64 + 4 + len(p) for p in pieces)
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    meant = [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(len(body))), *headers]
    request = head("PUT", host, path, (), meant, kind, [("content-length", str(encoded))])
    text = request.decode("latin-1")
    previous = text.split("Signature=")[1].split("\r\n")[0]
    stamp = text.split("x-amz-date: ")[1].split("\r\n")[0]
    scope, key = f"{stamp[:8]}/{REGION}/s3/aws4_request", signing_key(stamp[:8])
    chunks = []
    for piece in pieces:
        to_sign = "\n".join([f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}", previous, EMPTY_SHA256, hashlib.sha256(piece).hexdigest()])
        previous = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        chunks.append(f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + b"\r\n")
    return request, chunks


class Answer:
    """A response read to its end."""

    def __init__(self, status, headers, body, closes=False):
        self.status, self.headers, self.body, self.closes = status, headers, body, closes

    def _element(self, name):
        if not self.body.startswith(b"<"):
            return None
        return ElementTree.fromstring(self.body).findtext(name)

    @property
    def code(self):
        return self._element("Code")

    @property
    def condition(self):
        return self._element("Condition")

    @property
    def verdict(self):
        """(status, S3 code, failed condition)"""
        return self.status, self.code, self.condition

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:500]!r}>"


class Connection:
    """One keep-alive connection."""

    def __init__(self, server, timeout=60):
        self.server, self.timeout = server, timeout
        self.host = urllib.parse.urlsplit(server.url).netloc
        self.socket = None
        self.open()

    def open(self):
        """Connects, or connects anew."""
        self.close()
        parts = urllib.parse.urlsplit(self.server.url)
        self.socket = socket.create_connection((parts.hostname, parts.port), self.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.server.ca:
            context = ssl.create_default_context(cafile=self.server.ca)
            self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.socket:
            self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, method="PUT"):
        """Reads one final response, skipping interim ones; opens a new connection when the server ends this one."""
        return self._finish(http.client.HTTPResponse(self.socket, method=method))

    def _finish(self, response):
        response.begin()
        headers = {n.lower(): v for n, v in response.getheaders()}
        closes = response.will_close
        answer = Answer(response.status, headers, response.read(), closes)
        if closes:
            self.open()
        return answer

    def receive_head_line(self):
        """Reads one interim response, byte by byte so that nothing after it is consumed; returns its status line."""
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise ConnectionError(f"closed after {received!r}")
            received += byte
        return received.split(b"\r\n", 1)[0].decode()

    def receive_without_interim(self, method="PUT"):
        """Like `receive`, but an interim response (100 Continue) is an error."""
        response = http.client.HTTPResponse(self.socket, method=method)
        version, status, reason = response._read_status()
        assert status >= 200, f"an interim response came: {status} {reason}"
        response._read_status = lambda: (version, status, reason)
        return self._finish(response)

    def request(self, method, path, query=(), headers=(), body=b""):
        self.send(request_bytes(method, self.host, path, query, headers, body))
        return self.receive(method)


def request(server, method, path, query=(), headers=(), body=b""):
    """One request on a connection of its own."""
    with Connection(server) as connection:
        return connection.request(method, path, query, headers, body)


def volley(connections, requests, method="PUT"):
    """Releases one request on each connection at one instant and returns the answers in order.

    All but the last byte of each goes first, so that nothing but 1 byte a connection stands between the server and the race.
    """
    for connection, data in zip(connections, requests, strict=True):
        connection.send(data[:-1])
    for connection, data in zip(connections, requests, strict=True):
        connection.send(data[-1:])
    return [connection.receive(method) for connection in connections]

"""A proxy that loses answers: it forwards a request, waits until the server has answered, and drops the answer."""

import select
import socket
import ssl
import threading
import urllib.parse


class LossyProxy:
    """Listens with plain HTTP on loopback and forwards to `server` (over TLS when that speaks TLS).

    After `lose_next()` the next final response is read from the server and thrown away with its connection.
    """

    def __init__(self, server):
        parts = urllib.parse.urlsplit(server.url)
        self.target, self.ca = (parts.hostname, parts.port), server.ca
        self.armed, self.lost = False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def lose_next(self):
        self.armed, self.lost = True, 0

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        upstream = socket.create_connection(self.target)
        if self.ca:
            context = ssl.create_default_context(cafile=self.ca)
            upstream = context.wrap_socket(upstream, server_hostname=self.target[0])
        try:
            self._forward(client, upstream)
        except OSError:
            pass
        finally:
            close(client)
            close(upstream)

    def _forward(self, client, upstream):
        """One thread for both directions: a TLS connection must not be read and written at the same time."""
        while True:
            readable = [upstream] if self.ca and upstream.pending() else select.select([client, upstream], [], [])[0]
            if client in readable:
                if not (data := client.recv(65536)):
                    return
                upstream.sendall(data)
            if upstream in readable:
                data = receive(upstream)
                if data == b"":
                    return
                if data and self.armed and not data.startswith(b"HTTP/1.1 100"):
                    self.armed, self.lost = False, self.lost + 1
                    return
                client.sendall(data or b"")


def receive(upstream):
    """What has come: empty at the end, None when it was a matter of TLS alone, such as a session ticket."""
    upstream.setblocking(False)
    try:
        return upstream.recv(65536)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    finally:
        upstream.setblocking(True)


def close(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()

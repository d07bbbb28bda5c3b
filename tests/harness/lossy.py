"""A proxy that loses answers: it forwards a request, waits until the server has answered, and drops the answer."""

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
        self.armed, self.lost, self.requests = False, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def lose_next(self):
        self.armed, self.lost, self.requests = True, 0, []

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
        threading.Thread(target=self._forward_requests, args=(client, upstream), daemon=True).start()
        self._forward_answers(client, upstream)

    def _forward_requests(self, client, upstream):
        try:
            while data := client.recv(65536):
                self.requests.append(data)
                upstream.sendall(data)
        except OSError:
            pass
        finally:
            close(upstream)

    def _forward_answers(self, client, upstream):
        try:
            while data := upstream.recv(65536):
                if self.armed and not data.startswith(b"HTTP/1.1 100"):
                    self.armed, self.lost = False, self.lost + 1
                    return
                client.sendall(data)
        except OSError:
            pass
        finally:
            close(client)
            close(upstream)


def close(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()

"""A Holdfast server process under test: started on free loopback ports, watched through /proc, stopped or killed.

The binary is HOLDFAST_BIN; everything else is given on the command line, so that a test never depends on a
configuration file of the machine it runs on.
"""

import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCESS_KEY = "HOLDFASTTESTACCESS01"
SECRET_KEY = "holdfast/test+secret/of-the-root-user0001"
REGION = "us-east-1"
READY_SECONDS = 30
STOP_SECONDS = 30
ROOT = Path(__file__).resolve().parents[2]


def binary():
    """The path of the server binary."""
    path = Path(os.environ.get("HOLDFAST_BIN", ROOT / "target/release/holdfast"))
    if not path.is_file():
        raise RuntimeError(f"no server binary at {path}: run tests/clients/run, which builds it, or set HOLDFAST_BIN")
    return str(path)


def rounds(default):
    """How often a race or a crash is repeated: HOLDFAST_TEST_ROUNDS, else `default`."""
    return int(os.environ.get("HOLDFAST_TEST_ROUNDS", default))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    """A certificate authority and a certificate for localhost and 127.0.0.1; returns (ca, cert, key) paths."""
    folder = Path(folder)
    ca, ca_key, cert, key, request = (folder / n for n in ("ca.pem", "ca.key", "cert.pem", "cert.key", "cert.csr"))
    extensions = folder / "extensions"
    extensions.write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n"
    )
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
        ["req", "-x509", *new_key, "-days", "2", "-keyout", ca_key, "-out", ca, "-subj", "/CN=Holdfast test CA"],
        ["req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=localhost"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-out", cert,
         "-extfile", extensions],
    ):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    return str(ca), str(cert), str(key)


class Server:
    """`with Server() as server:` runs one; `server.url` is its S3 endpoint.

    The data folder survives `stop`, `kill` and `start`; it goes when the `with` block ends, unless it was given.
    """

    def __init__(self, data=None, tls=False, arguments=()):
        self.scratch = tempfile.TemporaryDirectory(prefix="holdfast-test-")
        self.data = Path(data) if data else Path(self.scratch.name) / "data"
        self.arguments = list(arguments)
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.ca = None
        if tls:
            self.ca, cert, key = make_certificate(self.scratch.name)
            self.arguments += ["--tls-cert", cert, "--tls-key", key]
        self.log = Path(self.scratch.name) / "server.log"
        self.process = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(RuntimeError)
            raise

    def __exit__(self, failure=None, *_):
        """Stops the server. After a failure it is killed: the test has its verdict, and the log is what matters."""
        try:
            if self.process and self.alive():
                self.kill() if failure else self.stop()
        finally:
            self.scratch.cleanup()

    def start(self, ready=True):
        command = [binary(), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}",
                   "--admin-listen", f"127.0.0.1:{self.admin_port}", *self.arguments]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
        environment |= {"HOLDFAST_ROOT_ACCESS_KEY": ACCESS_KEY, "HOLDFAST_ROOT_SECRET_KEY": SECRET_KEY}
        self.process = subprocess.Popen(command, env=environment, stdout=self.log.open("ab"), stderr=subprocess.STDOUT)
        if ready:
            self.wait_until(lambda: self.health("ready") == 200, READY_SECONDS, "become ready")
        return self

    def wait_until(self, holds, seconds, what):
        """Polls until `holds()`; fails at once when the process dies, and after `seconds` otherwise."""
        deadline = time.monotonic() + seconds
        while not holds():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server did not {what} within {seconds} s:\n{self.log_tail()}")
            time.sleep(0.01)

    def stop(self):
        """SIGTERM; the server must end by itself with status 0."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_SECONDS)
        assert status == 0, f"SIGTERM ended the server with {status}:\n{self.log_tail()}"

    def kill(self):
        """SIGKILL, as a crash of the process would."""
        self.process.kill()
        self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def health(self, name):
        """The status of /health/NAME on the S3 listener, or None when nobody answers."""
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        try:
            with urllib.request.urlopen(f"{self.url}/health/{name}", timeout=5, context=context) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return None

    def metrics(self):
        """The samples of /metrics as {name with labels: value}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (l.rsplit(" ", 1) for l in lines if l and not l.startswith("#"))}

    def check(self):
        """`holdfast check` on the stopped server's data folder: (exit code, output)."""
        done = subprocess.run([binary(), "check", "--data", str(self.data)], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def memory_peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(l for l in status.splitlines() if l.startswith("VmHWM")).split()[1]) / 1024

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

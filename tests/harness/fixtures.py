"""pytest fixtures for suites that run a server of their own."""

import pytest

from . import boto
from .server import Server


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def s3(server):
    return boto.client(server.url, server.ca)


@pytest.fixture
def bucket(s3):
    return boto.new_bucket(s3)

"""Fixtures of the boto3 suite: the server of `tests/clients/run`, a default client, a fresh bucket for each test."""

import os
from types import SimpleNamespace

import pytest

from harness import boto


@pytest.fixture(scope="session")
def server():
    return SimpleNamespace(url=os.environ["HOLDFAST_URL"], ca=os.environ.get("HOLDFAST_CA"))


@pytest.fixture(scope="session")
def s3(server):
    return boto.client(server.url, server.ca)


@pytest.fixture
def bucket(s3):
    return boto.new_bucket(s3)

"""A server of its own for each test module of this folder."""

from harness.fixtures import bucket, s3, server  # noqa: F401

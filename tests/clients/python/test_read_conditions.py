"""Contract section 5: every combination of the four read conditions, on GetObject and HeadObject."""

from datetime import timedelta
from itertools import product

import pytest

from harness.boto import header, http_date, last_modified, sending, verdict

KEY = "read/me"
OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture
def values(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key=KEY, Body=b"bytes")["ETag"]
    at = last_modified(s3, bucket, KEY)
    return {"etag": etag, "bare": etag.strip('"'), "at": http_date(at), "before": http_date(at - timedelta(seconds=1)),
            "future": http_date(at + timedelta(days=1))}


def expected(if_match, unmodified, none_match, modified):
    """The order of the contract; None is a condition that was not sent."""
    if if_match is False:
        return 412, "If-Match"
    if if_match is None and unmodified is False:
        return 412, "If-Unmodified-Since"
    if none_match is False or (none_match is None and modified is False):
        return 304, None
    return 200, None


@pytest.mark.parametrize("operation", ["get_object", "head_object"])
def test_the_order_of_read_conditions(s3, bucket, values, operation):
    for truth in product([None, True, False], repeat=4):
        match, unmodified, none_match, modified = truth
        conditions = {
            "If-Match": {True: values["etag"], False: OTHER_ETAG}.get(match),
            "If-Unmodified-Since": {True: values["at"], False: values["before"]}.get(unmodified),
            "If-None-Match": {True: OTHER_ETAG, False: values["etag"]}.get(none_match),
            "If-Modified-Since": {True: values["before"], False: values["at"]}.get(modified),
        }
        conditions = {n: v for n, v in conditions.items() if v is not None}
        with sending(s3, conditions):
            status, _, condition = verdict(getattr(s3, operation), Bucket=bucket, Key=KEY)
        assert status == expected(*truth)[0], conditions
        if operation == "get_object" and status == 412:
            assert condition == expected(*truth)[1], conditions


@pytest.mark.parametrize(("conditions", "status"), [
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": "W/{etag}"}, 304),
    ({"If-None-Match": OTHER_ETAG + ", {etag}"}, 304),
    ({"If-None-Match": OTHER_ETAG + ', "b"'}, 200),
    ({"If-None-Match": "{bare}"}, 304),
    ({"If-Match": "*"}, 200),
    ({"If-Match": "{bare}"}, 200),
    ({"If-Match": OTHER_ETAG + ", {etag}"}, 200),
    ({"If-Match": "W/{etag}"}, 412),
    ({"If-Modified-Since": "{future}"}, 200),
    ({"If-Unmodified-Since": "{future}"}, 200),
], ids=str)
@pytest.mark.parametrize("operation", ["get_object", "head_object"])
def test_lists_weak_tags_stars_and_future_dates(s3, bucket, values, operation, conditions, status):
    with sending(s3, {n: v.format(**values) for n, v in conditions.items()}):
        assert verdict(getattr(s3, operation), Bucket=bucket, Key=KEY)[0] == status


def test_not_modified_carries_etag_and_date(s3, bucket, values):
    with pytest.raises(s3.exceptions.ClientError) as raised:
        s3.get_object(Bucket=bucket, Key=KEY, IfNoneMatch=values["etag"])
    assert header(raised.value.response, "etag") == values["etag"]
    assert header(raised.value.response, "last-modified") == values["at"]


def test_a_condition_on_an_absent_key_is_404(s3, bucket):
    for arguments in ({"IfMatch": OTHER_ETAG}, {"IfNoneMatch": OTHER_ETAG}, {}):
        assert verdict(s3.get_object, Bucket=bucket, Key="absent", **arguments)[:2] == (404, "NoSuchKey")
        assert verdict(s3.head_object, Bucket=bucket, Key="absent", **arguments)[0] == 404

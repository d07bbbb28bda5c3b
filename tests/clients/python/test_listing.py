"""ListObjects v1 and v2: order, prefix, delimiter, paging, odd keys, url encoding."""

import pytest

from harness import wire
from harness.boto import body, keys, verdict

TREE = ["a", "a/", "a/1", "a/2", "a//3", "b/1/x", "b/1/y", "b/2", "c", "c0", "d/"]
ODD_KEYS = [
    "//", "/leading", "trailing/", "a//b", "..", "../up", "a/../b", ".", "a/./b", "%", "%25", "%2F", "a%20b", "+", "a+b", "a b", " lead",
    "trail ", "emoji-🦀-é", "日本語/キー", "tab\there", "line\nbreak", "control\x01\x1f", "quote\"'<>&", "q?x=1&y", "#fragment", "semi;colon:",
    "back\\slash", "~tilde_-.!*()", "z" * 1024, "é" * 512, "\u202e\ufeff", "\U0010ffff", "cr\rhere", "del\x7f",
]


@pytest.fixture
def tree(s3, bucket):
    for key in TREE:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def all_pages(call, next_of, **arguments):
    contents, prefixes, pages = [], [], 0
    while True:
        page = call(**arguments)
        contents += [o["Key"] for o in page.get("Contents", [])]
        prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        pages += 1
        if not page["IsTruncated"]:
            return contents, prefixes, pages
        arguments |= next_of(page)


def v2(s3, **arguments):
    return all_pages(s3.list_objects_v2, lambda page: {"ContinuationToken": page["NextContinuationToken"]}, **arguments)


def v1(s3, **arguments):
    return all_pages(s3.list_objects, lambda page: {"Marker": page.get("NextMarker") or page["Contents"][-1]["Key"]}, **arguments)


def folded(prefix="", delimiter=None, after=""):
    """What a listing must show, computed the slow way."""
    contents, prefixes = [], []
    for key in sorted(TREE, key=str.encode):
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix):]
        if delimiter and delimiter in rest:
            common = prefix + rest[:rest.index(delimiter) + len(delimiter)]
            if common not in prefixes and common > after:
                prefixes.append(common)
        elif key > after:
            contents.append(key)
    return contents, prefixes


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
@pytest.mark.parametrize("delimiter", [None, "/", "1", "//"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "b/", "b/1", "nothing", "c"])
def test_listings_are_complete_ordered_and_folded_at_every_page_size(s3, tree, prefix, delimiter, page):
    arguments = {"Bucket": tree, "Prefix": prefix, "MaxKeys": page} | ({"Delimiter": delimiter} if delimiter else {})
    expected = folded(prefix, delimiter)
    for version in (v2, v1):
        contents, prefixes, _ = version(s3, **arguments)
        assert (contents, prefixes) == expected, version.__name__


@pytest.mark.parametrize("after", ["a", "a/", "a/1", "b", "zzz", "a/zzz"])
def test_start_after_and_marker_are_exclusive(s3, tree, after):
    expected = folded(after=after)[0]
    assert v2(s3, Bucket=tree, StartAfter=after)[0] == expected
    assert v1(s3, Bucket=tree, Marker=after)[0] == expected


def test_a_page_says_what_it_is(s3, tree):
    page = s3.list_objects_v2(Bucket=tree, MaxKeys=3, Delimiter="/", Prefix="a")
    assert (page["Name"], page["MaxKeys"], page["Delimiter"], page["Prefix"], page["KeyCount"]) == (tree, 3, "/", "a", 2)
    nothing = s3.list_objects_v2(Bucket=tree, MaxKeys=0)
    assert (nothing["KeyCount"], nothing["IsTruncated"], nothing.get("Contents")) == (0, False, None)
    assert len(s3.list_objects_v2(Bucket=tree, MaxKeys=5000)["Contents"]) == len(TREE)


def test_entries_carry_size_etag_date_and_owner_when_asked(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"12345")["ETag"]
    entry = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (entry["Key"], entry["Size"], entry["ETag"], entry["StorageClass"]) == ("k", 5, etag, "STANDARD")
    assert entry["LastModified"].replace(microsecond=0) == s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert "Owner" not in entry
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"]["ID"]


@pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
def test_any_utf8_key_is_stored_listed_copied_renamed_and_deleted(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"odd")
    assert keys(s3, bucket) == [key]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    assert body(s3, bucket, key) == b"odd"
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": key})
    assert body(s3, bucket, "copied") == b"odd"
    # XML 1.0 cannot carry every character, so that an answer that names such a key is one that parsers refuse: Quiet names none.
    assert s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": key}]}).get("Errors") is None
    assert keys(s3, bucket) == ["copied"]
    s3.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/copied")
    s3.delete_object(Bucket=bucket, Key="copied")
    assert keys(s3, bucket, Prefix=key) == [key]


def test_odd_keys_page_with_delimiters(s3, bucket):
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert v2(s3, Bucket=bucket, MaxKeys=1)[0] == sorted(ODD_KEYS, key=str.encode)
    contents, prefixes, _ = v2(s3, Bucket=bucket, MaxKeys=2, Delimiter="/")
    assert prefixes == sorted({k[:k.index("/") + 1] for k in ODD_KEYS if "/" in k}, key=str.encode)
    assert contents == sorted((k for k in ODD_KEYS if "/" not in k), key=str.encode)


@pytest.mark.parametrize(("key", "status"), [("k" * 1025, 400), ("é" * 513, 400)])
def test_a_key_that_is_too_long_is_refused(s3, bucket, key, status):
    assert verdict(s3.put_object, Bucket=bucket, Key=key, Body=b"")[:2] == (status, "KeyTooLongError")


def test_without_encoding_type_keys_are_plain_and_with_it_encoded(s3, server, bucket):
    s3.put_object(Bucket=bucket, Key="a b+c/é", Body=b"")
    plain = wire.request(server, "GET", f"/{bucket}", [("list-type", "2")])
    assert "<Key>a b+c/é</Key>" in plain.body.decode()
    encoded = wire.request(server, "GET", f"/{bucket}", [("list-type", "2"), ("encoding-type", "url")]).body.decode()
    assert "<Key>a%20b%2Bc/%C3%A9</Key>" in encoded or "<Key>a+b%2Bc/%C3%A9</Key>" in encoded
    assert "<EncodingType>url</EncodingType>" in encoded


@pytest.mark.parametrize("query", [[("max-keys", "-1")], [("max-keys", "many")], [("encoding-type", "base64")],
                                   [("list-type", "2"), ("continuation-token", "not one of ours")]], ids=str)
def test_listing_arguments_that_are_wrong_are_refused(server, bucket, query):
    answer = wire.request(server, "GET", f"/{bucket}", query)
    assert (answer.status, answer.code) == (400, "InvalidArgument")

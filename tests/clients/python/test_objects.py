"""Put, get, head, delete; ranges; metadata; tags; attributes; append."""

import hashlib

import pytest

from harness.boto import MIB, OK, PART_BYTES_MIN, body, header, multipart, sending, verdict

ALPHABET = b"abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("size", [0, 1, 4096, 64 * 1024, 64 * 1024 + 1, MIB + 7, 20 * MIB])
def test_bytes_come_back_as_they_went(s3, bucket, size):
    data = hashlib.shake_128(b"%d" % size).digest(size)
    answer = s3.put_object(Bucket=bucket, Key="k", Body=data)
    assert answer["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data
    assert (got["ETag"], got["ContentLength"], got["AcceptRanges"]) == (answer["ETag"], size, "bytes")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ETag"], head["ContentLength"], head["LastModified"]) == (got["ETag"], size, got["LastModified"])


def test_an_overwrite_replaces_everything(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"first", Metadata={"a": "1"}, ContentType="text/x-first", Tagging="t=1")
    s3.put_object(Bucket=bucket, Key="k", Body=b"second")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"second", {}, "binary/octet-stream")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


def test_a_deleted_key_is_gone_and_can_be_deleted_again(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        assert verdict(s3.delete_object, Bucket=bucket, Key="k")[0] == 204
    assert verdict(s3.get_object, Bucket=bucket, Key="k")[:2] == (404, "NoSuchKey")
    assert verdict(s3.head_object, Bucket=bucket, Key="k")[0] == 404


@pytest.mark.parametrize(("asked", "first", "last"), [
    ("bytes=0-0", 0, 0), ("bytes=2-5", 2, 5), ("bytes=20-", 20, 25), ("bytes=-6", 20, 25), ("bytes=20-999", 20, 25), ("bytes=-999", 0, 25),
    ("bytes=25-25", 25, 25),
])
def test_a_range_is_206_with_its_bytes(s3, bucket, asked, first, last):
    s3.put_object(Bucket=bucket, Key="k", Body=ALPHABET)
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["Body"].read() == ALPHABET[first:last + 1]
    assert got["ContentRange"] == f"bytes {first}-{last}/26"
    head = s3.head_object(Bucket=bucket, Key="k", Range=asked)
    assert (head["ResponseMetadata"]["HTTPStatusCode"], head["ContentLength"]) == (206, last - first + 1)


@pytest.mark.parametrize("asked", ["bytes=26-", "bytes=99-100", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(s3, bucket, asked):
    s3.put_object(Bucket=bucket, Key="k", Body=ALPHABET)
    with pytest.raises(s3.exceptions.ClientError) as raised:
        s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert raised.value.response["Error"]["Code"] == "InvalidRange"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 416


@pytest.mark.parametrize("asked", ["bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=0-1,3-4"])
def test_a_range_that_is_none_gives_the_whole(s3, bucket, asked):
    s3.put_object(Bucket=bucket, Key="k", Body=ALPHABET)
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["Body"].read()) == (200, ALPHABET)


def test_if_range_gives_the_range_only_of_that_version(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=ALPHABET)["ETag"]
    date = header(s3.head_object(Bucket=bucket, Key="k"), "last-modified")
    for value, status in ((etag, 206), ('"other"', 200), (date, 206), ("Mon, 01 Jan 2001 00:00:00 GMT", 200)):
        with sending(s3, {"If-Range": value}):
            got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=1-3")
        assert got["ResponseMetadata"]["HTTPStatusCode"] == status, value
        assert got["Body"].read() == (ALPHABET[1:4] if status == 206 else ALPHABET)


def test_part_numbers_read_single_parts(s3, bucket):
    parts = [b"a" * PART_BYTES_MIN, b"b" * (PART_BYTES_MIN + 1), b"tail"]
    multipart(s3, bucket, "k", parts)
    for number, part in enumerate(parts, 1):
        got = s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        assert (got["ResponseMetadata"]["HTTPStatusCode"], got["PartsCount"], got["Body"].read()) == (206, 3, part)
        assert s3.head_object(Bucket=bucket, Key="k", PartNumber=number)["ContentLength"] == len(part)
    assert verdict(s3.get_object, Bucket=bucket, Key="k", PartNumber=4)[0] == 416
    s3.put_object(Bucket=bucket, Key="single", Body=ALPHABET)
    assert s3.get_object(Bucket=bucket, Key="single", PartNumber=1)["Body"].read() == ALPHABET
    assert verdict(s3.get_object, Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1")[0] == 400


def test_a_range_may_span_parts(s3, bucket):
    multipart(s3, bucket, "k", [b"a" * PART_BYTES_MIN, b"b" * 100])
    asked = f"bytes={PART_BYTES_MIN - 3}-{PART_BYTES_MIN + 2}"
    assert s3.get_object(Bucket=bucket, Key="k", Range=asked)["Body"].read() == b"aaabbb"


def test_response_headers_can_be_overridden(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain", CacheControl="no-store")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="application/x-other", ResponseCacheControl="max-age=1",
                        ResponseContentDisposition='attachment; filename="a b.txt"', ResponseContentEncoding="identity",
                        ResponseContentLanguage="de", ResponseExpires="Thu, 01 Dec 2033 16:00:00 GMT")
    headers = got["ResponseMetadata"]["HTTPHeaders"]
    assert {n: headers[n] for n in ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")} == {
        "content-type": "application/x-other", "cache-control": "max-age=1", "content-disposition": 'attachment; filename="a b.txt"',
        "content-encoding": "identity", "content-language": "de", "expires": "Thu, 01 Dec 2033 16:00:00 GMT"}
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"


STANDARD = {"ContentType": "application/x-tar; charset=utf-8", "CacheControl": "max-age=60, must-revalidate", "ContentLanguage": "en, de",
            "ContentDisposition": 'attachment; filename="model.bin"', "ContentEncoding": "zstd", "WebsiteRedirectLocation": "/elsewhere"}
METADATA = {"writer": "rank-0", "with-dash": "x", "empty": "", "spaces": "two  spaces inside", "punctuation": "a=b;c,d\"e'(f)", "number": "00012"}


@pytest.mark.parametrize("how", ["put", "multipart", "copy", "rename"])
def test_metadata_and_standard_headers_round_trip(s3, bucket, how):
    if how == "multipart":
        multipart(s3, bucket, "k", [b"x"], Metadata=METADATA, **STANDARD)
    else:
        s3.put_object(Bucket=bucket, Key="k" if how == "put" else "source", Body=b"x", Metadata=METADATA, **STANDARD)
    if how == "copy":
        s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source")
    if how == "rename":
        s3.rename_object(Bucket=bucket, Key="k", RenameSource="source")
    for got in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert got["Metadata"] == METADATA
        assert {n: got[n] for n in STANDARD} == STANDARD


def test_the_expires_header_round_trips(s3, bucket):
    from datetime import datetime, timezone

    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=datetime(2033, 12, 1, 16, tzinfo=timezone.utc))
    assert header(s3.head_object(Bucket=bucket, Key="k"), "expires") == "Thu, 01 Dec 2033 16:00:00 GMT"


def test_aws_chunked_is_not_part_of_the_content_encoding(s3, bucket):
    with sending(s3, {"Content-Encoding": "gzip"}):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert "aws-chunked" not in s3.head_object(Bucket=bucket, Key="k").get("ContentEncoding", "")


def test_metadata_beyond_two_kibibytes_is_refused(s3, bucket):
    assert verdict(s3.put_object, Bucket=bucket, Key="k", Body=b"x", Metadata={"big": "v" * 2049})[:2] == (400, "MetadataTooLarge")
    assert verdict(s3.head_object, Bucket=bucket, Key="k")[0] == 404


def test_object_tags_live_beside_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="one=1&two=a%20b%26c")
    first = s3.head_object(Bucket=bucket, Key="k")
    assert tags(s3, bucket) == {"one": "1", "two": "a b&c"}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "three", "Value": "3"}]})
    assert tags(s3, bucket) == {"three": "3"}
    assert verdict(s3.delete_object_tagging, Bucket=bucket, Key="k")[0] == 204
    assert tags(s3, bucket) == {}
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] == first["ETag"]
    too_many = {"TagSet": [{"Key": f"k{n}", "Value": "v"} for n in range(11)]}
    assert verdict(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=too_many)[0] == 400
    assert verdict(s3.get_object_tagging, Bucket=bucket, Key="absent")[:2] == (404, "NoSuchKey")


def tags(s3, bucket):
    return {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]}


def test_get_object_attributes(s3, bucket):
    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    etag = s3.put_object(Bucket=bucket, Key="k", Body=ALPHABET, ChecksumAlgorithm="SHA256")["ETag"]
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    assert (got["ETag"], got["ObjectSize"], got["StorageClass"]) == (etag.strip('"'), 26, "STANDARD")
    assert got["Checksum"]["ChecksumSHA256"]
    assert "ETag" not in s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    multipart(s3, bucket, "m", [b"a" * PART_BYTES_MIN, b"b"], ChecksumAlgorithm="SHA256")
    parts = s3.get_object_attributes(Bucket=bucket, Key="m", ObjectAttributes=wanted)["ObjectParts"]
    assert (parts["TotalPartsCount"], [p["Size"] for p in parts["Parts"]]) == (2, [PART_BYTES_MIN, 1])
    assert verdict(s3.get_object_attributes, Bucket=bucket, Key="absent", ObjectAttributes=wanted)[:2] == (404, "NoSuchKey")


def test_append_grows_an_object_at_its_end_only(s3, bucket):
    assert verdict(s3.put_object, Bucket=bucket, Key="log", Body=b"one ", WriteOffsetBytes=0) == OK
    assert verdict(s3.put_object, Bucket=bucket, Key="log", Body=b"two ", WriteOffsetBytes=4) == OK
    for offset in (0, 4, 9):
        assert verdict(s3.put_object, Bucket=bucket, Key="log", Body=b"!", WriteOffsetBytes=offset)[:2] == (400, "InvalidWriteOffset")
    etag = s3.head_object(Bucket=bucket, Key="log")["ETag"]
    assert verdict(s3.put_object, Bucket=bucket, Key="log", Body=b"!", WriteOffsetBytes=8, IfMatch='"0000"')[0] == 412
    assert verdict(s3.put_object, Bucket=bucket, Key="log", Body=b"three", WriteOffsetBytes=8, IfMatch=etag) == OK
    assert body(s3, bucket, "log") == b"one two three"


@pytest.mark.parametrize("first", [100, 64 * 1024, PART_BYTES_MIN])
def test_append_holds_for_small_and_large_bodies(s3, bucket, first):
    pieces = [b"a" * first, b"b" * (70 * 1024), b"c"]
    offset = 0
    for piece in pieces:
        s3.put_object(Bucket=bucket, Key="log", Body=piece, WriteOffsetBytes=offset)
        offset += len(piece)
    assert body(s3, bucket, "log") == b"".join(pieces)


def test_upload_file_and_download_file_use_multipart(s3, bucket, tmp_path):
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    for size in (1000, 8 * MIB - 1, 33 * MIB + 5):
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(hashlib.shake_128(b"%d" % size).digest(size))
        s3.upload_file(str(source), bucket, "k", Config=config, ExtraArgs={"Metadata": {"a": "b"}})
        assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-5"') == (size > 8 * MIB)
        s3.download_file(bucket, "k", str(target), Config=config)
        assert target.read_bytes() == source.read_bytes()
        s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copied", Config=config)
        assert body(s3, bucket, "copied") == source.read_bytes()


def test_a_stream_uploads_with_its_trailer(s3, bucket, tmp_path):
    """A file object makes botocore send aws-chunked with a trailing checksum, and Expect: 100-continue."""
    path = tmp_path / "stream"
    path.write_bytes(b"s" * (3 * MIB))
    with path.open("rb") as stream:
        s3.put_object(Bucket=bucket, Key="k", Body=stream)
    assert body(s3, bucket, "k") == b"s" * (3 * MIB)

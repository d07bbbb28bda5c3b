"""The five checksum algorithms: verified, stored, returned; FULL_OBJECT and COMPOSITE; and digests that are wrong."""

import base64
import hashlib
import zlib

import pytest

from harness.boto import OK, PART_BYTES_MIN, body, header, keys, sending, verdict

ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
# The check values of the CRC catalogue for b"123456789", and the digests of the same bytes.
CHECK = b"123456789"
KNOWN = {
    "CRC32": base64.b64encode((0xCBF43926).to_bytes(4, "big")).decode(),
    "CRC32C": base64.b64encode((0xE3069283).to_bytes(4, "big")).decode(),
    "CRC64NVME": base64.b64encode((0xAE8B14860A799888).to_bytes(8, "big")).decode(),
    "SHA1": base64.b64encode(hashlib.sha1(CHECK).digest()).decode(),
    "SHA256": base64.b64encode(hashlib.sha256(CHECK).digest()).decode(),
}
A = b"a" * PART_BYTES_MIN


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_asked_for_is_stored_and_returned(s3, bucket, algorithm):
    field = f"Checksum{algorithm}"
    assert s3.put_object(Bucket=bucket, Key="k", Body=CHECK, ChecksumAlgorithm=algorithm)[field] == KNOWN[algorithm]
    for read in (s3.get_object, s3.head_object):
        got = read(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (got[field], got["ChecksumType"]) == (KNOWN[algorithm], "FULL_OBJECT")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert listed["ChecksumAlgorithm"] == [algorithm]
    assert body(s3, bucket, "k") == CHECK


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_given_as_a_value_is_verified(s3, bucket, algorithm):
    field = f"Checksum{algorithm}"
    assert s3.put_object(Bucket=bucket, Key="k", Body=CHECK, **{field: KNOWN[algorithm]})[field] == KNOWN[algorithm]
    status, code, _ = verdict(s3.put_object, Bucket=bucket, Key="wrong", Body=b"other bytes", **{field: KNOWN[algorithm]})
    assert (status, code) == (400, "BadDigest")
    assert keys(s3, bucket) == ["k"]


def test_the_default_checksum_is_kept(s3, bucket):
    """Today's default of boto3 is a CRC; whichever it is, it must come back and verify."""
    put = s3.put_object(Bucket=bucket, Key="k", Body=CHECK)
    sent = {n: v for n, v in put.items() if n.startswith("Checksum") and n != "ChecksumType"}
    assert len(sent) == 1
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert {n: got[n] for n in sent} == sent


def test_without_any_checksum_a_body_is_still_taken(s3, bucket, server):
    from harness import boto

    plain = boto.client(server.url, server.ca, request_checksum_calculation="when_required", response_checksum_validation="when_required")
    assert verdict(plain.put_object, Bucket=bucket, Key="k", Body=CHECK) == OK
    assert body(s3, bucket, "k") == CHECK


def test_a_wrong_content_md5_is_refused(s3, bucket):
    right = base64.b64encode(hashlib.md5(CHECK).digest()).decode()
    assert verdict(s3.put_object, Bucket=bucket, Key="k", Body=CHECK, ContentMD5=right) == OK
    assert verdict(s3.put_object, Bucket=bucket, Key="k", Body=b"other", ContentMD5=right)[:2] == (400, "BadDigest")
    with sending(s3, {"Content-MD5": "not-base64!"}):
        assert verdict(s3.put_object, Bucket=bucket, Key="k", Body=CHECK)[:2] == (400, "InvalidDigest")
    assert body(s3, bucket, "k") == CHECK


def upload_in_parts(s3, bucket, algorithm, kind, parts):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)["UploadId"]
    sent = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm=algorithm)
        sent.append({"PartNumber": number, "ETag": answer["ETag"], f"Checksum{algorithm}": answer[f"Checksum{algorithm}"]})
    return upload, sent


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums_are_the_checksum_of_checksums(s3, bucket, algorithm):
    field = f"Checksum{algorithm}"
    upload, parts = upload_in_parts(s3, bucket, algorithm, "COMPOSITE", [A, CHECK])
    assert parts[1][field] == KNOWN[algorithm]
    answer = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    joined = b"".join(base64.b64decode(p[field]) for p in parts)
    s3.put_object(Bucket=bucket, Key="joined", Body=joined, ChecksumAlgorithm=algorithm)
    of_joined = s3.head_object(Bucket=bucket, Key="joined", ChecksumMode="ENABLED")[field]
    assert (answer[field], answer["ChecksumType"]) == (f"{of_joined}-2", "COMPOSITE")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (f"{of_joined}-2", "COMPOSITE")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_full_object_checksums_are_those_of_the_whole(s3, bucket, algorithm):
    field = f"Checksum{algorithm}"
    upload, parts = upload_in_parts(s3, bucket, algorithm, "FULL_OBJECT", [A, CHECK])
    answer = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    whole = s3.put_object(Bucket=bucket, Key="whole", Body=A + CHECK, ChecksumAlgorithm=algorithm)[field]
    if algorithm == "CRC32":
        assert whole == base64.b64encode(zlib.crc32(A + CHECK).to_bytes(4, "big")).decode()
    assert (answer[field], answer["ChecksumType"]) == (whole, "FULL_OBJECT")
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[field], got["ChecksumType"]) == (A + CHECK, whole, "FULL_OBJECT")


def test_a_full_object_checksum_given_at_completion_is_verified(s3, bucket):
    upload, parts = upload_in_parts(s3, bucket, "CRC32", "FULL_OBJECT", [A, CHECK])
    arguments = {"Bucket": bucket, "Key": "k", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    assert verdict(s3.complete_multipart_upload, **arguments, ChecksumCRC32=KNOWN["CRC32"])[:2] == (400, "BadDigest")
    right = base64.b64encode(zlib.crc32(A + CHECK).to_bytes(4, "big")).decode()
    assert verdict(s3.complete_multipart_upload, **arguments, ChecksumCRC32=right) == OK


@pytest.mark.parametrize(("algorithm", "kind"), [("SHA256", "FULL_OBJECT"), ("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")])
def test_kinds_that_an_algorithm_cannot_have_are_refused(s3, bucket, algorithm, kind):
    assert verdict(s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)[:2] == (
        400, "InvalidRequest")


def test_a_part_checksum_in_the_document_must_be_that_of_the_part(s3, bucket):
    upload, parts = upload_in_parts(s3, bucket, "SHA256", "COMPOSITE", [A, CHECK])
    wrong = [parts[0] | {"ChecksumSHA256": KNOWN["SHA256"]}, parts[1]]
    assert verdict(s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": wrong})[:2] == (
        400, "InvalidPart")


def test_checksums_travel_with_copy_and_rename(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=CHECK, ChecksumAlgorithm="CRC32C")
    s3.copy_object(Bucket=bucket, Key="copied", CopySource=f"{bucket}/source")
    s3.rename_object(Bucket=bucket, Key="renamed", RenameSource="source")
    for key in ("copied", "renamed"):
        assert s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["ChecksumCRC32C"] == KNOWN["CRC32C"]


def test_without_checksum_mode_reads_show_none(s3, bucket, server):
    from harness import boto

    s3.put_object(Bucket=bucket, Key="k", Body=CHECK, ChecksumAlgorithm="CRC32")
    quiet = boto.client(server.url, server.ca, response_checksum_validation="when_required")
    assert header(quiet.head_object(Bucket=bucket, Key="k"), "x-amz-checksum-crc32") is None

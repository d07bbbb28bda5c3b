// The JavaScript SDK v3 with its default settings. Streams go with Expect: 100-continue, aws-chunked and no Content-Length.

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { before, test } from "node:test";
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand,
  DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, ListPartsCommand, PutObjectCommand,
  RenameObjectCommand, S3Client, UploadPartCommand, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const MIB = 1024 * 1024;
const OTHER_ETAG = '"0123456789abcdef0123456789abcdef"';
const Bucket = `bucket-${randomUUID()}`;
const settings = { endpoint: process.env.HOLDFAST_URL, region: process.env.AWS_REGION, forcePathStyle: true };
const s3 = new S3Client(settings);
let unique = 0;

const fresh = () => `key ${unique++}/ü+%`;
const send = (command) => s3.send(command);
const put = (Key, Body, more = {}) => send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const text = async (Key) => (await send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString();

/** A stream that the SDK cannot measure. */
function streamOf(bytes, piece = 64 * 1024) {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
  return Readable.from(pieces);
}

/** The command must be refused with this status and this code, parsed from the body. */
async function refused(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.deepEqual([error.$metadata?.httpStatusCode, error.name], [status, code]);
    return true;
  });
}

async function startUpload(Key, parts) {
  const { UploadId } = await send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts = [];
  for (const [index, Body] of parts.entries()) {
    const { ETag } = await send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1, Body }));
    Parts.push({ PartNumber: index + 1, ETag });
  }
  return { Bucket, Key, UploadId, MultipartUpload: { Parts } };
}

before(() => send(new CreateBucketCommand({ Bucket })));

test("bytes, metadata and headers come back as they went", async () => {
  const Key = fresh();
  const bytes = randomBytes(300_000);
  const { ETag } = await put(Key, bytes, { Metadata: { writer: "rank-0" }, ContentType: "text/x-mine", CacheControl: "no-store" });
  assert.equal(ETag, `"${createHash("md5").update(bytes).digest("hex")}"`);
  const got = await send(new GetObjectCommand({ Bucket, Key }));
  assert.deepEqual([got.ETag, got.Metadata, got.ContentType, got.CacheControl], [ETag, { writer: "rank-0" }, "text/x-mine", "no-store"]);
  assert.ok(bytes.equals(Buffer.from(await got.Body.transformToByteArray())));
});

test("a stream with a known length is put", async () => {
  const Key = fresh();
  const bytes = randomBytes(2 * MIB + 3);
  await put(Key, streamOf(bytes), { ContentLength: bytes.length });
  const got = await send(new GetObjectCommand({ Bucket, Key }));
  assert.ok(bytes.equals(Buffer.from(await got.Body.transformToByteArray())));
});

test("a put with If-None-Match wins once, and the refusal has its code", async () => {
  const Key = fresh();
  await put(Key, "first", { IfNoneMatch: "*" });
  await refused(put(Key, "second", { IfNoneMatch: "*" }), 412, "PreconditionFailed");
  await refused(put(Key, streamOf(randomBytes(5 * MIB)), { IfNoneMatch: "*", ContentLength: 5 * MIB }), 412, "PreconditionFailed");
  assert.equal(await text(Key), "first");
});

test("a put with If-Match swaps only what was read", async () => {
  const Key = fresh();
  await refused(put(Key, "x", { IfMatch: OTHER_ETAG }), 404, "NoSuchKey");
  const { ETag } = await put(Key, "first");
  await refused(put(Key, "x", { IfMatch: OTHER_ETAG }), 412, "PreconditionFailed");
  await put(Key, "second", { IfMatch: ETag });
  assert.equal(await text(Key), "second");
});

test("a complete with a condition", async () => {
  const Key = fresh();
  const upload = await startUpload(Key, [randomBytes(5 * MIB), Buffer.from("tail")]);
  const { ETag } = await put(Key, "rival");
  await refused(send(new CompleteMultipartUploadCommand({ ...upload, IfNoneMatch: "*" })), 412, "PreconditionFailed");
  assert.equal((await send(new ListPartsCommand({ Bucket, Key, UploadId: upload.UploadId }))).Parts.length, 2);
  await send(new CompleteMultipartUploadCommand({ ...upload, IfMatch: ETag }));
  assert.equal((await send(new HeadObjectCommand({ Bucket, Key }))).ContentLength, 5 * MIB + 4);
});

test("lib-storage uploads a stream of unknown length in parts, conditionally too", async () => {
  const Key = fresh();
  const bytes = randomBytes(17 * MIB + 11);
  const upload = () => new Upload({ client: s3, params: { Bucket, Key, Body: streamOf(bytes), IfNoneMatch: "*" }, partSize: 5 * MIB }).done();
  assert.match((await upload()).ETag, /-4"$/);
  await refused(upload(), 412, "PreconditionFailed");
  const got = await send(new GetObjectCommand({ Bucket, Key }));
  assert.ok(bytes.equals(Buffer.from(await got.Body.transformToByteArray())));
});

test("copy and rename with conditions on both ends", async () => {
  const [source, target] = [fresh(), fresh()];
  const { ETag } = await put(source, "moved");
  const copy = (more) => send(new CopyObjectCommand({ Bucket, Key: target, CopySource: encodeURI(`${Bucket}/${source}`).replaceAll("+", "%2B"), ...more }));
  await copy({ IfNoneMatch: "*" });
  await refused(copy({ IfNoneMatch: "*" }), 412, "PreconditionFailed");
  await refused(copy({ CopySourceIfMatch: OTHER_ETAG }), 412, "PreconditionFailed");
  await copy({ IfMatch: ETag, CopySourceIfMatch: ETag });
  const rename = (more) => send(new RenameObjectCommand({ Bucket, Key: target, RenameSource: encodeURIComponent(source), ...more }));
  await refused(rename({ DestinationIfNoneMatch: "*" }), 412, "PreconditionFailed");
  await refused(rename({ SourceIfMatch: OTHER_ETAG }), 412, "PreconditionFailed");
  await rename({ DestinationIfMatch: ETag, SourceIfMatch: ETag });
  assert.equal(await text(target), "moved");
  await refused(text(source), 404, "NoSuchKey");
});

test("deletes with conditions, one and many", async () => {
  const [one, two] = [fresh(), fresh()];
  const { ETag } = await put(one, "1");
  await put(two, "2");
  await refused(send(new DeleteObjectCommand({ Bucket, Key: one, IfMatch: OTHER_ETAG })), 412, "PreconditionFailed");
  const { Deleted, Errors } = await send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: one, ETag }, { Key: two, ETag: OTHER_ETAG }] } }));
  assert.deepEqual([Deleted.map((d) => d.Key), Errors.map((e) => [e.Key, e.Code])], [[one], [[two, "PreconditionFailed"]]]);
});

test("a listing pages through odd keys", async () => {
  const names = ["a//b", "a/../b", "a b", "a+b", "a%b", "a🦀", "a\u0001"].map((n) => `list/${n}`);
  for (const name of names) await put(name, "");
  const seen = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket, Prefix: "list/" })) seen.push(...page.Contents.map((o) => o.Key));
  assert.deepEqual(seen.sort(), names.sort());
  const folded = await send(new ListObjectsV2Command({ Bucket, Prefix: "list/", Delimiter: "/" }));
  assert.deepEqual(folded.CommonPrefixes.map((p) => p.Prefix), ["list/a/"]);
});

test("presigned URLs work with fetch", async () => {
  const Key = fresh();
  // By default the SDK presigns the checksum of an empty body, which no upload can meet.
  const signer = new S3Client({ ...settings, requestChecksumCalculation: "WHEN_REQUIRED" });
  const url = await getSignedUrl(signer, new PutObjectCommand({ Bucket, Key, IfNoneMatch: "*" }), { expiresIn: 60 });
  const headers = new URL(url).searchParams.get("X-Amz-SignedHeaders").split(";").includes("if-none-match") ? { "if-none-match": "*" } : {};
  assert.equal((await fetch(url, { method: "PUT", body: "by url", headers })).status, 200);
  assert.equal((await fetch(url, { method: "PUT", body: "again", headers })).status, 412);
  assert.equal(await (await fetch(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 }))).text(), "by url");
});

test("an aborted upload is gone", async () => {
  const upload = await startUpload(fresh(), [Buffer.from("x")]);
  await send(new AbortMultipartUploadCommand(upload));
  await refused(send(new CompleteMultipartUploadCommand(upload)), 404, "NoSuchUpload");
});

"""The store in a bucket: AWS S3, Cloudflare R2, or any server that honours conditional puts (RFC 9110, section 13).

Checksums are sent only where required: R2 refuses the trailers that boto3 adds by default.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import copy
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from shared.errors import NotFound, StorageFailed
from shared.references import check_key
from shared.storage.base import ObjectInfo, SignedUpload, StoredObject, content_type_of, too_large
from shared.storage.signing import content_disposition, window

_TRANSFER = TransferConfig(multipart_threshold=64 << 20, multipart_chunksize=32 << 20, max_concurrency=4)
_CONFLICT_PAUSES_SECONDS: tuple[float, ...] = (0.1, 0.3, 1.0)
_LONGEST_EXPIRY_SECONDS = 7 * 24 * 3600
_VIRTUAL_STYLE_HOSTS = (".amazonaws.com", ".r2.cloudflarestorage.com")


def _client(
    bucket: str,
    endpoint_url: str | None,
    region: str | None,
    key_id: str | None,
    secret: str | None,
    timeout: float | None = None,
) -> BaseClient:
    host = urlsplit(endpoint_url or "https://s3.amazonaws.com").hostname or ""
    # No certificate covers a bucket name with a dot in it as a part of the host.
    virtual_style = host.endswith(_VIRTUAL_STYLE_HOSTS) and "." not in bucket
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region or ("auto" if endpoint_url else "us-east-1"),
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "virtual" if virtual_style else "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=timeout / 2 if timeout else 5,
            read_timeout=timeout / 2 if timeout else 30,
            retries={"mode": "standard", "total_max_attempts": 1 if timeout else 4},
            max_pool_connections=32,
        ),
    )


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _was_retried(error: ClientError) -> bool:
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


def _is_missing(error: ClientError) -> bool:
    # HEAD has no body, so there the code is the bare status and a missing bucket looks like a missing key.
    return error.response["Error"]["Code"] in ("NoSuchKey", "404", "NotFound")


def _explain(error: BaseException | None) -> StorageFailed:
    match error:
        case NoCredentialsError():
            return StorageFailed("The bucket needs an access key.", retryable=False)
        case ClientError() if error.response["Error"]["Code"] == "NoSuchBucket":
            return StorageFailed("There is no such bucket.", retryable=False)
        case ClientError() if _status(error) in (401, 403):
            return StorageFailed("The bucket refused the access key.", retryable=False)
        case ClientError():
            return StorageFailed(f"The bucket answered {_status(error)}.")
        case _:
            return StorageFailed("The bucket did not answer.")


@contextmanager
def _failures_in_words() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _explain(error) from error
    except Boto3Error as error:
        # A failed transfer keeps what really happened only as its context.
        raise _explain(error.__context__) from error
    except OSError as error:
        raise StorageFailed("The file could not be read or written on this machine's disk.") from error


class S3Store:
    """Objects in one bucket. With `public_base_url` objects are read there, unsigned."""

    def __init__(
        self,
        bucket: str,
        endpoint_url: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        public_base_url: str | None = None,
    ) -> None:
        self.name = f"s3://{bucket}@{urlsplit(endpoint_url or 'https://s3.amazonaws.com').netloc}"
        self._bucket = bucket
        self._public_base_url = public_base_url
        self._open_client = partial(_client, bucket, endpoint_url, region, access_key_id, secret_access_key)
        self._client = self._open_client()
        self._conflict_pauses = _CONFLICT_PAUSES_SECONDS
        self._hurried: dict[float, S3Store] = {}
        # Conditional puts that may have arrived though no answer was heard; see _put_if.
        self._unheard: set[tuple[str, bytes]] = set()
        self._signed_in_window = lru_cache(maxsize=4096)(self._sign_get)

    def with_timeout(self, seconds: float) -> S3Store:
        """See ObjectStore. Made once and kept: a client costs tens of milliseconds."""
        if seconds not in self._hurried:
            hurried = copy(self)
            hurried._client = self._open_client(timeout=seconds)
            hurried._conflict_pauses = ()
            hurried._unheard = set()
            self._hurried[seconds] = hurried
        return self._hurried[seconds]

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/json") -> str | None:
        """See ObjectStore. Bodies of racing writers must differ, see `_put_if`."""
        return self._put_if(key, body, content_type, IfNoneMatch="*")

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:
        """See ObjectStore. Bodies of racing writers must differ, see `_put_if`."""
        return self._put_if(key, body, content_type, IfMatch=etag)

    def get(self, key: str, max_bytes: int = 1_000_000) -> StoredObject | None:
        """See ObjectStore."""
        with _failures_in_words():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=check_key(key))
            except ClientError as error:
                if _is_missing(error):
                    return None
                raise
            with closing(answer["Body"]) as body:
                if answer["ContentLength"] > max_bytes:
                    raise StorageFailed("The object is larger than expected.", retryable=False)
                return StoredObject(body.read(), answer["ETag"])

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        with _failures_in_words():
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=check_key(key))
            except ClientError as error:
                if _is_missing(error):
                    return None
                raise
        content_type = answer.get("ContentType", "application/octet-stream")
        return ObjectInfo(key, answer["ContentLength"], answer["ETag"], content_type, answer["LastModified"])

    def upload(self, path: Path, key: str, content_type: str) -> None:
        """See ObjectStore."""
        arguments = {"ContentType": content_type}
        with _failures_in_words():
            self._client.upload_file(str(path), self._bucket, check_key(key), ExtraArgs=arguments, Config=_TRANSFER)

    def download(self, key: str, path: Path, max_bytes: int) -> int:
        """See ObjectStore."""
        info = self.head(key)
        if info is None:
            raise NotFound("There is no such file in the store.")
        if info.bytes > max_bytes:
            raise too_large(max_bytes)
        with _failures_in_words():
            self._client.download_file(self._bucket, key, str(path), Config=_TRANSFER)
        return path.stat().st_size

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with _failures_in_words():
            self._client.delete_object(Bucket=self._bucket, Key=check_key(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See ObjectStore. A listing carries no content types: here they are what the keys' extensions stand for."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with _failures_in_words():
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"]
                    yield ObjectInfo(key, item["Size"], item["ETag"], content_type_of(key), item["LastModified"])

    def signed_get(self, key: str, expires_in: int, filename: str | None = None) -> str:
        """See ObjectStore. The same URL is handed out again for a while, so that what it names can be cached."""
        check_key(key)
        if self._public_base_url:
            return f"{self._public_base_url.rstrip('/')}/{key}"
        step = window(expires_in)
        return self._signed_in_window(key, expires_in + step, filename, time.time() // step)

    def signed_put(self, key: str, content_type: str, length: int, expires_in: int) -> SignedUpload:
        """See ObjectStore. The client's own Content-Length is signed too; browsers send it by themselves."""
        wanted = {"ContentType": content_type, "ContentLength": length, "IfNoneMatch": "*"}
        url = self._presign("put_object", check_key(key), expires_in, wanted)
        return SignedUpload(url, {"Content-Type": content_type, "If-None-Match": "*"})

    def _put_if(self, key: str, body: bytes, content_type: str, **condition: str) -> str | None:
        """Put under a condition; None when it did not hold.

        A put whose answer was lost is sent again, by boto3 or by our caller, and then its condition fails because of
        our own first put. So when a put that was sent before is refused, what lies there decides: our very bytes are
        our win. Claims and results name who wrote them, so no two writers send the same bytes.
        """
        put = (check_key(key), body)
        sent_before = put in self._unheard
        try:
            with _failures_in_words():
                etag, retried = self._put_until_answered(key, body, content_type, condition)
                if etag is None and (sent_before or retried):
                    etag = self._etag_if_ours(key, body)
        except StorageFailed:
            self._unheard.add(put)
            raise
        self._unheard.discard(put)
        return etag

    def _put_until_answered(
        self, key: str, body: bytes, content_type: str, condition: dict[str, str]
    ) -> tuple[str | None, bool]:
        """The new ETag or None, and whether the put was sent more than once before it was refused."""
        arguments = {"Bucket": self._bucket, "Key": key, "Body": body, "ContentType": content_type} | condition
        retried = False
        for pause in (*self._conflict_pauses, None):
            try:
                return str(self._client.put_object(**arguments)["ETag"]), retried
            except ClientError as error:
                retried = retried or _was_retried(error)
                if _status(error) == 412 or ("IfMatch" in condition and _is_missing(error)):
                    break
                # 409: another put of this key is under way at this moment, so neither has lost yet.
                if _status(error) != 409 or pause is None:
                    raise
                time.sleep(pause)
        return None, retried

    def _etag_if_ours(self, key: str, body: bytes) -> str | None:
        found = self.get(key, max(len(body), 1_000_000))
        return found.etag if found and found.body == body else None

    def _sign_get(self, key: str, expires_in: int, filename: str | None, _window: float) -> str:
        offered = {} if filename is None else {"ResponseContentDisposition": content_disposition(filename)}
        return self._presign("get_object", key, min(expires_in, _LONGEST_EXPIRY_SECONDS), offered)

    def _presign(self, method: str, key: str, expires_in: int, arguments: dict[str, Any]) -> str:
        wanted = {"Bucket": self._bucket, "Key": key} | arguments
        with _failures_in_words():
            return str(self._client.generate_presigned_url(method, Params=wanted, ExpiresIn=expires_in))

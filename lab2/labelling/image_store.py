"""The images in the bucket, `underbase/<first 12 hex digits of the SHA-256>-<file name>`: sample, fetch, store."""

from __future__ import annotations

import hashlib
import mimetypes
import random
import re
import threading
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from lab2.aws.errors import EXISTS_CODES, RACE_CODES, error_code, user_errors
from lab2.aws.keys import is_missing
from lab2.aws.resources import IMAGE_PREFIX
from lab2.aws.retry import conflict_backoff
from lab2.aws.session import AwsSession
from lab2.labelling.local_files import MAX_BYTES
from lab2.labelling.picture import Picture, UnreadableImage
from lab2.terminal import printable

PAGE = 1_000  # keys that S3 lists at a time, at most
LONGEST_NAME = 100  # characters
TRIES = 5  # of a PUT while another one of the same key is under way


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the bucket: its name within `underbase/` and its size in bytes."""

    name: str
    size: int


class ImageStore:
    """The images of one bucket. Thread-safe."""

    def __init__(self, aws: AwsSession) -> None:
        self.aws = aws
        self._first: list[Image] = []  # what the first page had when it was last listed
        self._large = False  # whether there are more than a page lists
        self._same = defaultdict[str, threading.Lock](threading.Lock)  # by hash: looked for and stored in one go

    def open(self) -> None:
        """Problem unless the images can be listed by us; a round then costs one LIST, however many there are."""
        self._first, self._large = self._page("")

    def sample(self) -> list[Image]:
        """Return up to 1,000 images in random order: all that there are, or a page from a random place on.

        Names start with digits of a hash, so that any page of a listing is a random sample.
        """
        if not self._large:
            self.open()
        sample = self._first
        if self._large:
            sample, more = self._page(f"{random.getrandbits(48):012x}")
            if not more:  # the end of the listing: go on at its start, where a file that has gone since does no harm
                sample = list(dict.fromkeys(sample + self._first))[:PAGE]
        return random.sample(sample, len(sample))

    def all(self) -> Iterator[Image]:
        """Yield every image, in the order of names, from a LIST for each thousand."""
        after, more = "", True
        while more:
            page, more = self._page(after)
            yield from page
            after = page[-1].name if page else after

    def fetch(self, image: Image) -> bytes:
        """Return the bytes of an image; UnreadableImage where it is no longer there or should not be shown."""
        if not image.name.isprintable():
            raise UnreadableImage("its name has control characters")
        if image.size > MAX_BYTES:
            raise UnreadableImage(f"it is larger than {MAX_BYTES // 2**20} MB")
        s3, bucket, key = self.aws.s3, self.aws.bucket, IMAGE_PREFIX + image.name
        with user_errors(f"image {printable(image.name)}"):
            try:
                return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if is_missing(s3, bucket, key, error):
                    raise UnreadableImage("it is no longer there") from None
                raise

    def next_picture(
        self, images: list[Image], decode: Callable[[bytes], Picture], say: Callable[[str], None]
    ) -> tuple[Image, Picture] | None:
        """Take images off the end of the list until one can be shown; None where none can."""
        while images:
            image = images.pop()
            try:
                return image, decode(self.fetch(image))
            except UnreadableImage as reason:
                say(f"{printable(image.name)} can't be shown: {reason}.")
        return None

    def store(self, name: str, data: bytes) -> bool:
        """Store an image under its name; False where it is there already, whatever its name."""
        hash = digest(data)
        with self._same[hash], user_errors(f"bucket {self.aws.bucket}"):
            reply = self.aws.s3.list_objects_v2(Bucket=self.aws.bucket, Prefix=IMAGE_PREFIX + hash)
            if any(entry["Size"] == len(data) for entry in reply.get("Contents", ())):
                return False
            self._put(IMAGE_PREFIX + stored_name(name, hash), data)
        return True

    def _put(self, key: str, data: bytes) -> None:
        """Put an image where there is none; what is there has the same bytes, for its key has their hash."""
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        for attempt in count(1):
            try:
                self.aws.s3.put_object(Bucket=self.aws.bucket, Key=key, Body=data, ContentType=kind, IfNoneMatch="*")
            except Exception as error:
                if error_code(error) in RACE_CODES and attempt < TRIES:
                    time.sleep(conflict_backoff(attempt))
                    continue
                if error_code(error) not in EXISTS_CODES:
                    raise  # else it is ours after a lost reply, or another program's
            return

    def _page(self, after: str) -> tuple[list[Image], bool]:
        """Return the images of one LIST, from the name `after` on, and whether there are more behind them."""
        with user_errors(f"bucket {self.aws.bucket}"):
            start: dict[str, Any] = {"StartAfter": IMAGE_PREFIX + after} if after else {}
            place: dict[str, Any] = {"Bucket": self.aws.bucket, "Prefix": IMAGE_PREFIX, "MaxKeys": PAGE}
            reply = self.aws.s3.list_objects_v2(**place, **start)
        entries = [Image(entry["Key"][len(IMAGE_PREFIX) :], entry["Size"]) for entry in reply.get("Contents", ())]
        return [image for image in entries if image.name and not image.name.endswith("/")], reply["IsTruncated"]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def stored_name(name: str, hash: str) -> str:
    """Return the name that a file gets within `underbase/`: its hash, and of its own name what is harmless."""
    name = name.removeprefix(f"{hash}-")  # a file that was stored, and has come back
    name = re.sub(r"[^\w.()+ -]", "_", unicodedata.normalize("NFC", name))
    return f"{hash}-{name[-LONGEST_NAME:]}"

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
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from botocore.exceptions import ClientError

from lab2.aws.failures import EXISTS_CODES, RACE_CODES, error_code, refused_object, user_errors
from lab2.aws.resources import IMAGE_PREFIX
from lab2.aws.retry import OutageReporter, conflict_backoff, persist
from lab2.aws.s3.find_key import is_missing, list_page
from lab2.aws.session import AwsSession
from lab2.aws.workers import BackgroundTask
from lab2.errors import UserError, internal_error
from lab2.labelling.pictures.local_files import MAX_BYTES
from lab2.labelling.pictures.picture import Picture, UnreadableImage
from lab2.labelling.pictures.previews import SMALL_BYTES, Previews
from lab2.terminal import JOINERS, printable

_OUR_NAME = re.compile(r"\A([0-9a-f]{12})-")
# Our names start with 0 to 9 or a to f; capitals and all other letters sort after these two.
_BETWEEN_OURS = ("9~", "f~")
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # except tabs and line ends, which CSV can quote
PAGE_KEYS = 1_000  # that S3 lists at a time, at most
SKIPPED_PAGES = 10
MAX_NAME_LENGTH = 100  # characters
MAX_REFUSED = 20  # images, if none was fetched: then we are refused, not the images
MAX_PUTS = 5  # attempts, while another PUT of the same key is under way


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the bucket: its name within `underbase/` and its size in bytes."""

    name: str
    size: int


class ImageStore:
    """The images of one bucket. Thread-safe. `state` is a folder on this machine that remembers the walk."""

    def __init__(self, aws: AwsSession, state: Path | None = None) -> None:
        self.aws = aws
        self.state = state
        self.previews = Previews(aws)
        self._first: list[Image] = []  # the first page, as it was when last listed
        self._large = False  # there is more than one page
        self._after: str | None = None  # the name after which the walk continues; None: it has not started
        self._between: list[Image] = []  # until it starts: images whose names sort between ours
        self._has_fetched = False  # an image was fetched
        self._refused = 0  # images that S3 refused
        # By hash: held while an image is looked for and stored.
        self._same = defaultdict[str, threading.Lock](threading.Lock)

    def open(self) -> None:
        """List what the first `sample` needs; UserError if the images can't be listed."""
        self._first, after = self._page("")
        self._large = after is not None
        if self._large:
            self._after = self._remembered()
            if self._after is None:
                self._between = [image for after in _BETWEEN_OURS for image in self._page(after, 1)[0]]

    def sample(self) -> list[Image]:
        """Return up to 1,000 images in random order: all images, or the next page of a walk through all names.

        The walk continues where the last one on this machine stopped, so that any two images are offered equally
        often, give or take once, whatever their names are. It costs one LIST, however many images there are. The first
        walk on a machine starts at a random hash, where every page of uploaded names is a random sample. If there are
        other names, which `open` finds out with two LISTs of one name each, it skips up to 9 pages.
        """
        if not self._large:
            self.open()
        if not self._large:
            return random.sample(self._first, len(self._first))
        page = self._next_page() if self._after is not None else self._start_walk()
        self._remember()
        return random.sample(page, len(page))

    def all(self) -> Iterator[Image]:
        """Yield all images in the order of their names, with a LIST for each thousand."""
        after: str | None = ""
        while after is not None:
            page, after = self._page(after)
            yield from page

    def _start_walk(self) -> list[Image]:
        self._after = f"{random.getrandbits(48):012x}"
        page = self._next_page()
        if not all(_OUR_NAME.match(image.name) for image in (*self._first, *page, *self._between)):
            for _ in range(random.randrange(SKIPPED_PAGES)):
                page = self._next_page()
        return page

    def _next_page(self) -> list[Image]:
        """Return the images of the next page of the walk, which wraps around at the end."""
        page, after = self._page(self._after or "")
        if after is None:  # the first images may have been deleted since, which does no harm: see `fetch`
            page = list(dict.fromkeys(page + self._first))[:PAGE_KEYS]
            after = page[-1].name if page else ""
        self._after = after
        return page

    def _remembered(self) -> str | None:
        with suppress(OSError, UnicodeDecodeError):
            if self.state:
                return (self.state / f"{self.aws.bucket}.walk").read_bytes().decode()
        return None

    def _remember(self) -> None:
        with suppress(OSError):  # a walk that is not remembered starts again
            if self.state:
                self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
                (self.state / f"{self.aws.bucket}.walk").write_bytes((self._after or "").encode())

    def fetch(self, image: Image) -> bytes:
        """Return the bytes of an image; UnreadableImage if S3 refuses it or it must not be shown.

        UserError if S3 refuses everything.
        """
        _check(image)
        s3, bucket, key = self.aws.s3, self.aws.bucket, IMAGE_PREFIX + image.name
        with user_errors(f"image {printable(image.name)}"):
            try:
                data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if is_missing(s3, bucket, key, error):
                    raise UnreadableImage("it is no longer there") from None
                self._refused += 1
                if (reason := refused_object(error)) and (self._has_fetched or self._refused < MAX_REFUSED):
                    raise UnreadableImage(f"S3 refuses it ({printable(reason)})") from None
                raise
            self._has_fetched = True
            return data

    def next_picture(
        self,
        images: list[Image],
        decode: Callable[[bytes], Picture],
        shrink: Callable[[bytes], bytes],
        outages: OutageReporter,
    ) -> tuple[Image, Picture] | None:
        """Pop images from the list until one can be shown, waiting through outages; return None if none can.

        `shrink` returns the preview of an image, which is stored if there is none yet.
        """
        while images:
            image = images.pop()
            try:
                return image, self._picture(image, decode, shrink, outages)
            except UnreadableImage as reason:
                outages.say(f"{printable(image.name)} can't be shown: {reason}.")
            except UserError:
                raise
            except BaseException as error:  # one bad picture must not spoil the others
                outages.say(f"{printable(image.name)} can't be shown: {internal_error(error)}.")
        return None

    def _picture(
        self,
        image: Image,
        decode: Callable[[bytes], Picture],
        shrink: Callable[[bytes], bytes],
        outages: OutageReporter,
    ) -> Picture:
        """Return the preview of an image, or the image itself, which then gets a preview in the background."""
        _check(image)
        if image.size > SMALL_BYTES:
            preview = persist(partial(self.previews.fetch, image.name, image.size), outages)
            if preview is not None:
                with suppress(UnreadableImage):
                    return decode(preview)
        data = persist(partial(self.fetch, image), outages)
        picture = decode(data)
        if image.size > SMALL_BYTES:
            BackgroundTask(lambda: self.previews.store(image.name, image.size, shrink(data)))
        return picture

    def store(self, name: str, data: bytes, shrink: Callable[[], bytes | None]) -> bool:
        """Store an image and its preview; return False if the image is there already, under any name.

        `shrink` returns the preview, or None for a small image. If it raises, as UnreadableImage, nothing is stored.
        """
        hash = digest(data)
        with self._same[hash], user_errors(f"bucket {self.aws.bucket}"):
            reply = self.aws.s3.list_objects_v2(Bucket=self.aws.bucket, Prefix=IMAGE_PREFIX + hash)
            if any(entry["Size"] == len(data) for entry in reply.get("Contents", ())):
                return False
            preview = shrink()
            stored = stored_name(name, hash)
            self._put(IMAGE_PREFIX + stored, data)
            if preview is not None:
                self.previews.store(stored, len(data), preview)
        return True

    def _put(self, key: str, data: bytes) -> None:
        """Put an image unless the key exists: that has the same bytes, for the key has their hash."""
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        for attempt in count(1):
            try:
                self.aws.s3.put_object(Bucket=self.aws.bucket, Key=key, Body=data, ContentType=kind, IfNoneMatch="*")
            except Exception as error:
                if error_code(error) in RACE_CODES and attempt < MAX_PUTS:
                    time.sleep(conflict_backoff(attempt))
                    continue
                if error_code(error) not in EXISTS_CODES:
                    raise  # otherwise it is ours, after a lost reply, or another program's
            return

    def _page(self, after: str, count: int | None = None) -> tuple[list[Image], str | None]:
        """Return the images of one LIST after the name `after`, and the name to continue after: None at the end."""
        with user_errors(f"bucket {self.aws.bucket}"):
            start = IMAGE_PREFIX + after if after else ""
            listed, more = list_page(self.aws.s3, self.aws.bucket, IMAGE_PREFIX, start, count or PAGE_KEYS)
        entries = [Image(entry["Key"][len(IMAGE_PREFIX) :], entry["Size"]) for entry in listed]
        images = [image for image in entries if image.name and not image.name.endswith("/")]
        return images, entries[-1].name if more and entries else None


def _check(image: Image) -> None:
    """Raise UnreadableImage for an image that must not be shown."""
    if _CONTROL.search(image.name):
        raise UnreadableImage("its name has control characters")
    if image.size > MAX_BYTES:
        raise UnreadableImage(f"it is larger than {MAX_BYTES // 2**20} MB")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def stored_name(name: str, hash: str) -> str:
    """Return the name of a file in `underbase/`: its hash, and the harmless characters of its own name.

    Letters, marks and digits of all scripts are kept, and emoji; other characters become underscores. Dots and spaces
    at the end are cut, since Windows can't store such names.
    """
    name = name.removeprefix(f"{hash}-")  # the file comes from `underbase/`
    name = "".join(char if _is_kept(char) else "_" for char in unicodedata.normalize("NFC", name))
    return f"{hash}-{name.rstrip(' .')[-MAX_NAME_LENGTH:] or '_'}"


def original_name(name: str) -> str:
    """Return the name of an image without the hash that `stored_name` put before it."""
    return _OUR_NAME.sub("", name) or name


def named_digest(file_name: str) -> str:
    """Return the digest of the content in a file name, '' if it has none."""
    match = _OUR_NAME.match(file_name)
    return match[1] if match else ""


def _is_kept(char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char in "_.()+ -"
    kind = unicodedata.category(char)
    return kind[0] in "LMN" or kind in ("So", "Sk") or char in JOINERS

"""Previews: small JPEGs of large pictures, under a prefix of their own, that are shown instead of the pictures."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from lab2.aws.failures import EXISTS_CODES, MISSING_KEY_CODES, RACE_CODES, error_code, refused_object, user_errors
from lab2.aws.resources import PREVIEW_PREFIX
from lab2.aws.session import AwsSession
from lab2.terminal import printable

SMALL_BYTES = 256 * 2**10  # a picture that is no larger is its own preview


class Previews:
    """The previews in a bucket, each of the picture of one name and size. Thread-safe."""

    def __init__(self, aws: AwsSession) -> None:
        self.aws = aws
        self._is_denied = False  # the policy does not let us write any

    def fetch(self, name: str, size: int) -> bytes | None:
        """Return the preview of a picture of `size` bytes, None if there is none; UserError if AWS fails."""
        with user_errors(f"preview of {printable(name)}"):
            try:
                return self.aws.s3.get_object(Bucket=self.aws.bucket, Key=preview_key(name, size))["Body"].read()
            except ClientError as error:
                if error_code(error) in MISSING_KEY_CODES or refused_object(error):
                    return None
                raise

    def store(self, name: str, size: int, preview: bytes) -> None:
        """Store a preview if the policy allows; if AWS fails, it is made again when the picture is shown."""
        if self._is_denied:
            return
        try:
            self.aws.s3.put_object(
                Bucket=self.aws.bucket,
                Key=preview_key(name, size),
                Body=preview,
                ContentType="image/jpeg",
                IfNoneMatch="*",
            )
        except (ClientError, BotoCoreError) as error:
            self._is_denied = bool(refused_object(error)) and error_code(error) not in EXISTS_CODES | RACE_CODES


def preview_key(name: str, size: int) -> str:
    """Return the key of the preview of a picture; a file of another size is another picture."""
    return f"{PREVIEW_PREFIX}{name}.{size}.jpg"

"""An AWS error in a sentence for the user."""

from __future__ import annotations

from lab2.aws.resources import DEPLOY
from lab2.errors import UserError

MISSING_QUEUE_CODES = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
DENIED_CODES = {"AccessDenied", "AccessDeniedException", "403"}
# What S3 says to a conditional write: the object exists, or is another one than we knew; another write is under way.
EXISTS_CODES = {"PreconditionFailed", "412"}
RACE_CODES = {"ConditionalRequestConflict", "409"}
MISSING_KEY_CODES = {"NoSuchKey", "404"}
DENIED_CODES = {"AccessDenied", "AccessDeniedException", "403"}


class user_errors:
    """Context in which what botocore raises comes out as a UserError: one sentence for the user."""

    def __init__(self, what: str = "AWS") -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and (sentence := explain(error, self.what)):
            raise UserError(sentence) from error


def explain(error: BaseException, what: str = "AWS") -> str | None:
    """Say in one sentence what went wrong with `what` and what to do; None if it is not AWS's doing."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        code = error_code(error)
        if code in MISSING_QUEUE_CODES or code == "NoSuchBucket":
            return f"There is no {what} in this account and region. Deploy it with: {DEPLOY}"
        if code in DENIED_CODES:
            return f"Access to {what} is denied. Attach this program's policy: aws.yaml makes it, its Outputs name it."
        if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired"):
            return "The AWS credentials have expired. Sign in again, for example: aws sso login"
        if code in ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId",
                    "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"):  # fmt: skip
            return "AWS does not know these credentials. Check with: aws sts get-caller-identity"
        message = error.response.get("Error", {}).get("Message", "")
        return f"AWS refused {what}: {code}: {message}".rstrip(": ")
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound,
                          exceptions.CredentialRetrievalError, exceptions.TokenRetrievalError)):  # fmt: skip
        return f"No usable AWS credentials ({error}). Try: aws configure, or --local for no AWS at all."
    if isinstance(error, exceptions.NoRegionError):
        return "No AWS region is set. Try: export AWS_REGION=eu-west-3, or --local for no AWS at all."
    if isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError)):
        return f"AWS can't be reached for {what}. Check the network and AWS_ENDPOINT_URL, then try again."
    if isinstance(error, exceptions.BotoCoreError):
        return f"AWS could not be asked for {what}: {error}"
    return None


def error_code(error: BaseException) -> str:
    """Return AWS's code of a botocore ClientError, '' for anything else."""
    response = getattr(error, "response", None)  # which errors of the connection have too, and it is None
    return str(response.get("Error", {}).get("Code", "")) if response else ""

"""An AWS error in a sentence for the user: what happened, then what to do.

Two tables: `CODES` for what AWS answers, `EXCEPTIONS` for what botocore raises by itself. Classes are looked up by
name, so that a botocore that lacks one of them is no trouble, and botocore is not imported for this.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from lab2.aws.resources import DEPLOY
from lab2.errors import UserError

MISSING_QUEUE_CODES = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
# What S3 says to a conditional write: the object exists, or is another one than we knew; another write is under way.
EXISTS_CODES = {"PreconditionFailed", "412"}
RACE_CODES = {"ConditionalRequestConflict", "409"}
MISSING_KEY_CODES = {"NoSuchKey", "404"}
REFUSED_WRITE_CODES = EXISTS_CODES | RACE_CODES | MISSING_KEY_CODES  # of a conditional write
DENIED_CODES = {"AccessDenied", "AccessDeniedException", "403"}

MAX_SKEW = timedelta(minutes=4)  # AWS accepts a signature that is 5 minutes off (S3: 15)

NOT_SIGNED_IN = "The AWS sign-in has expired. Sign in again: aws sso login{profile_option}"
STALE_CREDENTIALS = "The AWS credentials can't be fetched: {error}. To renew a sign-in: aws sso login{profile_option}"
UNKNOWN_CREDENTIALS = "AWS does not know these credentials. Check with: aws sts get-caller-identity"
BUSY = "AWS is busy or has a fault ({code} for {what}). Try again in a minute."
CHECK_ENDPOINT = "the endpoint (--endpoint-url or AWS_ENDPOINT_URL), then try again."
UNREACHABLE = "AWS can't be reached for {what}{at_host}. Check the network, the region and " + CHECK_ENDPOINT
NO_CREDENTIALS = (
    "There are no AWS credentials. Try: aws configure, or name a profile by --profile, "
    "or use --local, which needs no AWS."
)
NO_REGION = (
    "No AWS region is set. Try: --region eu-west-3, or export AWS_REGION=eu-west-3, or use --local, which needs no AWS."
)
BAD_CONFIGURATION = (
    "The AWS configuration can't be used: {error}. Check the options, the AWS_ variables and ~/.aws/config."
)
MFA = (
    "The AWS profile {profile} asks for an MFA code, which this program can't do. Get a session first: "
    'eval "$(aws configure export-credentials{profile_option} --format env)"'
)

_CODES = {
    "QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue":
        "There is no {what} in this account and region. Deploy it with: " + DEPLOY,
    "NoSuchBucket": "There is no {what}. Check --bucket and LAB2_BUCKET, or deploy it with: " + DEPLOY,
    "NoSuchKey 404": "There is no {what}: it may have been deleted just now.",
    "QueueDeletedRecently AWS.SimpleQueueService.QueueDeletedRecently":
        "A queue of that name was deleted a moment ago. Wait a minute, then try again.",
    "AccessDenied AccessDeniedException 403 AllAccessDisabled":
        "Access to {what} is denied{explicitly}. Attach this program's policy: aws.yaml makes it, its Outputs name it.",
    "ForbiddenException": "The AWS sign-in works, but it may not use this role. Ask who administers the account.",
    "KMS.AccessDeniedException KmsAccessDenied KMS.DisabledException KMSDisabled":
        "{what} is encrypted with a KMS key that these credentials may not use. Ask for kms:Decrypt and "
        "kms:GenerateDataKey on it.",
    "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired":
        "The AWS credentials have expired. Sign in again, for example: aws sso login{profile_option}",
    "UnauthorizedException": NOT_SIGNED_IN,
    "InvalidIdentityToken IDPRejectedClaim":
        "AWS refused the web identity token: {message}. Check AWS_WEB_IDENTITY_TOKEN_FILE and the role's trust policy.",
    "InvalidClientTokenId UnrecognizedClientException InvalidAccessKeyId InvalidToken NotAuthorized AuthFailure "
    "MissingAuthenticationToken MissingSecurityHeader": UNKNOWN_CREDENTIALS,
    "SignatureDoesNotMatch InvalidSignatureException IncompleteSignature":
        "AWS refuses the signature: the secret key does not belong to the access key. Enter both again: aws configure",
    "RequestTimeTooSkewed RequestInTheFuture":
        "This machine's clock is {clock}, so AWS refuses its signatures. Set the clock.",
    "PermanentRedirect TemporaryRedirect Redirect 301 307 IllegalLocationConstraintException IncorrectEndpoint "
    "AuthorizationHeaderMalformed":
        "{what} is in another AWS region{right_region}.",
    "OptInRequired SubscriptionRequiredException NotSignedUp InvalidRegion RegionDisabledException":
        "This AWS account can't use {region} yet: {message}. Sign up for it or enable it, or choose another region.",
    "AccountProblem": "AWS has suspended this account: {message}",
    "SlowDown Throttling ThrottlingException RequestThrottled RequestLimitExceeded TooManyRequestsException "
    "ServiceUnavailable InternalError InternalFailure InternalServerError RequestTimeout RequestTimeoutException "
    "PriorRequestNotComplete BandwidthLimitExceeded OverLimit EC2ThrottledException 429 500 502 503 504": BUSY,
    "InvalidBucketName": "AWS does not accept the name of {what}: {message}. Check --bucket and LAB2_BUCKET.",
}  # fmt: skip
CODES = {code: sentence for codes, sentence in _CODES.items() for code in codes.split()}

REFUSED_SIGNATURES = {CODES[code] for code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "RequestExpired")}

# Looked up by the class of the error, then by its base classes.
EXCEPTIONS = {
    "NoCredentialsError": NO_CREDENTIALS,
    "NoAuthTokenError": NOT_SIGNED_IN,
    "PartialCredentialsError": "The AWS credentials are incomplete ({error}). Enter them again: aws configure",
    "CredentialRetrievalError": STALE_CREDENTIALS,
    "TokenRetrievalError": NOT_SIGNED_IN,
    "SSOError": NOT_SIGNED_IN,
    "LoginRefreshRequired": "The AWS sign-in has expired. Sign in again: aws login{profile_option}",
    "LoginError": "The AWS sign-in can't be used ({error}). Sign in again: aws login{profile_option}",
    "RefreshWithMFAUnsupportedError": MFA,
    "MetadataRetrievalError":
        "The credentials of this machine's role can't be fetched ({error}). Attach an instance profile to it.",
    "ProfileNotFound":
        "There is no AWS profile {profile}. Check --profile or AWS_PROFILE; to list the profiles: "
        "aws configure list-profiles",
    "ConfigParseError": BAD_CONFIGURATION,
    "ConfigNotFound": BAD_CONFIGURATION,
    "InvalidConfigError": BAD_CONFIGURATION,
    "MissingDependencyException": BAD_CONFIGURATION,
    "InvalidChecksumConfigError": BAD_CONFIGURATION,
    "InvalidDefaultsMode": BAD_CONFIGURATION,
    "InvalidEndpointConfigurationError": BAD_CONFIGURATION,
    "InvalidIMDSEndpointError": BAD_CONFIGURATION,
    "InvalidIMDSEndpointModeError": BAD_CONFIGURATION,
    "InvalidRetryConfigurationError": BAD_CONFIGURATION,
    "InvalidS3AddressingStyleError": BAD_CONFIGURATION,
    "InvalidS3UsEast1RegionalEndpointConfigError": BAD_CONFIGURATION,
    "InvalidSTSRegionalEndpointsConfigError": BAD_CONFIGURATION,
    "NoRegionError": NO_REGION,
    "InvalidRegionError": "{region} is not an AWS region. Try: --region eu-west-3, or export AWS_REGION=eu-west-3",
    "UnknownRegionError": "{region} is not an AWS region. Try: --region eu-west-3, or export AWS_REGION=eu-west-3",
    "BaseEndpointResolverError":
        "AWS does not offer this service in {region} ({error}). Check the region, AWS_USE_FIPS_ENDPOINT and "
        "AWS_USE_DUALSTACK_ENDPOINT.",
    "EndpointProviderError":
        "This AWS endpoint does not exist ({error}). Check the region, AWS_USE_FIPS_ENDPOINT and "
        "AWS_USE_DUALSTACK_ENDPOINT.",
    "SSLError":
        "The TLS certificate of {host} can't be verified ({reason}). Behind a proxy that inspects TLS, name its CA "
        "file: export AWS_CA_BUNDLE=ca.pem. Otherwise check this machine's clock.",
    "ProxyConnectionError": "The proxy {proxy} can't be reached. Check HTTPS_PROXY and NO_PROXY.",
    "InvalidProxiesConfigError": BAD_CONFIGURATION,
    "HTTPClientError": UNREACHABLE,
    "ConnectionError": UNREACHABLE,
    "IncompleteReadError": UNREACHABLE,
    "ChecksumError": "What AWS sent for {what} was damaged on the way ({error}). Try again.",
    "FlexibleChecksumError": "What AWS sent for {what} was damaged on the way ({error}). Try again.",
    "ResponseParserError":
        "The reply for {what} is not one that AWS sends ({error}). Check the network and " + CHECK_ENDPOINT,
    "ParamValidationError": "AWS does not accept the name of {what}. Check --bucket and LAB2_BUCKET.",
    "BotoCoreError": "The call to AWS for {what} failed: {error}",
}  # fmt: skip


class user_errors:
    """Context in which what botocore raises comes out as a UserError: one sentence for the user."""

    def __init__(self, what: str = "this account") -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and (sentence := explain(error, self.what)):
            raise UserError(sentence) from error


def explain(error: BaseException, what: str = "this account") -> str | None:
    """Say in one sentence what went wrong with `what` and what to do; None if it is not AWS's doing."""
    if code := error_code(error):
        template = _template(error, code, what)
    else:
        names = (
            EXCEPTIONS.get(base.__name__) for base in type(error).__mro__ if base.__module__.startswith("botocore")
        )
        template = next(filter(None, names), STALE_CREDENTIALS if was_fetching_credentials(error) else "")
    return sentence(template, error, what) if template else None


def sentence(template: str, error: BaseException | None = None, what: str = "this account") -> str:
    """Return one of the sentences above, on one line, with what is known of the error filled in."""
    return " ".join(template.format_map(_facts(error, what)).split())


def was_fetching_credentials(error: BaseException) -> bool:
    """Tell whether the error was raised where botocore fetches credentials.

    It raises any class there: RuntimeError for renewed ones that are expired still, ValueError or KeyError for what a
    `credential_process` prints, OSError where there is no such program.
    """
    trace = error.__traceback__
    while trace and trace.tb_frame.f_globals.get("__name__") not in ("botocore.credentials", "botocore.tokens"):
        trace = trace.tb_next
    return trace is not None


def error_code(error: BaseException | None) -> str:
    """Return AWS's code of a botocore ClientError, '' for anything else."""
    return str(_reply(error).get("Error", {}).get("Code", ""))


def refused_object(error: BaseException) -> str:
    """Return why S3 refuses a single object, in its own words, such as one that is archived; "" if that is not it."""
    code, reply = error_code(error), _reply(error)
    status = int(reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    of_the_object = code in DENIED_CODES or "KMS" in code.upper() or code not in CODES
    if not code or not 400 <= status < 500 or not of_the_object:
        return ""
    message = str(reply["Error"].get("Message", "")).rstrip(".")
    return f"{code}: {message}" if message else code


def clock_skew(error: BaseException | None) -> timedelta:
    """Return by how much AWS's clock, as its reply tells it, is ahead of this machine's; 0 where it doesn't tell."""
    from email.utils import parsedate_to_datetime

    headers = _reply(error).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(headers.get("date")) - datetime.now(timezone.utc)
    return timedelta()


def _template(error: BaseException, code: str, what: str) -> str:
    """Return the sentence for an answer of AWS: where the code alone misleads, by what else is in the answer."""
    message = str(_reply(error)["Error"].get("Message", ""))
    found = CODES.get(code, "AWS refused {what}: {code}: {message}".removesuffix("" if message else ": {message}"))
    skewed = abs(clock_skew(error)) > MAX_SKEW
    if re.match(r"Signature (expired|not yet current)", message) or (skewed and found in REFUSED_SIGNATURES):
        return CODES["RequestTimeTooSkewed"]
    if found == CODES["AccessDenied"]:
        if str(getattr(error, "operation_name", "")).startswith("AssumeRole"):
            return "The AWS profile {profile} may not assume its role: {message}"
        if what.startswith("bucket "):
            return found + " If it is not your stack's bucket, check --bucket and LAB2_BUCKET."
    return found


def _facts(error: BaseException | None, what: str) -> dict[str, Any]:
    """Return what the sentences may name."""
    facts: dict[str, Any] = getattr(error, "kwargs", None) or {}
    answer: dict[str, Any] = _reply(error).get("Error", {})
    message = str(answer.get("Message", "")).rstrip(".")
    profile = str(facts.get("profile") or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "")
    host = urlsplit(str(facts.get("endpoint_url") or "")).netloc
    region = facts.get("region_name") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    right = _right_region(error, answer, message)
    skew = clock_skew(error)
    reason = str(facts.get("error") or "no reason given").rstrip(".")
    return {
        "what": what, "code": error_code(error), "message": message, "error": str(error).rstrip("."),
        "reason": reason,
        "profile": profile or "default", "profile_option": f" --profile {profile}" if profile else "",
        "host": host, "proxy": facts.get("proxy_url", ""),
        "at_host": f" at {host}" if host else f" ({reason})" if facts.get("error") else "",
        "region": region or "the configured region",
        "right_region": (
            f": {right}. Try: --region {right}, or export AWS_REGION={right}" if right
            else ": name it by --region or AWS_REGION"
        ),
        "clock": f"{_duration(skew)} {'behind' if skew > timedelta() else 'ahead of'} AWS's" if skew else "wrong",
        "explicitly": " by an explicit deny in a policy" if "explicit deny" in message else "",
    }  # fmt: skip


def _right_region(error: BaseException | None, answer: dict[str, Any], message: str) -> str:
    """Return the region that S3 names in its answer to a request that came to a wrong one, '' if it names none."""
    headers = _reply(error).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    expected = re.search(r"expecting '([a-z0-9-]+)'|^The ([a-z0-9-]+) location constraint", message)
    host = re.search(r"s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.", str(answer.get("Endpoint", "")))
    return str(
        headers.get("x-amz-bucket-region") or answer.get("Region")
        or (expected and (expected[1] or expected[2]).replace("unspecified", "")) or (host and host[1]) or ""
    )  # fmt: skip


def _reply(error: BaseException | None) -> dict[str, Any]:
    response = getattr(error, "response", None)  # which errors of the connection have too, and it is no dict
    return response if isinstance(response, dict) else {}


def _duration(time: timedelta) -> str:
    minutes = round(abs(time).total_seconds() / 60)
    days, hours = minutes // 1440, minutes // 60
    return f"{days} days" if days > 1 else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"

"""AWS errors as sentences for the user: what happened, then what to do.

`FAILURES` is the only table. A row has AWS's codes for a failure or the classes that botocore raises, the sentence, and
for how long trying again may help. Classes are looked up by name: a botocore may lack some, and is not imported here.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lab2.aws.resources import DEPLOY
from lab2.errors import UserError

MISSING_QUEUE_CODES = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
# Replies to a conditional write: the object exists, or is not the one we know; another write is under way.
EXISTS_CODES = {"PreconditionFailed", "412"}
RACE_CODES = {"ConditionalRequestConflict", "409"}
MISSING_BUCKET_CODES = {"NoSuchBucket", "404"}
MISSING_KEY_CODES = {"NoSuchKey", "404"}
REFUSED_WRITE_CODES = EXISTS_CODES | RACE_CODES | MISSING_KEY_CODES  # of a conditional write
DENIED_CODES = {"AccessDenied", "AccessDeniedException", "403"}

MAX_SKEW = timedelta(minutes=4)  # AWS accepts a signature that is 5 minutes off (S3: 15)
OURS = ("botocore", "lab2.aws")  # modules whose exceptions are looked up by class

FOREVER_S = math.inf  # a transient error: AWS is busy, the network is down, somebody signs in again
POLICY_S = 10.0  # AWS takes some seconds to learn of a new policy
RECREATED_S = 60.0  # a queue that was deleted can be made again after a minute
SETTINGS_S = 60.0  # a setting of this machine, which somebody may be correcting

NOT_SIGNED_IN = "The AWS sign-in has expired. Sign in again: aws sso login{profile_option}"
STALE_CREDENTIALS = "The AWS credentials can't be fetched: {error}. To renew a sign-in: aws sso login{profile_option}"
UNKNOWN_CREDENTIALS = "AWS does not know these credentials. Check with: aws sts get-caller-identity"
WRONG_SECRET = (
    "AWS refuses the signature: the secret key does not belong to the access key. Enter both again: aws configure"
)
EXPIRED = "The AWS credentials have expired. Sign in again, for example: aws sso login{profile_option}"
WRONG_CLOCK = "This machine's clock is {clock}, so AWS refuses its signatures. Set the clock."
DENIED = "Access to {what} is denied{explicitly}. Attach this program's policy, which the stack's outputs name."
OTHER_REGION = "{what} is in another AWS region{right_region}."
CHECK_ENDPOINT = "the endpoint (--endpoint-url or AWS_ENDPOINT_URL), then try again."
UNREACHABLE = "AWS can't be reached for {what}{at_host}. Check the network, the region and " + CHECK_ENDPOINT
NO_CREDENTIALS = (
    "There are no AWS credentials. Try: aws configure, or name a profile by --profile, "
    "or use --local, which needs no AWS."
)
NO_REGION = (
    "No AWS region is set. Try: --region eu-west-3, or export AWS_REGION=eu-west-3, or use --local, which needs no AWS."
)
NOT_A_REGION = "{region} is not an AWS region. Try: --region eu-west-3, or export AWS_REGION=eu-west-3"
BAD_CONFIGURATION = (
    "The AWS configuration can't be used: {error}. Check the options, the AWS_ variables and ~/.aws/config."
)
MFA = (
    "The AWS profile {profile} requires an MFA code, which this program can't ask for. Get a session first: "
    'eval "$(aws configure export-credentials{profile_option} --format env)"'
)
DAMAGED = "What AWS sent for {what} was damaged on the way ({error}). Try again."
NO_REPLY_OF_AWS = (
    "The reply for {what} is not one that AWS sends ({error}). Is it a web page? Check for a sign-in page of the "
    "network, a proxy, and " + CHECK_ENDPOINT
)
LOCAL_GONE = (
    "The local emulator does not answer for {what}. If it was killed, any program that you start with --local starts "
    "it again; pictures and labels are kept."
)
NOT_LOCAL = "There is no {what} in the local emulator. Leave out --bucket, which --local does not need."
REFUSED = "AWS refused {what}: {code}: {message}"


class Failure(NamedTuple):
    """A kind of failure."""

    names: str  # codes of AWS's replies, or classes that are raised, with spaces between
    sentence: str
    patience_s: float = FOREVER_S  # seconds for which trying again may help
    of_emulator: str = ""  # the sentence if AWS is the emulator of this machine, if it is another one


FAILURES = [
    Failure(
        "QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue",
        "There is no {what} in this account and region. Deploy it with: " + DEPLOY,
        RECREATED_S,
    ),
    Failure(
        "NoSuchBucket",
        "There is no {what}. Check --bucket and LAB2_BUCKET, or deploy it with: " + DEPLOY,
        RECREATED_S,
        of_emulator=NOT_LOCAL,
    ),
    Failure("NoSuchKey 404", "There is no {what}: it may have been deleted just now."),
    Failure(
        "QueueDeletedRecently AWS.SimpleQueueService.QueueDeletedRecently",
        "A queue of that name was deleted a moment ago. Wait a minute, then try again.",
    ),
    Failure("AccessDenied AccessDeniedException 403 AllAccessDisabled", DENIED, POLICY_S),
    Failure(
        "ForbiddenException",
        "The AWS sign-in works, but it may not use this role. Ask who administers the account.",
        POLICY_S,
    ),
    Failure(
        "KMS.AccessDeniedException KmsAccessDenied KMS.DisabledException KMSDisabled",
        "{what} is encrypted with a KMS key that these credentials may not use. Ask for kms:Decrypt and "
        "kms:GenerateDataKey on it.",
        POLICY_S,
    ),
    Failure("ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired", EXPIRED),
    Failure("UnauthorizedException NoAuthTokenError TokenRetrievalError SSOError", NOT_SIGNED_IN),
    Failure(
        "InvalidIdentityToken IDPRejectedClaim",
        "AWS refused the web identity token: {message}. Check AWS_WEB_IDENTITY_TOKEN_FILE and the role's trust policy.",
    ),
    Failure(
        "InvalidClientTokenId UnrecognizedClientException InvalidAccessKeyId InvalidToken NotAuthorized "
        "AuthFailure MissingAuthenticationToken MissingSecurityHeader",
        UNKNOWN_CREDENTIALS,
    ),
    Failure("SignatureDoesNotMatch InvalidSignatureException IncompleteSignature", WRONG_SECRET),
    Failure("RequestTimeTooSkewed RequestInTheFuture", WRONG_CLOCK),
    Failure(
        "PermanentRedirect 301 IllegalLocationConstraintException IncorrectEndpoint AuthorizationHeaderMalformed",
        OTHER_REGION,
        POLICY_S,
    ),
    Failure("TemporaryRedirect Redirect 307", OTHER_REGION),
    Failure(
        "OptInRequired SubscriptionRequiredException NotSignedUp InvalidRegion RegionDisabledException",
        "This AWS account can't use {region} yet: {message}. Sign up for it or enable it, or choose another region.",
        POLICY_S,
    ),
    Failure("AccountProblem", "AWS has suspended this account: {message}", POLICY_S),
    Failure(
        "SlowDown Throttling ThrottlingException RequestThrottled RequestLimitExceeded TooManyRequestsException "
        "KmsThrottled KMS.ThrottlingException ServiceUnavailable InternalError InternalFailure "
        "InternalServerError RequestTimeout RequestTimeoutException PriorRequestNotComplete "
        "BandwidthLimitExceeded OverLimit EC2ThrottledException OperationAborted ConditionalRequestConflict "
        "PreconditionFailed NoSuchUpload 408 409 412 417 425 429 500 502 503 504",
        "AWS is busy or has a fault ({code} for {what}). Try again in a minute.",
    ),
    Failure(
        "BadDigest InvalidDigest IncompleteBody XAmzContentSHA256Mismatch XAmzContentChecksumMismatch",
        "What was sent for {what} was damaged on the way ({code}). Try again.",
    ),
    Failure(
        "NotImplemented 501 MethodNotAllowed 405",
        "This store does not offer what {what} needs: {code}: {message}. Use AWS, or a store that has conditional"
        " writes.",
        POLICY_S,
    ),
    Failure(
        "InvalidBucketName",
        "AWS does not accept the name of {what}: {message}. Check --bucket and LAB2_BUCKET.",
        POLICY_S,
    ),
    Failure("NoCredentialsError", NO_CREDENTIALS, SETTINGS_S),
    Failure(
        "PartialCredentialsError",
        "The AWS credentials are incomplete ({error}). Enter them again: aws configure",
        SETTINGS_S,
    ),
    Failure("CredentialRetrievalError", STALE_CREDENTIALS),
    Failure("LoginRefreshRequired", "The AWS sign-in has expired. Sign in again: aws login{profile_option}"),
    Failure("LoginError", "The AWS sign-in can't be used ({error}). Sign in again: aws login{profile_option}"),
    Failure("RefreshWithMFAUnsupportedError", MFA, SETTINGS_S),
    Failure(
        "MetadataRetrievalError",
        "The credentials of this machine's role can't be fetched ({error}). Attach an instance profile to it.",
    ),
    Failure(
        "ProfileNotFound",
        "There is no AWS profile {profile}. Check --profile or AWS_PROFILE; to list the profiles: aws configure "
        "list-profiles",
        SETTINGS_S,
    ),
    Failure(
        "ConfigParseError ConfigNotFound InvalidConfigError MissingDependencyException InvalidChecksumConfigError "
        "InvalidDefaultsMode InvalidEndpointConfigurationError InvalidIMDSEndpointError "
        "InvalidIMDSEndpointModeError InvalidRetryConfigurationError InvalidS3AddressingStyleError "
        "InvalidS3UsEast1RegionalEndpointConfigError InvalidSTSRegionalEndpointsConfigError "
        "InvalidProxiesConfigError UnsupportedS3ConfigurationError",
        BAD_CONFIGURATION,
        SETTINGS_S,
    ),
    Failure("NoRegionError", NO_REGION, SETTINGS_S),
    Failure("InvalidRegionError UnknownRegionError", NOT_A_REGION, SETTINGS_S),
    Failure(
        "BaseEndpointResolverError",
        "AWS does not offer this service in {region} ({error}). Check the region, AWS_USE_FIPS_ENDPOINT and "
        "AWS_USE_DUALSTACK_ENDPOINT.",
        SETTINGS_S,
    ),
    Failure(
        "EndpointProviderError",
        "This AWS endpoint does not exist ({error}). Check the region, AWS_USE_FIPS_ENDPOINT and "
        "AWS_USE_DUALSTACK_ENDPOINT.",
        SETTINGS_S,
    ),
    Failure(
        "SSLError",
        "The TLS certificate of {host} can't be verified ({reason}). Behind a proxy that inspects TLS, name its "
        "CA file: export AWS_CA_BUNDLE=ca.pem. Otherwise check this machine's clock.",
        SETTINGS_S,
    ),
    Failure("ProxyConnectionError", "The proxy {proxy} can't be reached. Check HTTPS_PROXY and NO_PROXY."),
    Failure("HTTPClientError ConnectionError IncompleteReadError", UNREACHABLE, of_emulator=LOCAL_GONE),
    Failure("ChecksumError FlexibleChecksumError", DAMAGED),
    Failure("ResponseParserError UnexpectedReply", NO_REPLY_OF_AWS, of_emulator=LOCAL_GONE),
    Failure(
        "ParamValidationError", "AWS does not accept the name of {what}. Check --bucket and LAB2_BUCKET.", SETTINGS_S
    ),
    Failure("BotoCoreError", "The call to AWS for {what} failed: {error}"),
]
BY_NAME = {name: failure for failure in FAILURES for name in failure.names.split()}
_is_local = False  # whether AWS is the emulator of this machine: --local says so once, for the whole program
REFUSED_SIGNATURES = {UNKNOWN_CREDENTIALS, WRONG_SECRET, EXPIRED}


class user_errors:
    """Context that turns what botocore raises into a UserError: one sentence for the user."""

    def __init__(self, what: str = "") -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and (sentence := explain(error, self.what)):
            raise UserError(sentence) from error


def explain(error: BaseException, what: str = "") -> str | None:
    """Return one sentence on what went wrong with `what`, and what to do; None if it is not an AWS error."""
    failure = failure_of(error)
    if failure is None:
        return None
    if _is_local and failure.of_emulator:
        return sentence(failure.of_emulator, error, what)
    return sentence(_template(error, failure.sentence, what) if error_code(error) else failure.sentence, error, what)


def speak_of_the_emulator() -> None:
    """From now on explain failures as those of the emulator of this machine."""
    global _is_local
    _is_local = True


def failure_of(error: BaseException) -> Failure | None:
    """Return the kind of failure of an error of AWS, the network or the settings; None for any other error."""
    if code := error_code(error):
        return BY_NAME.get(code) or Failure(code, REFUSED, SETTINGS_S if _is_refusal(error) else FOREVER_S)
    if not isinstance(error, Exception):  # Ctrl-C or a signal, which may come anywhere in botocore
        return None
    names = [base.__name__ for base in type(error).__mro__ if base.__module__.startswith(OURS)]
    if found := next((BY_NAME[name] for name in names if name in BY_NAME), None):
        return found
    if _was_raised_in(error, "botocore.parsers"):  # a web page in the place of a reply of STS is a KeyError there
        return BY_NAME["ResponseParserError"]
    # Of any class: RuntimeError for refreshed credentials that are still expired, ValueError or KeyError for the output
    # of a `credential_process`, OSError if there is no such program.
    fetching = _was_raised_in(error, "botocore.credentials", "botocore.tokens")
    return BY_NAME["CredentialRetrievalError"] if fetching else None


def is_refused_input(error: BaseException) -> bool:
    """Return whether AWS refused the content of the call, and not its sender or its target."""
    return _is_refusal(error) and error_code(error) not in BY_NAME


def sentence(template: str, error: BaseException | None = None, what: str = "") -> str:
    """Return one of the sentences above, on one line, filled in with what is known of the error."""
    return " ".join(template.format_map(_facts(error, what)).split())


def _was_raised_in(error: BaseException, *modules: str) -> bool:
    """Return whether the error was raised in one of the modules, or in what they called."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_globals.get("__name__") not in modules:
        trace = trace.tb_next
    return trace is not None


def error_code(error: BaseException | None) -> str:
    """Return AWS's code of a botocore ClientError, '' for anything else."""
    return str(_reply(error).get("Error", {}).get("Code", ""))


def refused_object(error: BaseException) -> str:
    """Return S3's words on why it refuses a single object, such as an archived one; "" if that is not the reason."""
    code = error_code(error)
    of_the_object = code in DENIED_CODES or "KMS" in code.upper() or code not in BY_NAME
    if not code or not of_the_object or not _is_refusal(error):
        return ""
    message = str(_reply(error)["Error"].get("Message", "")).rstrip(".")
    return f"{code}: {message}" if message else code


def was_refused(error: BaseException | None) -> bool:
    """Return whether AWS has certainly not carried out a call: it refused the only attempt."""
    metadata = _reply(error).get("ResponseMetadata", {})
    return 400 <= metadata.get("HTTPStatusCode", 0) < 500 and not metadata.get("RetryAttempts")


def clock_skew(error: BaseException | None) -> timedelta:
    """Return by how much AWS's clock, as in its reply, is ahead of this machine's; 0 if the reply has no time."""
    headers = _reply(error).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(headers.get("date")) - datetime.now(timezone.utc)
    return timedelta()


def _is_refusal(error: BaseException) -> bool:
    """Return whether AWS says that the request is at fault: it would be refused again."""
    status = int(_reply(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return 400 <= status < 500


def _template(error: BaseException, usual: str, what: str) -> str:
    """Return the sentence for a reply of AWS: the `usual` one of its code, unless the rest of the reply says more."""
    message = str(_reply(error)["Error"].get("Message", ""))
    skewed = abs(clock_skew(error)) > MAX_SKEW
    if re.match(r"Signature (expired|not yet current)", message) or (skewed and usual in REFUSED_SIGNATURES):
        return WRONG_CLOCK
    if usual == DENIED:
        if str(getattr(error, "operation_name", "")).startswith("AssumeRole"):
            return "The AWS profile {profile} may not assume its role: {message}"
        if _what(error, what).startswith("bucket "):
            return usual + " If it is not your stack's bucket, check --bucket and LAB2_BUCKET."
    return usual if message else usual.replace(": {message}", "")


def _what(error: BaseException | None, what: str) -> str:
    """Return what an error is about: what the caller says, or else the subject of the failed call."""
    return what or str(_reply(error).get("Error", {}).get("Subject") or getattr(error, "subject", "") or "this account")


def _facts(error: BaseException | None, what: str) -> dict[str, Any]:
    """Return the values for the fields of the sentences."""
    facts: dict[str, Any] = getattr(error, "kwargs", None) or {}
    answer: dict[str, Any] = _reply(error).get("Error", {})
    message = str(answer.get("Message", "")).rstrip(".")
    profile = str(facts.get("profile") or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "")
    host = urlsplit(str(facts.get("endpoint_url") or "")).netloc
    region = facts.get("region_name") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    right = _right_region(error, answer, message)
    try_region = f": {right}. Try: --region {right}, or export AWS_REGION={right}"
    skew = clock_skew(error)
    reason = str(facts.get("error") or "no reason given").rstrip(".")
    return {
        "what": _what(error, what),
        "code": error_code(error),
        "message": message,
        "error": str(error).rstrip("."),
        "reason": reason,
        "profile": profile or "default",
        "profile_option": f" --profile {profile}" if profile else "",
        "host": host,
        "proxy": facts.get("proxy_url", ""),
        "at_host": f" at {host}" if host else f" ({reason})" if facts.get("error") else "",
        "region": region or "the configured region",
        "right_region": try_region if right else ": name it by --region or AWS_REGION",
        "clock": f"{_duration(skew)} {'behind' if skew > timedelta() else 'ahead of'} AWS's" if skew else "wrong",
        "explicitly": " by an explicit deny in a policy" if "explicit deny" in message else "",
    }


def _right_region(error: BaseException | None, answer: dict[str, Any], message: str) -> str:
    """Return the right region, which S3 names in its reply to a request in a wrong one; '' if it names none."""
    headers = _reply(error).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    expected = re.search(r"expecting '([a-z0-9-]+)'|^The ([a-z0-9-]+) location constraint", message)
    host = re.search(r"s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.", str(answer.get("Endpoint", "")))
    return str(
        headers.get("x-amz-bucket-region")
        or answer.get("Region")
        or (expected and (expected[1] or expected[2]).replace("unspecified", ""))
        or (host and host[1])
        or ""
    )


def _reply(error: BaseException | None) -> dict[str, Any]:
    response = getattr(error, "response", None)  # that of connection errors is no dict
    return response if isinstance(response, dict) else {}


def _duration(time: timedelta) -> str:
    minutes = round(abs(time).total_seconds() / 60)
    if minutes >= 2 * 1440:
        return f"{minutes // 1440} days"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"

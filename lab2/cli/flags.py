"""The options that all programs share, and how those for AWS override its variables and files."""

from __future__ import annotations

import argparse
import os
from collections.abc import MutableMapping, Sequence
from typing import Any

from lab2.cli.parser import Parser
from lab2.errors import UserError
from lab2.terminal import be_quiet

# The variables that an option overrides, besides its own. A profile on the command line overrides credentials in
# variables.
_HIDDEN = {
    "profile": [
        "AWS_DEFAULT_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
    ],
    "region": ["AWS_DEFAULT_REGION"],
    "endpoint_url": ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"],
}


def common_options() -> Parser:
    """Return the options of every command, as a parent parser."""
    parent = Parser(add_help=False)
    group = parent.add_argument_group("common options")

    def add(name: str, **settings: Any) -> None:
        parent.record(group.add_argument(name, **settings))

    add("--local", action="store_true", help="use AWS emulated on this machine; no account needed")
    add("--profile", metavar="NAME", help="AWS profile (default: $AWS_PROFILE)")
    add("--region", metavar="NAME", help="AWS region (default: $AWS_REGION, else the profile's)")
    add("--endpoint-url", metavar="URL", help="where AWS is (default: $AWS_ENDPOINT_URL, else AWS itself)")
    add("--quiet", action="store_true", help="print only results, questions, warnings and errors")
    add("--verbose", action="store_true", help="log each reply of AWS, with its request id, on stderr")
    return parent


def bucket_option() -> Parser:
    """Return the option of every command that needs the bucket, as a parent parser."""
    parent = Parser(add_help=False)
    parent.add_argument("--bucket", help="S3 bucket (default: $LAB2_BUCKET, else the stack's)")
    return parent


def add_output_option(parser: argparse.ArgumentParser, forms: Sequence[str]) -> None:
    """Add --output, the form of the results; the first is the default."""
    parser.add_argument("--output", choices=forms, default=forms[0], help=f"form of the results (default: {forms[0]})")


def apply_common_options(options: argparse.Namespace) -> None:
    """Apply the common options, before anything else."""
    unset_empty_variables()
    apply_aws_options(options)
    if options.quiet:
        be_quiet()
    if options.verbose:
        from lab2.cli import logs  # not at the top: logging would delay the client's first prompt by 18 ms

        logs.set_up(verbose=True)


def unset_empty_variables() -> None:
    """Treat an empty variable that we or AWS's libraries read as one that is not set."""
    for name, value in list(os.environ.items()):
        if not value and (name.startswith(("AWS_", "LAB2_", "GATEWAY_")) or name == "HOME"):
            del os.environ[name]


def apply_aws_options(options: argparse.Namespace, environment: MutableMapping[str, str] = os.environ) -> None:
    """Let --profile, --region and --endpoint-url override variables and files, as in the AWS CLI.

    Each sets its variable, so that everything that reads AWS settings agrees, error messages included.
    """
    chosen = {name for name in ("profile", "region", "endpoint_url") if getattr(options, name)}
    if options.local and chosen:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(chosen))
        raise UserError(f"--local can't be combined with {names}: it uses AWS emulated on this machine.")
    hidden = [variable for name in chosen for variable in _HIDDEN[name] if variable in environment]
    hidden += [name for name in environment if "endpoint_url" in chosen and name.startswith("AWS_ENDPOINT_URL_")]
    for variable in hidden:
        del environment[variable]
    for name in chosen:
        environment[f"AWS_{name.upper()}"] = getattr(options, name)

"""Deploy lab2's stack on AWS, find out what is wrong with it, delete it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import NoReturn

from lab2.aws.doctor import examine
from lab2.aws.network import default_network
from lab2.aws.resources import bundled
from lab2.aws.session import OWN_NAMESPACE, AwsSession
from lab2.aws.stack import FIRST_DEPLOYMENT_FAILED, STACK, Change, Stack
from lab2.cli.flags import apply_common_options, common_options
from lab2.cli.parser import Program
from lab2.cli.run import run
from lab2.errors import UserError
from lab2.terminal import counted, printable, remark

# Values of BucketNamespace.
OWN = "account-regional"
SHARED = "global"
WITHOUT_NAMESPACES = ("me-central-1", "me-south-1")  # as the S3 user guide says (2026-11)

DESCRIPTION = """\
lab2's stack on AWS. The programs that use it, which all have --help and --local:

  lab2-client   client.py in a checkout: ask for numbers, show what the server answers
  lab2-server   server.py: answer the requests, log them in S3
  lab2-hotdog   hotdog.py: upload and label pictures"""

EPILOG = """\
exit codes: 0 done or all is well, 1 doctor found a fault, 2 fatal error
"""


def program(prog: str | None = None) -> Program:
    """Return the parser: without a command it prints the help."""
    program = Program(show_help, DESCRIPTION, EPILOG, [common_options()], prog or _name())
    parser = program.command("deploy", deploy, "create or update the stack")
    parser.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="parameters of aws.yaml, like Servers=2; others stay"
    )
    parser.add_argument("--yes", action="store_true", help="don't ask first")
    parser = program.command("destroy", destroy, "delete the stack, not the bucket")
    parser.add_argument("--yes", action="store_true", help="don't ask first")
    program.command("doctor", doctor, "look for what is missing")
    return program


def _name() -> str:
    """Return the name of the program: the command that pip installs, or the module in a checkout."""
    name = os.path.basename(sys.argv[0])
    return "python -m lab2" if name == "__main__.py" else name


def show_help(options: argparse.Namespace) -> int:
    options.parser.print_help()
    return 0


def deploy(options: argparse.Namespace) -> int:
    aws = AwsSession()
    stack = Stack(aws)
    parameters = _parameters(options.parameters)
    if parameters.get("Servers", "0") != "0" and "Vpc" not in parameters and not stack.parameters().get("Vpc"):
        parameters |= default_network(aws)
    if stack.status() == FIRST_DEPLOYMENT_FAILED:
        for line in stack.delete():
            remark(printable(line))
    template = bundled("aws.yaml").read_text("utf-8")
    if not stack.status():
        kept = bool(aws.has_bucket(aws.bucket))
        parameters.setdefault("BucketNamespace", _namespace(aws, kept))
        # CloudFormation imports a bucket that an earlier stack left, if the template has its literal name.
        template = re.sub("BucketName: .*", f"BucketName: {aws.bucket}", template) if kept else template
    change_set, changes = stack.plan(template, parameters)
    if not change_set:
        print("The stack is up to date.")
        return 0
    for change in changes:
        print(change)
    warning = _loss(changes)
    if not _agreed(f"{warning}Carry out {counted(len(changes), 'change')} in {aws.region}?", options.yes):
        stack.discard(change_set)
        print("Nothing was changed.")
        return 0
    for line in stack.execute(change_set):
        remark(printable(line))
    for name, value in stack.outputs().items():
        print(f"{name}: {printable(value)}")
    return 0


def destroy(options: argparse.Namespace) -> int:
    aws = AwsSession()
    stack = Stack(aws)
    if not stack.status():
        print(f"There is no stack {STACK} in {aws.region}.")
        return 0
    bucket = stack.outputs().get("Bucket", "")
    question = f"Delete the queues, with all messages in them, and the policies? The bucket {bucket} is kept."
    if not _agreed(question, options.yes):
        print("Nothing was changed.")
        return 0
    for line in stack.delete():
        remark(printable(line))
    print(f"Deleted. Log, pictures and labels are still in the bucket {bucket}.")
    return 0


def doctor(options: argparse.Namespace) -> int:
    well = True
    for finding in examine(AwsSession()):
        print(f"{'ok ' if finding.well else 'NOT'}  {finding.what}: {printable(finding.found)}", flush=True)
        well = well and finding.well
    return 0 if well else 1


def _namespace(aws: AwsSession, kept: bool) -> str:
    """Return the namespace of a new stack's bucket: that of the account, in regions that have it."""
    if kept:
        return OWN if aws.bucket.endswith(OWN_NAMESPACE) else SHARED
    return OWN if aws.store_is_aws and aws.region not in WITHOUT_NAMESPACES else SHARED


def _parameters(given: list[str]) -> dict[str, str]:
    """Return the parameters of a command line; UserError if one is not NAME=VALUE."""
    parameters = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UserError(f"{printable(text)} is not a parameter. Write NAME=VALUE, like Servers=2.")
        parameters[name] = value
    return parameters


def _loss(changes: list[Change]) -> str:
    """Return a warning if a bucket or queue would be replaced by a new, empty one."""
    replaced = [change.resource for change in changes if change.replaces and change.type.startswith("AWS::S")]
    return f"{', '.join(replaced)} would be replaced by something new and empty. " if replaced else ""


def _agreed(question: str, yes: bool) -> bool:
    if yes:
        return True
    try:
        return input(f"{question} [y/N] ").strip() in ("y", "Y")
    except EOFError:
        raise UserError("Nobody is there to answer. Give --yes to go on without a question.") from None


def main() -> int:
    options = program().parse()
    if options.local:
        raise UserError("--local needs no stack of its own: client.py, server.py and hotdog.py --local deploy it.")
    apply_common_options(options)
    code: int = options.run(options)
    return code


def command() -> NoReturn:
    """Run lab2."""
    run(main)

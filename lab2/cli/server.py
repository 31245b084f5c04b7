"""Answer the requests on the queue lab2: receive, summarise, log, answer, delete."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, nullcontext
from datetime import datetime, timezone
from typing import NoReturn

from lab2 import signals
from lab2.aws import emulator
from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.retry import OutageReporter, persist
from lab2.aws.session import AwsSession
from lab2.cli.commands import Program
from lab2.cli.common import add_bucket_flag, add_flags, apply_aws_flags, run
from lab2.stats.server import inspect
from lab2.stats.server.redrive import redrive
from lab2.stats.server.service import MAX_POLLERS, Server, say
from lab2.stats.server.status import Status

EPILOG = """\
Ctrl-C or kill shuts it down gracefully: it finishes the requests it holds.

exit codes:
  0  stopped on request, or the log is right
  1  verify found faults in the log, or status a problem
  2  fatal error; the reason is on stderr
  70  internal error; stderr says where its traceback is
"""


def program(prog: str | None = None) -> Program:
    """Return the parser: server.py without a command serves."""
    program = Program(serve, __doc__, EPILOG, [add_bucket_flag, add_flags], prog)
    program.add_argument("--drain", action="store_true", help="process the requests that are queued, then exit")
    parser = program.command("verify", verify, "recompute every answer in the log")
    parser.add_argument("day", nargs="?", default="", help="day of the log, like 2026-11-23 (default: all days)")
    program.command("status", status, "show queue depths, dead letters and today's log")
    program.command("redrive", put_back, "put the dead letters back on the request queue")
    return program


def serve(aws: AwsSession, options: argparse.Namespace) -> int:
    with emulator.serving() if options.local else nullcontext():
        server = persist(lambda: Server(aws), OutageReporter("Connecting"))
        signals.handle(lambda *_: server.stopping.set(), "SIGINT", "SIGTERM", "SIGBREAK")
        say(
            f"Serving {REQUEST_QUEUE}, answering on {ANSWER_QUEUE}, "
            f"logging to s3://{aws.bucket}/{LOG_PREFIX} in {aws.region}"
        )
        server.run(options.drain)
        say(f"Stopped: {server.report()}")
    return 0


def verify(aws: AwsSession, options: argparse.Namespace) -> int:
    return 1 if inspect.verify(aws, options.day) else 0


def status(aws: AwsSession, options: argparse.Namespace) -> int:
    found = Status.of(aws, datetime.now(timezone.utc))
    print(found.as_text())
    return 1 if found.problems else 0


def put_back(aws: AwsSession, options: argparse.Namespace) -> int:
    print(f"{redrive(aws):,} dead letters put back on {REQUEST_QUEUE}.")
    return 0


def main() -> int:
    options = program().parse()
    apply_aws_flags(options)
    with ExitStack() as stack:
        endpoint = stack.enter_context(emulator.running()) if options.local else None
        code: int = options.run(AwsSession(options.bucket, MAX_POLLERS + 24, endpoint), options)
        return code


def command() -> NoReturn:
    """Run lab2-server."""
    run(main)


if __name__ == "__main__":
    command()

"""Answer the requests on the queue lab2: receive, summarise, log, answer, delete."""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack, nullcontext
from datetime import datetime, timezone
from typing import NoReturn

from lab2.aws import emulator
from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.retry import OutageReporter, persist
from lab2.aws.session import AwsSession
from lab2.cli.common import Parser, add_bucket_flag, add_flags, run
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


def main() -> int:
    parser = Parser(description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "command",
        nargs="?",
        choices=["verify", "status", "redrive"],
        help="verify: recompute every answer in the log; status: queue depths, dead letters, today's log; "
        "redrive: put the dead letters back on the request queue",
    )
    parser.add_argument(
        "day", nargs="?", default="", help="with verify: the day of the log, like 2026-11-23 (default: all days)"
    )
    parser.add_argument("--drain", action="store_true", help="process the requests that are queued, then exit")
    add_bucket_flag(parser)
    add_flags(parser)
    options = parser.parse_args()
    with ExitStack() as stack:
        endpoint = stack.enter_context(emulator.running()) if options.local else None
        aws = AwsSession(options.bucket, MAX_POLLERS + 24, endpoint)
        if options.command == "verify":
            return 1 if inspect.verify(aws, options.day) else 0
        if options.command == "status":
            found = Status.of(aws, datetime.now(timezone.utc))
            print(found.as_text())
            return 1 if found.problems else 0
        if options.command == "redrive":
            print(f"{redrive(aws):,} dead letters put back on {REQUEST_QUEUE}.")
            return 0
        stack.enter_context(emulator.serving() if options.local else nullcontext())
        server = persist(lambda: Server(aws), OutageReporter("Connecting"))
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: server.stopping.set())
        say(
            f"Serving {REQUEST_QUEUE}, answering on {ANSWER_QUEUE}, "
            f"logging to s3://{aws.bucket}/{LOG_PREFIX} in {aws.region}"
        )
        server.run(options.drain)
        say(f"Stopped: {server.report()}")
    return 0


def command() -> NoReturn:
    """Run lab2-server."""
    run(main)


if __name__ == "__main__":
    command()

"""Answer the requests on the queue lab2: receive, summarise, log, answer, delete."""

from __future__ import annotations

import argparse
import gc
import sys
from contextlib import ExitStack, nullcontext
from datetime import datetime, timezone
from typing import NoReturn

from lab2 import __version__
from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.retry import OutageReporter, persist
from lab2.aws.session import AwsSession
from lab2.cli import logs
from lab2.cli.flags import add_output_option, apply_common_options, bucket_option, common_options
from lab2.cli.parser import Program
from lab2.cli.run import discard_closed_terminal, run
from lab2.events import log_event, log_outage
from lab2.local import emulator
from lab2.stats.server.log import verify as log_verify
from lab2.stats.server.log.output import print_log
from lab2.stats.server.log.reader import check_day, day_of, follow_log, read_log
from lab2.stats.server.monitor.status import Status
from lab2.stats.server.pacing import MAX_POLLERS
from lab2.stats.server.redrive import redrive
from lab2.stats.server.service import Server
from lab2.system import signals
from lab2.system.streams import flush_each_line
from lab2.terminal import counted, printable

# New objects between two garbage collections. The 700 of Python (3.10 to 3.12) come with less than ten requests, and
# nearly no cycles with them.
GARBAGE_OBJECTS = 50_000

DESCRIPTION = "Answer the requests on the queue lab2: receive, summarise, log, answer, delete."
EPILOG = """\
Ctrl-C, kill or a closed terminal shuts it down gracefully: it finishes the
requests it holds.

exit codes:
  0  stopped on request, or the log is right
  1  verify found faults in the log, or status a problem
  2  fatal error; the reason is on stderr
  130  log --follow was interrupted by Ctrl-C
  70  internal error; stderr says where its traceback is
"""


def program(prog: str | None = None) -> Program:
    """Return the parser: server.py without a command serves."""
    program = Program(serve, DESCRIPTION, EPILOG, [bucket_option(), common_options()], prog)
    parser = program.unnamed
    parser.add_argument("--drain", action="store_true", help="process the requests that are queued, then exit")
    parser.add_argument(
        "--log-format",
        choices=["text", "json"],
        default="text",
        help="lines of text, or a JSON object per event (default: text)",
    )
    parser = program.command("verify", verify, "recompute every answer in the log")
    parser.add_argument("day", nargs="?", default="", help="day of the log, like 2026-11-23 (default: all days)")
    parser = program.command("status", status, "show queue depths, dead letters and today's log; 1 if all is not well")
    add_output_option(parser, ["text", "json"])
    parser = program.command("log", show_log, "print the rows of a day, in the order in which they were logged")
    parser.add_argument("day", nargs="?", default="", help="day of the log in UTC, like 2026-11-23 (default: today)")
    parser.add_argument("--follow", action="store_true", help="go on with the rows that are added, until Ctrl-C")
    parser.add_argument("--client", metavar="NAME", help="only the rows of this client")
    add_output_option(parser, ["text", "json", "csv"])
    program.command("redrive", put_back, "put the dead letters back on the request queue")
    return program


def serve(aws: AwsSession, options: argparse.Namespace) -> int:
    with emulator.serving() if options.local else nullcontext():
        server = persist(lambda: Server(aws), OutageReporter("Connecting", log_outage))

        def stop(number: int, _: object) -> None:
            discard_closed_terminal(number)
            server.stop_requested = True  # only a flag: this may interrupt the event loop anywhere

        signals.handle(stop, "SIGINT", *signals.ENDING)
        log_event(
            "serving",
            f"Serving {REQUEST_QUEUE}, answering on {ANSWER_QUEUE}, "
            f"logging to s3://{aws.bucket}/{LOG_PREFIX} in {aws.region}",
            bucket=aws.bucket,
            region=aws.region,
            version=__version__,
        )
        gc.freeze()  # what is loaded by now, mostly boto3, stays loaded: the garbage collector can skip it
        gc.set_threshold(GARBAGE_OBJECTS, *gc.get_threshold()[1:])
        with logs.in_background():  # the event loop waits for no reader
            server.run(options.drain)
            log_event("stopped", f"Stopped: {server.report()}", **server.counts())
    return 0


def verify(aws: AwsSession, options: argparse.Namespace) -> int:
    return 1 if log_verify.verify(aws, options.day) else 0


def status(aws: AwsSession, options: argparse.Namespace) -> int:
    found = Status.from_aws(aws, datetime.now(timezone.utc))
    print(found.as_json() if options.output == "json" else found.as_text())
    return 1 if found.problems else 0


def show_log(aws: AwsSession, options: argparse.Namespace) -> int:
    day = check_day(options.day) if options.day else ""
    if options.follow:
        flush_each_line()
        print_log(follow_log(aws, day), options.output, options.client)
        return 0
    day = day or day_of(datetime.now(timezone.utc))
    if not print_log(read_log(aws, day), options.output, options.client):
        of_whom = f" of {options.client}" if options.client else ""
        print(f"No requests{printable(of_whom)} were logged on {day} (UTC).", file=sys.stderr)
    return 0


def put_back(aws: AwsSession, options: argparse.Namespace) -> int:
    print(f"{counted(redrive(aws), 'dead letter')} put back on {REQUEST_QUEUE}.")
    return 0


def main() -> int:
    options = program().parse()
    apply_common_options(options)
    logs.set_up(options.quiet, options.verbose, vars(options).get("log_format", "text"))
    with ExitStack() as stack:
        endpoint = stack.enter_context(emulator.running()) if options.local else None
        code: int = options.run(AwsSession(options.bucket, MAX_POLLERS + 24, endpoint), options)
        return code


def command() -> NoReturn:
    """Run lab2-server."""
    run(main)


if __name__ == "__main__":
    command()

"""`python -m lab2`: says which commands there are."""

from __future__ import annotations

from lab2 import __doc__ as summary
from lab2 import __version__

COMMANDS = """\
  lab2-client   ask for numbers, send them over SQS, show mean, median, maximum and minimum
  lab2-server   answer the clients' requests, and log them in S3
  lab2-hotdog   upload pictures to S3, and label them with one key each

Each has --help, and --local to try it on this machine without an AWS account.
In a checkout they are also: python client.py, python server.py, python hotdog.py"""


def main() -> None:
    print(f"{summary}\nVersion {__version__}. The commands:\n\n{COMMANDS}")


if __name__ == "__main__":
    main()

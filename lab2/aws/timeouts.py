"""How long calls may take and messages stay hidden, and how these times depend on each other.

A call that hangs is given up while the messages in its reply are still ours: the read timeout is longer than the
longest poll and shorter than each visibility timeout. The queues in aws.yaml have the visibility timeouts that the
programs ask for. A function behind the request queue may run for a sixth of what a visibility timeout leaves after a
batch is gathered, as AWS advises:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (read in 2026).
"""

from __future__ import annotations

LONGEST_POLL_S = 20  # SQS's limit
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 25

REQUEST_VISIBILITY_S = 60  # of a request, renewed while a server holds it
ANSWER_VISIBILITY_S = 30  # of an answer, renewed while a client holds it
DEAD_LETTER_VISIBILITY_S = 60
FUNCTION_WINDOW_S = 1  # for which a batch is gathered
FUNCTION_TIMEOUT_S = (REQUEST_VISIBILITY_S - FUNCTION_WINDOW_S) // 6

"""How long a call may take and a message stays hidden, and what must hold between the two.

A call that hangs is given up while the messages in its reply are still ours: a read timeout is above the longest poll
and below each visibility timeout. The queues of aws.yaml have the same visibility timeouts as the programs ask for. A
function behind the request queue may run for a sixth of what its visibility timeout leaves, once a batch is gathered,
as AWS advises:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (read in 2026).
"""

from __future__ import annotations

LONGEST_POLL_S = 20  # more SQS does not take
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 25

REQUEST_VISIBILITY_S = 60  # of a request, renewed while a server holds it
ANSWER_VISIBILITY_S = 30  # of an answer, renewed while a client holds it
DEAD_LETTER_VISIBILITY_S = 60
FUNCTION_WINDOW_S = 1  # for which a batch is gathered
FUNCTION_TIMEOUT_S = (REQUEST_VISIBILITY_S - FUNCTION_WINDOW_S) // 6

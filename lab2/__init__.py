"""lab2: statistics over queues, and hot dog or not, on AWS."""

import sys

__version__ = "1.1.0.dev0"

# Every program imports this first. The other modules use the grammar of Python 3.10, for which an older one would
# report a SyntaxError; this file and the launchers stay within the grammar of 3.6.
if sys.version_info < (3, 10):  # noqa: UP036
    sys.stderr.write("lab2 needs Python 3.10 or later; this is " + ".".join(map(str, sys.version_info[:2])) + ".\n")
    sys.exit(2)

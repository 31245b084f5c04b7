"""The command line: arguments, exit codes, signals, and which parts are put together."""

import sys
from importlib.util import find_spec

# Here, as all three programs import this first, and their modules import boto3 before there is anything to catch it.
for _needed in ("boto3", "botocore"):
    if find_spec(_needed) is None:
        print(f"{_needed} is not installed. Run: pip install -r requirements.txt", file=sys.stderr)
        sys.exit(2)

"""The command line: arguments, exit codes, signals, and the parts that each program is made of."""

import sys
from importlib.util import find_spec

# All programs import this first; the modules that they import next import boto3, before there is code to catch that.
for _needed in ("boto3", "botocore"):
    if find_spec(_needed) is None:
        print(f"{_needed} is not installed. Run: pip install -r requirements.txt", file=sys.stderr)
        sys.exit(2)

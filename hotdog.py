#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/hotdog.py."""

from lab2.aws.session import run
from lab2.cli.hotdog import main

if __name__ == "__main__":
    run(main)

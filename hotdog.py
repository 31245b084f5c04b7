#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/hotdog.py."""

from lab2.cli.common import run
from lab2.cli.hotdog import main

if __name__ == "__main__":
    run(main)

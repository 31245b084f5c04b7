#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/server.py."""

from lab2.cli.common import run
from lab2.cli.server import main

if __name__ == "__main__":
    run(main)

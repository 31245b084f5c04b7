#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/client.py."""

from lab2.cli.client import main
from lab2.cli.common import run

if __name__ == "__main__":
    run(main)

#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/client.py."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out

from lab2.cli.client import command

if __name__ == "__main__":
    command()

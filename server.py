#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/server.py."""

from lab2.cli.server import command

if __name__ == "__main__":
    command()

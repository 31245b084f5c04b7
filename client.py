#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/client.py."""

from lab2.cli.client import command

if __name__ == "__main__":
    command()

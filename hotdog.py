#!/usr/bin/env python3
"""Launcher: the program is lab2/cli/hotdog.py."""

from lab2.cli.hotdog import command

if __name__ == "__main__":
    command()

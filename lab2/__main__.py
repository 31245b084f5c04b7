"""`python -m lab2`: deploys, checks and deletes the stack on AWS."""

from __future__ import annotations

from lab2.cli.stack import command

if __name__ == "__main__":
    command()

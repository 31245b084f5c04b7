"""`python -m lab2`: the stack on AWS; which programs there are."""

from __future__ import annotations

from lab2.cli.stack import command

if __name__ == "__main__":
    command()

"""What the pages of docs/ use of the AWS CLI, on boto3: the CLI itself pins a botocore that the emulator can't have.

`aws SERVICE OPERATION [FILE] --option value ...` is the call of that operation; `--query` and `--output text` are as in
the CLI. `aws cloudformation deploy` deploys aws.yaml.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import jmespath
from support.world import ROOT

from lab2.aws.session import AwsSession
from lab2.local.emulator import deploy


def install(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """Put `aws` and `python` into a folder; return an environment in which a shell finds them and our modules."""
    folder.mkdir()
    (folder / "aws").write_text(f'#!/bin/sh\nexec {sys.executable} -m support.aws_cli "$@"\n')
    (folder / "aws").chmod(0o755)
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # a symlink would leave its venv
    (folder / "python").chmod(0o755)
    paths = {"PATH": [str(folder), os.environ["PATH"]], "PYTHONPATH": [str(ROOT), str(ROOT / "tests")]}
    return os.environ | env | {name: os.pathsep.join(values) for name, values in paths.items()}


def main(service: str, operation: str, *words: str) -> None:
    aws = AwsSession()
    rest = list(words)
    options: dict[str, Any] = {}
    files = []
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            options[word[2:]] = rest.pop(0)
        else:
            files.append(Path(word))
    if (service, operation) == ("cloudformation", "deploy"):
        return deploy(aws, Path(options["template-file"]).read_text())
    query, _ = options.pop("query", "@"), options.pop("output", "text")
    call: dict[str, Any] = {
        "".join(part.capitalize() for part in name.split("-")): value for name, value in options.items()
    }
    if "Body" in call:
        call["Body"] = Path(call["Body"]).read_bytes()
    client = aws.boto3_session.client({"s3api": "s3"}.get(service, service))
    method = getattr(client, operation.replace("-", "_"))
    reply = (
        client.get_paginator(operation.replace("-", "_")).paginate(**call).build_full_result()
        if client.can_paginate(operation.replace("-", "_"))
        else method(**call)
    )
    for file in files:
        file.write_bytes(reply["Body"].read())
    for line in text(jmespath.search(query, reply)):
        print(line)
    return None


def text(found: Any) -> list[str]:
    """Return what a query found as the CLI's lines of text: a list on one line, lists in it a line each."""
    if isinstance(found, list) and any(isinstance(each, list) for each in found):
        return [line for each in found for line in text(each)]
    if isinstance(found, list):
        return ["\t".join(map(str, found))]
    return [] if isinstance(found, dict) else [str(found)]


if __name__ == "__main__":
    main(*sys.argv[1:])

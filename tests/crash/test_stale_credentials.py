"""A credential provider that hands out expired credentials for a while, or AWS that takes them for expired.

All three programs go through it, at their start and in the middle of their work, with a sentence when it begins, which
names the cause, and one when it is over. Nothing that was typed, labelled or sent is lost.
"""

from __future__ import annotations

import io
import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from support.client import ME, exit_code, typing
from support.labeller import rows, waiting
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, ROOT, Program, World, until

from lab2.aws.resources import IMAGE_PREFIX, LABEL_KEY
from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.protocol import new_id

OPERATIONS = ["Query", "ListQueues", "GetQueueUrl", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch",
              "ChangeMessageVisibilityBatch", "ListObjectsV2", "GetObject", "PutObject"]  # fmt: skip
CAUSES = {
    "provider": "The AWS credentials can't be fetched: Credentials were refreshed, but the refreshed credentials are "
    "still expired. To renew a sign-in: aws sso login",
    "AWS": "The AWS credentials have expired. Sign in again, for example: aws sso login",
}


class SignIn:
    """The credentials of a world's programs, who ask a `credential_process` before each call. They may become stale."""

    def __init__(self, world: World, proxy: Proxy, kind: str) -> None:
        self.proxy, self.kind, self.cause = proxy, kind, CAUSES[kind]
        self.path, config = world.home / "answer.json", world.home / "config"
        config.write_text(f"[default]\ncredential_process = cat {self.path}\n")
        self.keys = {name: world.env.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        world.env |= {"AWS_CONFIG_FILE": str(config), "LAB2_BUCKET": world.aws.bucket, "AWS_ENDPOINT_URL": proxy.url}
        self.elsewhere = self.keys | {
            "AWS_ENDPOINT_URL": proxy.target
        }  # the environment of a program that is not struck
        self.renew()

    def renew(self) -> None:
        self._hand_out(minutes=5)  # so little that botocore asks again before each call
        self.proxy.forget()

    def expire(self) -> None:
        if self.kind == "provider":
            self._hand_out(minutes=-60)
        else:
            refused = Fault(refuse=(403, "ExpiredToken"))
            for operation in OPERATIONS:
                self.proxy.on(operation, refused, times=ALWAYS)

    def expire_after(self, operation: str, nth: int = 1, path: str = "") -> None:
        """Expire when the nth call of an operation has been made."""
        self.proxy.on(operation, Fault(after=self.expire), nth, only=lambda call: path in call.path)

    def _hand_out(self, minutes: float) -> None:
        expiration = (datetime.now(timezone.utc) + timedelta(minutes=minutes)).isoformat()
        access_key, secret_key = self.keys.values()
        answer = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret_key, "SessionToken": "t"}
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(answer | {"Expiration": expiration}))
        new.replace(self.path)


@pytest.fixture(params=CAUSES)
def sign_in(request: pytest.FixtureRequest, world: World, proxy: Proxy) -> SignIn:
    return SignIn(world, proxy, request.param)


class Said:
    """What a program says on stderr, line by line."""

    def __init__(self, program: Program) -> None:
        assert program.stderr
        self.program, self.lines, self._rest = program, list[str](), iter(program.stderr)

    def wait_for(self, text: str) -> str:
        """Return the line that has a text, as soon as it is said."""
        for line in self._rest:
            self.lines.append(line)
            if text in line:
                return line
        pytest.fail(f"{text!r} was never said: {self.lines}")

    def assert_an_outage(self, what: str, cause: str) -> None:
        """After the program's end: it said once that `what` fails, with the cause, and once that it works again."""
        self.lines += self._rest
        assert "Traceback" not in "".join(self.lines)
        # A server puts the time before them.
        said = [line[line.index(what) :] for line in self.lines if f"{what} fails" in line]
        assert said == [f"{what} fails; retrying: {cause}\n"], "".join(self.lines)
        assert sum(f"{what} works again after " in line for line in self.lines) == 1


def ended(program: Program, typed: str = "") -> tuple[int, str]:
    """Let a program end whose stderr is read elsewhere; return its exit code and its output."""
    assert program.stdin and program.stdout
    print(typed, end="", file=program.stdin, flush=True)
    output = program.stdout.read()
    return program.wait(PATIENCE), output


# ---- at the start -------------------------------------------------------------------------------


def test_server_and_client_wait_for_fresh_credentials_at_their_start(world: World, sign_in: SignIn) -> None:
    sign_in.expire()
    server = world.start("server.py")
    client = world.start("client.py", "--client", ME, "3", "5.5", "8")
    said = [Said(program) for program in (server, client)]
    for each in said:
        each.wait_for("Connecting fails")
    sign_in.renew()
    code, output = ended(client)
    assert code == 0 and output.splitlines()[-1].split() == ["1", "3", "5.5", "8", "5.5", "5.5", "8", "3"]
    server.terminate()
    assert ended(server)[0] == 0
    for each in said:
        each.assert_an_outage("Connecting", sign_in.cause)


@pytest.mark.long
@pytest.mark.parametrize("command", ["label", "upload", "report"])
def test_the_labeller_waits_for_fresh_credentials_at_its_start(samples: World, sign_in: SignIn, command: str) -> None:
    sign_in.expire()
    arguments = {"label": ["--display", "terminal"], "upload": [str(ROOT / "underbase")], "report": []}[command]
    said = Said(program := samples.start("hotdog.py", command, *arguments))
    what = "Uploading" if command == "upload" and sign_in.kind == "AWS" else "Connecting"  # which asks AWS nothing
    said.wait_for(f"{what} fails")
    sign_in.renew()
    assert ended(program, "1\n0\n1\n0\n")[0] == 0
    said.assert_an_outage(what, sign_in.cause)
    assert command != "label" or len(rows(samples)) == 4


# ---- in the middle ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "what"),
    [("ReceiveMessage", "Logging"), ("PutObject", "Answering"), ("SendMessageBatch", "Deleting"), ("", "Receiving")],
)
def test_a_server_goes_through_stale_credentials(world: World, sign_in: SignIn, operation: str, what: str) -> None:
    said = Said(server := world.start("server.py"))
    assert server.stdout
    server.stdout.readline()
    if not operation:
        sign_in.expire()
        said.wait_for(f"{what} fails")
    elif operation == "ReceiveMessage":  # of what is there
        once = [sign_in.expire]  # a receive that is under way may come to its end after the renewal
        sign_in.proxy.on(operation, Fault(after=lambda: world.depth("lab2")[1] and once and once.pop()()), times=ALWAYS)
    else:
        sign_in.expire_after(operation, path="/log/2" if operation == "PutObject" else "")  # not at log/start.jsonl
    ids = sorted(new_id() for _ in range(10))
    world.queue("lab2").send([Outgoing("[3]", {"id": id}) for id in ids])
    if operation:
        said.wait_for(f"{what} fails")
    sign_in.renew()
    until(lambda: sum(world.depth("lab2")) == 0)
    server.terminate()
    assert ended(server)[0] == 0
    said.assert_an_outage(what, sign_in.cause)
    assert sorted(message.attributes["id"] for message in world.drain("lab2_1")) == ids
    assert len(b"".join(world.objects("log/2").values()).splitlines()) == 10


@pytest.mark.long
def test_a_dialogue_goes_through_stale_credentials_and_keeps_what_was_typed(world: World, sign_in: SignIn) -> None:
    world.start("server.py", env=sign_in.elsewhere)
    with typing(world) as person:
        person.logfile_read = screen = io.StringIO()
        failed = []
        for number, what in (3, ""), (5.5, "Sending"), (8, "Listening|Deleting"):
            person.expect("Number 1 of 10")
            person.sendline(f"{number}")
            person.expect("Number 2 of 10")
            if what == "Sending":
                sign_in.expire()
            elif what:  # while it waits for its answer, which a call that is under way may still bring
                sign_in.expire_after("SendMessageBatch")
            person.sendline("")
            if what:
                person.expect(f"({what}) fails; retrying: {re.escape(sign_in.cause)}")
                failed.append(person.match[1])
                sign_in.renew()
            person.expect("Another message")
            person.sendline("y" if number != 8 else "n")
        assert exit_code(person) == 0
    for row in ("1 +3 +3 ", r"2 +5\.5 +5\.5 ", "3 +8 +8 "):
        assert re.search(row, screen.getvalue())
    for what in failed:
        assert f"{what} works again after" in screen.getvalue()


@pytest.mark.long
@pytest.mark.parametrize(
    ("operation", "nth", "what"), [("SendMessageBatch", 1, "Receiving"), ("ListQueues", 1, "Sending")]
)
def test_a_file_is_answered_whole_through_stale_credentials(
    world: World, sign_in: SignIn, operation: str, nth: int, what: str
) -> None:
    world.start("server.py", env=sign_in.elsewhere)
    path = world.home / "series.txt"
    path.write_text("".join(f"{number}\n" for number in range(40)))
    sign_in.expire_after(operation, nth)
    said = Said(program := world.start("client.py", "file", str(path), "--client", ME, "--output", "json"))
    said.wait_for(f"{what} fails")
    sign_in.renew()
    code, output = ended(program)
    assert code == 0
    assert [json.loads(line)["numbers"] for line in output.splitlines()] == [[number] for number in range(40)]
    said.assert_an_outage(what, sign_in.cause)


LABELLING: dict[str, tuple[str, int, str]] = {  # when they expire: after which call; its path
    "Listing the pictures": ("ListObjectsV2", 1, ""),
    "Reading pictures": ("ListObjectsV2", 2, ""),
    "Saving labels": ("GetObject", 4, IMAGE_PREFIX),
}


@pytest.mark.parametrize("what", LABELLING)
def test_a_labeller_goes_through_stale_credentials_and_saves_every_label(
    samples: World, sign_in: SignIn, what: str
) -> None:
    sign_in.expire_after(*LABELLING[what])
    said = Said(program := samples.start("hotdog.py", "--display", "terminal"))
    assert program.stdin
    print("2\n1\n0\n1\n0", file=program.stdin, flush=True)
    said.wait_for(f"{what} fails")
    assert what != "Saving labels" or waiting(samples)
    sign_in.renew()
    until(lambda: len(rows(samples)) == 4 and not waiting(samples))
    assert ended(program, "3\n")[0] == 0
    said.assert_an_outage(what, sign_in.cause)
    assert [row["label"] for row in rows(samples)] == ["1", "0", "1", "0"] and waiting(samples) == []


@pytest.mark.long
def test_an_upload_goes_through_stale_credentials(world: World, sign_in: SignIn) -> None:
    sign_in.expire_after("PutObject", 3)
    said = Said(program := world.start("hotdog.py", "upload", str(ROOT / "underbase")))
    said.wait_for("Uploading fails")
    sign_in.renew()
    code, output = ended(program)
    assert code == 0 and "0 already there, 0 left out." in output
    said.assert_an_outage("Uploading", sign_in.cause)
    assert len(world.objects(IMAGE_PREFIX)) == len(list((ROOT / "underbase").iterdir()))


@pytest.mark.parametrize(("nth", "what"), [(2, "Reading the labels"), (1, "Listing the pictures")])
def test_a_report_goes_through_stale_credentials(samples: World, sign_in: SignIn, nth: int, what: str) -> None:
    samples.aws.s3.put_object(Bucket=samples.aws.bucket, Key=LABEL_KEY, Body=b"image,label,annotator,timestamp\n")
    sign_in.expire_after("ListObjectsV2", nth, IMAGE_PREFIX.rstrip("/"))
    said = Said(program := samples.start("hotdog.py", "report"))
    said.wait_for(f"{what} fails")
    sign_in.renew()
    code, output = ended(program)
    assert code == 0 and output.startswith("  labels")
    said.assert_an_outage(what, sign_in.cause)

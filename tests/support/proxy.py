"""A proxy between the programs and the emulator that a test steers: it counts calls, and breaks them on demand."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from support.aws_habits import Habits
from urllib3 import HTTPHeaderDict

S3_OPERATIONS = {
    ("PUT", ""): "PutObject",
    ("GET", ""): "GetObject",
    ("HEAD", ""): "HeadObject",
    ("DELETE", ""): "DeleteObject",
    ("GET", "list-type"): "ListObjectsV2",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "partNumber"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}
OF_A_CONNECTION = {"host", "content-length", "connection", "expect"}  # headers that are made anew


@dataclass
class Call:
    """One call of an AWS operation on its way; `fields` is the JSON of an SQS call."""

    operation: str
    method: str
    path: str
    headers: HTTPHeaderDict
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body) if "X-Amz-Target" in self.headers else {}


@dataclass
class Fault:
    """What happens to a call: `before`; then it is refused, cut, or made; `after`; then its reply is lost."""

    before: Callable[[], object] | None = None
    refuse: tuple[int, str] | None = None  # status and code of the error that is answered instead
    details: dict[str, str] = field(default_factory=dict)  # what else is in that error, its Message for one
    headers: dict[str, str] = field(default_factory=dict)  # of that answer
    instead: tuple[int, dict[str, str], bytes] | None = None  # status, headers and body that are answered instead
    cut: bool = False  # the connection ends before AWS hears of it
    fail: int = 0  # so many entries of a batch are answered with Failed, and have no effect
    code: str = "InternalError"  # of those entries
    after: Callable[[], object] | None = None
    lost: bool = False  # it took effect, and the connection ends before its reply
    torn: bool = False  # it took effect, and the connection ends in the middle of its reply


@dataclass
class Rule:
    operation: str
    fault: Fault
    nth: int  # the first call that it applies to, from 1
    times: int
    only: Callable[[Call], bool]
    seen: int = 0

    def applies(self, call: Call) -> bool:
        if self.operation != call.operation or not self.only(call):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


ALWAYS = 10**9


@dataclass
class Proxy:
    """Counts `calls` and `sent` bytes (of bodies) by operation; `url` is where programs find AWS.

    A GET of a key that is missing is always answered with 403, as AWS does for whoever may not list all the bucket.
    `habits` are others of AWS's habits.
    """

    target: str
    habits: Habits = field(default_factory=Habits)
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    calls: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rules: list[Rule] = []
        self._edits: dict[str, Callable[[dict[str, Any]], object]] = {}
        self._reply_edits: dict[str, Callable[[dict[str, Any]], object]] = {}
        self._ignored: set[str] = set()
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    self.raw_requestline = self.rfile.readline(65537)
                    if not self.raw_requestline or not self.parse_request():
                        self.close_connection = True
                        return
                    proxy._handle(self)
                except OSError:  # the program was killed, or we were told to cut
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            request_queue_size = 128  # a server connects many times at once; with five, some waited for a second

        self._server = Server((self.host, 0), Handler)
        self._server.daemon_threads = True
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.tls:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )  # the handshake is made by the connection's thread, as it reads
        self.url = f"http{'s' if self.tls else ''}://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def on(
        self,
        operation: str,
        fault: Fault,
        nth: int = 1,
        times: int = 1,
        only: Callable[[Call], bool] = lambda call: True,
    ) -> Rule:
        """Let `fault` happen to the nth call of an operation, and so many `times` from then."""
        rule = Rule(operation, fault, nth, times, only)
        with self._lock:
            self._rules.append(rule)
        return rule

    def edit(self, operation: str, edit: Callable[[dict[str, Any]], object]) -> None:
        """Change the fields of every SQS call of an operation on its way."""
        self._edits[operation] = edit

    def edit_reply(self, operation: str, edit: Callable[[dict[str, Any]], object]) -> None:
        """Change the fields of every SQS reply of an operation on its way back."""
        self._reply_edits[operation] = edit

    def ignore(self, *headers: str) -> None:
        """Behave as a store that does not look at these headers, such as If-Match."""
        self._ignored |= {*headers}

    def forget(self, *rules: Rule) -> None:
        """End these faults, or all."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rules and rule not in rules]

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Expect", "").lower() == "100-continue":
            handler.send_response_only(100)
            handler.end_headers()
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        call = Call(_operation(handler), handler.command, handler.path, HTTPHeaderDict(handler.headers.items()), body)
        if call.method != "GET":
            for name in self._ignored:
                call.headers.discard(name)
        with self._lock:
            self.calls[call.operation] += 1
            self.sent[call.operation] += len(body)
            faults = [rule.fault for rule in self._rules if rule.applies(call)]
        fault = faults[0] if faults else Fault()
        if fault.before:
            fault.before()
        if fault.refuse:
            return _reply(handler, *_error(call, *fault.refuse, fault))
        if fault.instead:
            return _reply(handler, *fault.instead)
        if fault.cut:
            raise ConnectionAbortedError
        failed = _take_entries(call, fault) if fault.fail else []
        if edit := self._edits.get(call.operation):
            call.body = _edited(call.body, edit)
        if call.fields and self.habits.names:
            call.body = _edited(call.body, lambda fields: self.habits.ask(call.operation, fields))
        if call.fields and self.habits.finds_nothing(call.operation, call.fields):
            status, headers, answer = 200, {"Content-Type": "application/x-amz-json-1.0"}, b"{}"
        elif failed and not call.fields["Entries"]:
            status, headers, answer = 200, {"Content-Type": "application/x-amz-json-1.0"}, b'{"Successful": []}'
        else:
            status, headers, answer = self._forward(call)
        is_key = urlsplit(call.path).path.strip("/").count("/") > 0  # and not a bucket
        if status == 404 and is_key and call.operation in ("GetObject", "HeadObject", "UploadPartCopy"):
            status, headers, answer = _error(call, 403, "AccessDenied", fault)
        if status == 200 and call.fields and self.habits.names:
            answer = _edited(answer, lambda fields: self.habits.reply(call.operation, call.fields, fields))
        if status == 200 and (edit := self._reply_edits.get(call.operation)):
            answer = _edited(answer, edit)
        if failed:
            answer = _edited(answer, lambda fields: fields.setdefault("Failed", []).extend(failed))
        if fault.after:
            fault.after()
        if fault.lost:
            raise ConnectionAbortedError
        if fault.torn:
            _reply(handler, status, headers, answer, len(answer) // 2)
            raise ConnectionAbortedError
        return _reply(handler, status, headers, answer)

    def _forward(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        host = urlsplit(self.target).netloc
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            headers = {name: value for name, value in call.headers.items() if name.lower() not in OF_A_CONNECTION}
            headers |= {"Content-Length": str(len(call.body)), "Connection": "close"}
            connection.request(call.method, call.path, call.body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        # Queue URLs that the emulator makes name the emulator; programs must come back through here.
        answer = answer.replace(self.target.encode(), self.url.encode()) if call.fields else answer
        return response.status, dict(response.getheaders()), answer


def _operation(handler: BaseHTTPRequestHandler) -> str:
    if target := handler.headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    parts = urlsplit(handler.path)
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.path == "/":
        return "Query"  # STS and the like
    if handler.headers.get("x-amz-copy-source") and "partNumber" in query:
        return "UploadPartCopy"
    for (method, key), operation in reversed(S3_OPERATIONS.items()):
        if method == handler.command and (not key or key in query):
            return operation
    return handler.command


def _reply(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, end: int | None = None
) -> None:
    handler.send_response_only(status)
    for name, value in headers.items():
        if name.lower() not in ("content-length", "connection", "transfer-encoding"):
            handler.send_header(name, value)
    length = headers.get("Content-Length") or headers.get("content-length") if handler.command == "HEAD" else None
    handler.send_header("Content-Length", length or str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body[:end])


def _error(call: Call, status: int, code: str, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """Return an error as SQS (JSON), S3 or STS (XML) puts it."""
    details = {"Message": "by the test"} | fault.details
    if call.headers.get("X-Amz-Target"):
        body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": details["Message"]})
        return status, {"Content-Type": "application/x-amz-json-1.0"} | fault.headers, body.encode()
    body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in ({"Code": code} | details).items())
    body = f"<Error>{body}</Error>"
    if call.operation == "Query":
        body = f"<ErrorResponse>{body}</ErrorResponse>"
    return status, {"Content-Type": "application/xml"} | fault.headers, body.encode()


def _take_entries(call: Call, fault: Fault) -> list[dict[str, Any]]:
    """Take the first entries out of a batch; return what is answered for them."""
    taken: list[dict[str, Any]] = []

    def take(fields: dict[str, Any]) -> None:
        taken.extend(fields["Entries"][: fault.fail])
        del fields["Entries"][: fault.fail]

    call.body = _edited(call.body, take)
    reason = {"Code": fault.code, "Message": "by the test", "SenderFault": fault.code != "InternalError"}
    return [{"Id": entry["Id"]} | reason for entry in taken]


def _edited(body: bytes, edit: Callable[[dict[str, Any]], object]) -> bytes:
    fields = json.loads(body or b"{}")
    edit(fields)
    return json.dumps(fields).encode()

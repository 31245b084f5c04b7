"""What every call gets on its way out, and what its reply is checked for on its way in."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable
from contextlib import closing

import pytest
from botocore.exceptions import ClientError
from support.listener import Listener
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import World

from lab2.aws.border import UnexpectedReply
from lab2.aws.failures import explain
from lab2.aws.retry import is_transient
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message, Outgoing
from lab2.errors import UserError

HTML = {"Content-Type": "text/html; charset=utf-8"}
XML = {"Content-Type": "application/xml"}
SIGN_IN = b"<!DOCTYPE html>\n<title>Sign in</title><br>"
REPLIES = {  # none of AWS
    "page that is no XML": (200, HTML, SIGN_IN),
    "page as a web server keeps it": (200, HTML | {"ETag": '"5f3c-1a2b"'}, b"<html>Sign in to the network</html>"),
    "nothing": (200, XML, b"<?xml version='1.0'?><Nothing></Nothing>"),
    "page that forbids": (403, HTML, SIGN_IN),
    "page of a type that is wrong": (400, {"Content-Type": "text/plain"}, SIGN_IN),
    "proxy that wants a password": (407, {"Proxy-Authenticate": "Basic"}, b""),
    "redirect": (302, {"Location": "http://127.0.0.1:9/"}, b""),
    "redirect for good": (301, HTML | {"Location": "http://127.0.0.1:9/"}, SIGN_IN),
    "gateway's page": (503, HTML, SIGN_IN),
}
PAGE = REPLIES["page that is no XML"]
NOTHING = REPLIES["nothing"]

CALLS: dict[str, Callable[[AwsSession], object]] = {
    "PutObject": lambda aws: aws.s3.put_object(Bucket=aws.bucket, Key="k", Body=b""),
    "GetObject": lambda aws: aws.s3.get_object(Bucket=aws.bucket, Key="k"),
    "ListObjectsV2": lambda aws: aws.s3.list_objects_v2(Bucket=aws.bucket),
    "CreateMultipartUpload": lambda aws: aws.s3.create_multipart_upload(Bucket=aws.bucket, Key="k"),
    "UploadPartCopy": lambda aws: aws.s3.upload_part_copy(
        Bucket=aws.bucket, Key="k", PartNumber=1, UploadId="u", CopySource={"Bucket": aws.bucket, "Key": "k"}
    ),
    "GetQueueUrl": lambda aws: aws.sqs.get_queue_url(QueueName="lab2"),
    "ReceiveMessage": lambda aws: aws.queue_at("http://x/1/lab2").receive(),
    "SendMessageBatch": lambda aws: aws.queue_at("http://x/1/lab2").send([Outgoing("[1]")]),
    "DeleteMessageBatch": lambda aws: aws.queue_at("http://x/1/lab2").delete([Message("1", "r", "", {}, 0, 1)]),
    "DeleteObject": lambda aws: aws.s3.delete_object(Bucket=aws.bucket, Key="k"),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_that_is_none_of_aws_is_an_outage(proxied: World, proxy: Proxy, reply: str) -> None:
    assert proxied.aws.bucket
    for operation, call in CALLS.items():
        if operation == "DeleteObject" and reply == "nothing":
            continue  # which is what it promises
        rule = proxy.on(operation, Fault(instead=REPLIES[reply]), times=ALWAYS)
        with pytest.raises(UnexpectedReply) as raised:
            call(proxied.aws)
        assert is_transient(raised.value)
        assert "Is it a web page?" in str(explain(raised.value)), operation
        proxy.forget(rule)


def test_a_reply_that_was_cut_short_on_its_way_is_no_empty_one(proxied: World, proxy: Proxy) -> None:
    proxy.on("ReceiveMessage", Fault(instead=(200, {}, b'{"Messages": [{"Mess')), times=ALWAYS)
    with pytest.raises(UnexpectedReply, match="no JSON"):
        proxied.queue("lab2").receive()


class OldProxy(Listener):
    """A proxy that says the end of a body by closing the connection, here in the middle of a label file."""

    def handle(self, connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nConnection: close\r\n\r\nimage,label\na.jpg,')


def test_an_object_that_may_have_been_cut_short_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(OldProxy()) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with pytest.raises(UnexpectedReply, match="how long"):
            AwsSession("b").s3.get_object(Bucket="b", Key="underbase.csv")


def test_an_object_that_is_a_web_page_is_read(proxied: World) -> None:
    place = {"Bucket": proxied.aws.bucket, "Key": "underbase/page.html"}
    proxied.aws.s3.put_object(**place, Body=SIGN_IN, ContentType="text/html")
    assert proxied.aws.s3.get_object(**place)["Body"].read() == SIGN_IN


@pytest.mark.parametrize("reply", [PAGE, NOTHING], ids=["page", "nothing"])
def test_a_page_in_the_place_of_our_account_is_an_outage(
    proxied: World, proxy: Proxy, reply: tuple[int, dict[str, str], bytes]
) -> None:
    """botocore's parser raises a KeyError there."""
    proxy.on("Query", Fault(instead=reply), times=ALWAYS)
    with pytest.raises(UserError, match=r"Is it a web page\?") as raised:
        _ = proxied.aws.bucket
    assert is_transient(raised.value)


def test_a_redirect_that_leads_nowhere_ends(proxied: World, proxy: Proxy) -> None:
    assert proxied.aws.bucket
    for operation in ("ListObjectsV2", "HeadBucket", "HeadObject"):
        proxy.on(operation, Fault(refuse=(301, "PermanentRedirect")), times=ALWAYS)
    with pytest.raises(ClientError, match="PermanentRedirect"):
        proxied.aws.s3.list_objects_v2(Bucket=proxied.aws.bucket)
    assert proxy.calls.total() < 10


def sent_by(proxy: Proxy, operation: str) -> list[Call]:
    calls: list[Call] = []
    proxy.on(operation, Fault(), only=lambda call: calls.append(call) or False)  # type: ignore[func-returns-value]
    return calls


def test_what_is_written_has_the_checksum_that_object_lock_demands(proxied: World, proxy: Proxy) -> None:
    calls = sent_by(proxy, "PutObject")
    proxied.aws.s3.put_object(Bucket=proxied.aws.bucket, Key="k", Body=b"body")
    assert base64.b64decode(calls[0].headers["Content-MD5"]) == hashlib.md5(b"body").digest()


def test_aws_is_told_whose_the_bucket_must_be_by_the_account_in_its_name(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, account = proxied.aws.bucket, proxied.env["AWS_ACCESS_KEY_ID"]
    assert account in bucket
    puts, lists, copies = (sent_by(proxy, operation) for operation in ("PutObject", "ListObjectsV2", "UploadPartCopy"))
    proxied.aws.s3.put_object(Bucket=bucket, Key="k", Body=b"")
    proxied.aws.check_bucket("log/")
    proxied.aws.s3.create_bucket(Bucket="another")
    proxied.aws.s3.put_object(Bucket="another", Key="k", Body=b"")
    upload = proxied.aws.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    proxied.aws.s3.upload_part_copy(
        Bucket=bucket, Key="k", PartNumber=1, UploadId=upload, CopySource={"Bucket": bucket, "Key": "k"}
    )
    owner, source = "x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"
    assert puts[0].headers[owner] == lists[0].headers[owner] == account
    assert copies[0].headers[owner] == copies[0].headers[source] == account
    assert owner not in puts[1].headers
    monkeypatch.delenv("LAB2_STORE")  # another store may not know the header
    elsewhere = AwsSession(bucket)
    elsewhere.s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert owner not in puts[2].headers


def test_what_is_refused_for_its_expect_header_is_sent_without_it(proxied: World, proxy: Proxy) -> None:
    calls = sent_by(proxy, "PutObject")
    proxy.on("PutObject", Fault(refuse=(417, "417")), times=ALWAYS, only=lambda call: "Expect" in call.headers)
    for _ in range(2):
        proxied.aws.s3.put_object(Bucket=proxied.aws.bucket, Key="k", Body=b"body")
    assert ["Expect" in call.headers for call in calls] == [True, False, False]

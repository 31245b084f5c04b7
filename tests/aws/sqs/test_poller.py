"""The poller's threads: when they start, join and end."""

from __future__ import annotations

import sys
import threading

from support.world import until

from lab2.aws.retry import OutageReporter
from lab2.aws.sqs.poller import Poller


def test_it_can_be_joined_while_another_thread_starts_it() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            poller = Poller(lambda patient: 0, OutageReporter("Receiving", print), max_threads=1, pause=0.0)
            starter = threading.Thread(target=poller.start)
            starter.start()
            until(lambda: poller.running)  # noqa: B023 - called here
            poller.stop()
            poller.join()
            starter.join()
            assert not poller.running
    finally:
        sys.setswitchinterval(before)

"""Work done behind the user's back: begun at once, waited for only when its result is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Behind(Generic[T]):
    """The result of `work`, which runs in a thread that ends with the program, whatever it is at."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._failed = False
        self._start()

    def get(self) -> T:
        """Return the result, or raise what `work` raised; asked again after that, it works again."""
        if self._failed:
            self._start()
        try:
            return self.future.result()
        except Exception:
            self._failed = True
            raise

    def done(self, timeout: float = 0.0) -> bool:
        """Tell whether the work is done, well or not, within `timeout` seconds."""
        with suppress(Exception):
            self.future.result(timeout)
        return self.future.done()

    def result(self) -> T | None:
        """Return the result if there is one by now."""
        return self.future.result() if self.future.done() and not self.future.exception() else None

    def _start(self) -> None:
        self._failed = False
        self.future: Future[T] = Future()
        threading.Thread(target=self._run, args=(self.future,), daemon=True).start()

    def _run(self, future: Future[T]) -> None:
        try:
            future.set_result(self._work())
        except BaseException as error:
            future.set_exception(error)

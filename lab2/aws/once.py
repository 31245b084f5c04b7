"""A property that the first thread to ask computes once, while others wait for it.

Since Python 3.12 `functools.cached_property` has no lock: two threads would both compute it, and two boto3 sessions
on one botocore session can make no client.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, overload

T = TypeVar("T")


class once(cached_property[T]):
    def __init__(self, compute: Callable[[Any], T]) -> None:
        super().__init__(compute)
        self._lock = threading.RLock()

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> once[T]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> once[T] | T:
        if instance is None:
            return self
        with self._lock:  # only at first: Python finds the computed value before this property
            return super().__get__(instance, owner)

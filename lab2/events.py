"""What a program logs: events, each a sentence for people, and a name and fields for machines."""

from __future__ import annotations

import logging

LOGGER = logging.getLogger("lab2")


def log_event(name: str, sentence: str, level: int = logging.INFO, /, **fields: object) -> None:
    """Log an event: the text form is the sentence, the JSON form has the name and the fields, too."""
    LOGGER.log(level, "%s", sentence, extra={"event": name, "fields": fields})


def log_outage(sentence: str) -> None:
    """Log that AWS fails, or works again."""
    log_event("outage", sentence, logging.WARNING)

"""Why a file can't be shown, as clauses like "it is damaged: part of the picture is lost"."""

from __future__ import annotations

from lab2.labelling.pictures.picture import UnreadableImage

INCOMPLETE = "it is incomplete: part of the picture is missing"
DAMAGED = "it is damaged: part of the picture is lost"
DAMAGED_OR_INCOMPLETE = "it is damaged or incomplete: part of the picture is missing"
UNKNOWN_DAMAGE = "it is damaged or incomplete"
NO_MEMORY = "there is not enough memory to decode it"
EMPTY = "it is empty"


def unsupported(what: str) -> UnreadableImage:
    return UnreadableImage(f"it is {what}, which is not supported")

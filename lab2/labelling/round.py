"""A round of labelling: which pictures to show, and a label for each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import suppress

from lab2.aws.retry import OutageReporter
from lab2.aws.workers import BackgroundTask
from lab2.errors import UserError
from lab2.labelling.labels.choices import BY_VALUE, WITHDRAWN, majority
from lab2.labelling.labels.label_row import Label, by_image
from lab2.labelling.labels.timestamps import Clock
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.image_store import PAGE_KEYS, Image
from lab2.labelling.pictures.picture import Picture
from lab2.labelling.session import FLUSH_TIMEOUT_S, Session
from lab2.system.worker_process import ProcessDied
from lab2.terminal import counted, printable

ROUND_PICTURES = 4
OUTAGE_CHECK_S = 0.2  # between two looks at whether an outage is to be reported, while no picture is there yet


def label_round(session: Session, annotator: str, useful: bool) -> None:
    """Label a round of images, if `useful` those that need it most; then print how many labels are in S3."""
    decoder = session.ready_decoder()
    outbox, images = session.outbox, session.images
    candidates = session.persist("Listing the pictures", images.sample)
    if not candidates:
        raise UserError(f"There are no pictures in bucket {images.aws.bucket} yet. Upload some first.")
    if useful:
        candidates = pick_useful(session, candidates, annotator)
        if not candidates:
            print(f"{annotator} has labelled every picture; there is nothing left to label.")
            return
    before = outbox.saved
    with suppress(KeyboardInterrupt):
        ask_round(session, decoder, candidates, annotator)
    outbox.flush(FLUSH_TIMEOUT_S)
    session.tell()
    print(f"{counted(outbox.saved - before, 'label')} safe in S3", end="")
    print(f", {outbox.waiting} waiting on this disk to be sent." if outbox.waiting else ".", flush=True)


def pick_useful(session: Session, sample: list[Image], annotator: str) -> list[Image]:
    """Return the images that this annotator has not labelled, the most useful last, else in random order."""
    session.outbox.flush(FLUSH_TIMEOUT_S)
    given = session.votes()
    votes = by_image(given, (image.name for image in sample))

    def need(image: Image) -> int | None:
        return usefulness(votes.get(image.name, {}), annotator)

    unlabelled = sum(need(image) == 0 for image in sample)
    if len(sample) == PAGE_KEYS and unlabelled < ROUND_PICTURES:  # there may be more on other pages
        sample = list(session.images.all())
        votes = by_image(given, (image.name for image in sample))
        random.shuffle(sample)
    needs = [(needed, image) for image in sample if (needed := need(image)) is not None]
    return [image for _, image in sorted(needs, key=lambda pair: -pair[0])]


def ask_round(session: Session, decoder: Decoder, candidates: list[Image], annotator: str) -> None:
    """Show a round of pictures, which are prefetched in the background; put a label for each answer in the outbox."""
    screen, clock = session.screen(), Clock()
    outages = OutageReporter("Reading pictures", session.say)

    def load() -> tuple[Image, Picture] | None:
        return session.images.next_picture(
            candidates, lambda data: decoder.decode(data, *screen.box), decoder.preview, outages
        )

    count = min(ROUND_PICTURES, len(candidates))
    arriving = {BackgroundTask(load).future for _ in range(count)}
    pictures: list[tuple[Image, Picture]] = []
    given: set[int] = set()  # numbers of the pictures that were labelled in this round
    at = 0
    try:
        while at < count:
            if at == len(pictures):  # pictures are shown as they arrive
                arrived, arriving = wait(arriving, OUTAGE_CHECK_S, FIRST_COMPLETED)
                pictures += [found for future in arrived if (found := future.result())]
                count = len(pictures) + len(arriving)
                session.tell()
                continue
            image, picture = pictures[at]
            session.tell()
            try:
                position = f"{at + 1} of {count}"
                answer, seconds = screen.ask(picture, printable(image.name), position, session.outbox.status)
            except ProcessDied:
                session.give_up_window()
                screen = session.screen()
                continue
            if answer == "q":
                break
            if answer == "s" and at in given:  # the annotator went back to a label and gives no other one
                answer = WITHDRAWN
            if answer in BY_VALUE or answer == WITHDRAWN:
                session.outbox.keep(Label(image.name, answer, annotator, clock.stamp(), f"{seconds:.2f}"))
                given.add(at)
            if answer == WITHDRAWN:
                given.remove(at)
            at = max(0, at - 1) if answer == "u" else at + 1
    finally:
        screen.hide()


def usefulness(labels: Mapping[str, Label], annotator: str) -> int | None:
    """Return how useful one more label of an image is, 0 being the most; None if this annotator has labelled it.

    Images without a label come first, then those with one, then ties. Two labels, and a tie-break if they disagree,
    give the same verdict as the majority of three.
    """
    if annotator in labels:
        return None
    if len(labels) < 2:
        return len(labels)
    return 2 if majority(Counter(label.label for label in labels.values())) is None else 3

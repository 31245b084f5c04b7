#!/usr/bin/env python3
"""Hot dog or not: upload pictures, and label them with one key each."""

from __future__ import annotations

import argparse
import getpass
import os
import random
import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TypeVar

from lab2.aws import emulator as local
from lab2.aws.session import LABELS, Cloud, Parser, Problem, add_bucket_flag, add_flags, explained, run
from lab2.background import Behind
from lab2.labelling.contact_sheet import MOST, SIDE, contact_sheet
from lab2.labelling.display.decoder import Decoder, Picture, Unreadable
from lab2.labelling.display.process import Gone
from lab2.labelling.display.screen import Screen, Terminal
from lab2.labelling.display.window import Window
from lab2.labelling.image_store import PAGE, Image, Images
from lab2.labelling.label_file import Clock, Label, LabelFile, Votes, clean_name, count_labels
from lab2.labelling.outbox import Keeper
from lab2.labelling.report import Report, Verdict, usefulness
from lab2.labelling.uploader import UPLOADS, Upload
from lab2.terminal import MOMENT, printable

ROUND = 4  # images
LAST_EFFORT = 5.0  # seconds to wait for labels on their way to S3

EPILOG = """\
Without a command there is a menu.

exit codes:
  0  all is done
  1  files were left out, or labels wait on this disk to be sent
  2  it could not go on, and said why
  130  left by Ctrl-C
"""

T = TypeVar("T")


class Session:
    """What the choices of the menu need, begun behind it, so that the menu is there at once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self._news: list[str] = []
        self._local = ExitStack()
        self._images = Behind(self._connect)
        self._keeper = Behind(self._open_keeper)
        labels = options.command in (None, "label")
        self._window = Window() if labels and _wants_window(options.display) else None
        self.decoder = Decoder() if labels or options.sheet else None
        self._label_file: LabelFile | None = None

    @property
    def images(self) -> Images:
        return _patiently(self._images)

    @property
    def keeper(self) -> Keeper:
        return _patiently(self._keeper)

    def votes(self) -> Votes:
        """Return all labels in the bucket that count; what was read before is not read again."""
        cloud = self.images.cloud
        self._label_file = self._label_file or LabelFile(cloud)
        with explained(f"{LABELS} in bucket {cloud.bucket}"):
            return self._label_file.votes()

    def screen(self) -> Screen:
        """Return the window, or the terminal where none can be opened."""
        if self._window:
            with suppress(Gone):
                self._window.wait_until_ready()
                return self._window
            self.give_up_window()
        return Terminal()

    def give_up_window(self) -> None:
        """From now on pictures are shown in the terminal; Problem where the user insists on a window."""
        if self.options.display == "window":
            raise Problem("No window can be opened on this display. Try: --display terminal")
        if self._window:
            self._window.close()
            self._window = None
            self.say("No window can be opened here, so pictures are shown in the terminal.")

    def say(self, sentence: str) -> None:
        """Keep a sentence until the user is not in the middle of something."""
        self._news.append(sentence)

    def tell(self) -> None:
        while self._news:
            print(self._news.pop(0), file=sys.stderr, flush=True)

    def close(self) -> int:
        """Send what can still be sent; return 1 where labels wait on this disk, else 0."""
        with suppress(KeyboardInterrupt, Problem):
            if self._keeper.result() or self.options.local or any(self._state().glob("*/*.jsonl")):
                self._keeper.get().flush(LAST_EFFORT)
        keeper = self._keeper.result()
        waiting = keeper.waiting if keeper else 0
        if keeper:
            keeper.close()
        if waiting:
            self.say(f"{count_labels(waiting)} not in S3 yet: kept in {self._state()} and sent at the next start.")
        for child in (self._window, self.decoder):
            if child:
                child.close()
        self.tell()
        self._local.close()
        return 1 if waiting else 0

    def _connect(self) -> Images:
        if self.options.local:
            self._local.enter_context(local.aws())
        cloud = Cloud(self.options.bucket, connections=UPLOADS)
        images = Images(cloud)
        if self.options.command == "upload":
            assert cloud.bucket and cloud.s3  # asked for and made behind too; a LIST would only keep the files waiting
        else:
            images.open()  # which leaves a connection open
        if self.options.local:
            local.fill(cloud)
        return images

    def _open_keeper(self) -> Keeper:
        cloud = self._images.get().cloud
        return Keeper(cloud, self._state() / cloud.bucket, self.say)

    def _state(self) -> Path:
        if self.options.local:
            return local.HOME / "labels"
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "lab2"


def menu(session: Session) -> int:
    """Let the user choose until they quit; return the exit code."""
    choices = {"1": upload_typed, "u": upload_typed, "upload": upload_typed, "2": label, "l": label, "label": label}
    code = 0
    while True:
        session.tell()
        try:
            choice = input("\n1 upload   2 label   3 quit\n> ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            print()
            return code
        if choice in ("3", "q", "quit"):
            return code
        if choice not in choices:
            print("Type a number, the first letter or the word.")
            continue
        try:
            code = max(code, choices[choice](session))
        except Problem as problem:
            print(problem, file=sys.stderr, flush=True)
            code = 1
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr, flush=True)


def upload_typed(session: Session) -> int:
    try:
        typed = input("File or folder: ").strip()
    except EOFError:
        return 0
    return upload(session, typed_paths(typed)) if typed else 0


def upload(session: Session, paths: list[Path]) -> int:
    """Upload files and the files of folders; return 1 where not all of them are in the database now."""
    work = Upload(paths)
    try:
        work.run(session.images)
    except KeyboardInterrupt:
        pass  # the summary says what is not done
    finally:
        work.close()
        for line in work.left_out():
            print(line, file=sys.stderr, flush=True)
        print(work.summary(), flush=True)
    return 0 if work.is_whole() else 1


def label(session: Session) -> int:
    """Label a round of images; return 0, for whether labels wait on this disk is found at the end."""
    annotator = annotator_name(session.options.annotator)
    keeper, images = session.keeper, session.images
    candidates = images.sample()
    if not candidates:
        raise Problem(f"There are no pictures in bucket {images.cloud.bucket} yet. Upload some first.")
    if session.options.pick == "useful":
        candidates = pick_useful(session, candidates, annotator)
        if not candidates:
            print(f"{annotator} has labelled every picture. Others may label them too.")
            return 0
    before = keeper.saved
    with suppress(KeyboardInterrupt):
        ask_round(session, candidates, annotator)
    keeper.flush(LAST_EFFORT)
    session.tell()
    print(f"{count_labels(keeper.saved - before)} safe in S3", end="")
    print(f", {keeper.waiting} waiting on this disk to be sent." if keeper.waiting else ".", flush=True)
    return 0


def pick_useful(session: Session, sample: list[Image], annotator: str) -> list[Image]:
    """Return images that this person has not labelled, in random order but for the most useful, which are last."""
    session.keeper.flush(LAST_EFFORT)
    votes = session.votes()

    def need(image: Image) -> int | None:
        return usefulness(votes.get(image.name, {}), annotator)

    if len(sample) == PAGE and sum(need(image) == 0 for image in sample) < ROUND:  # perhaps there are more elsewhere
        sample = list(session.images.all())
        random.shuffle(sample)
    needs = [(needed, image) for image in sample if (needed := need(image)) is not None]
    return [image for _, image in sorted(needs, key=lambda pair: -pair[0])]


def ask_round(session: Session, candidates: list[Image], annotator: str) -> None:
    """Show a round of pictures and keep a label for each that gets one."""
    screen, clock = session.screen(), Clock()
    assert session.decoder
    decoder = session.decoder

    def load() -> tuple[Image, Picture] | None:
        return session.images.next_picture(candidates, lambda data: decoder.decode(data, *screen.box), session.say)

    count = min(ROUND, len(candidates))
    arriving = as_completed([Behind(load).future for _ in range(count)])  # whichever comes first is shown first
    pictures: list[tuple[Image, Picture]] = []
    at = 0
    try:
        while at < count:
            if at == len(pictures):
                if found := next(arriving).result():
                    pictures.append(found)
                else:
                    count -= 1
                    continue
            image, picture = pictures[at]
            session.tell()
            try:
                place = f"{at + 1} of {count}"
                answer, seconds = screen.ask(picture, printable(image.name), place, session.keeper.status)
            except Gone:
                session.give_up_window()
                screen = session.screen()
                continue
            if answer == "q":
                break
            if answer in "01":
                session.keeper.keep(Label(image.name, answer, annotator, clock.stamp(), f"{seconds:.2f}"))
            at = max(0, at - 1) if answer == "u" else at + 1
    finally:
        screen.hide()


def report(session: Session) -> int:
    """Say what the labels say, and draw a contact sheet where one is asked for."""
    session.keeper.flush(LAST_EFFORT)
    session.tell()
    images = {image.name: image for image in session.images.all()}
    found = Report.of(images, session.votes())
    print(found.as_json() if session.options.json else found.as_text(shutil.get_terminal_size().columns), flush=True)
    if path := session.options.sheet:
        write_sheet(session, path, [(images[verdict.image], verdict) for verdict in found.verdicts[:MOST]])
    return 0


def write_sheet(session: Session, path: Path, shown: list[tuple[Image, Verdict]]) -> None:
    """Write a PNG of the pictures with their votes."""
    if not shown:
        raise Problem(f"There are no pictures to put on {path}. Upload some first.")
    decoder = session.decoder
    assert decoder

    def load(image: Image) -> Picture | None:
        with suppress(Unreadable):
            return decoder.decode(session.images.fetch(image), SIDE, SIDE)
        return None

    with ThreadPoolExecutor() as threads:
        pictures = list(threads.map(load, [image for image, _ in shown]))
    data = contact_sheet(zip(pictures, [verdict for _, verdict in shown], strict=True))
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Problem(f"{path} can't be written: {error.strerror}. Give another file to --sheet.") from None
    print(f"{len(shown)} pictures with their votes are in {printable(str(path))}.", file=sys.stderr)


def typed_paths(text: str) -> list[Path]:
    """Return the path that was typed, or the paths as a terminal writes them where files are dropped on it."""
    with suppress(ValueError):  # of a quote that is not closed, or a character that no path has
        for words_of in (lambda text: [text], shlex.split):
            paths = [os.path.expanduser(word) for word in words_of(text)]
            if paths and all(map(os.path.exists, paths)):
                return [Path(path) for path in paths]
    return [Path(text)]


def annotator_name(given: str | None) -> str:
    """Return who labels: the given name, or else the user's."""
    with suppress(KeyError, OSError):
        if name := clean_name(getpass.getuser() if given is None else given):
            return name
    raise Problem("The labels need a name. Try: --annotator NAME")


def _patiently(work: Behind[T]) -> T:
    if not work.done(MOMENT) and sys.stderr.isatty():
        print("Connecting ...", file=sys.stderr, flush=True)
    return work.get()


def _wants_window(display: str | None) -> bool:
    """Tell whether to try a window: answers come through a pipe where standard input is one."""
    desktop = sys.platform == "darwin" or bool(os.environ.get("DISPLAY"))
    return display == "window" or (display is None and desktop and sys.stdin.isatty())


def main() -> int:
    parser = Parser(description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "command", nargs="?", choices=["upload", "label", "report"],
        help="upload PATH ...; or label four pictures; or report what the labels say"
    )  # fmt: skip
    parser.add_argument("paths", nargs="*", metavar="PATH", type=Path, help="files to upload, or folders of files")
    parser.add_argument("--display", choices=["window", "terminal"],
                        help="where pictures are shown (default: a window, if there can be one)")  # fmt: skip
    parser.add_argument("--annotator", metavar="NAME", help="who labels (default: your login name)")
    parser.add_argument("--pick", choices=["random", "useful"], default="random",
                        help="which pictures to label: any, or those that need your label most")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="with report: as JSON, with the votes on every picture")
    parser.add_argument("--sheet", metavar="FILE.png", type=Path,
                        help=f"with report: put {MOST} pictures with their votes there, disputed first")  # fmt: skip
    add_bucket_flag(parser)
    add_flags(parser)
    options = parser.parse_intermixed_args()
    if options.command == "upload" and not options.paths:
        parser.error("upload what? Give files or folders: hotdog.py upload PATH ...")
    if options.command != "report" and (options.json or options.sheet):
        parser.error("--json and --sheet go with report: hotdog.py report --json")
    if options.command != "upload" and options.paths:
        parser.error(f"only upload takes paths, not {options.command}")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # file names may be anything but text
    session = Session(options)
    code = 2
    try:
        if options.command == "upload":
            code = upload(session, options.paths)
        elif options.command == "label":
            code = label(session)
        elif options.command == "report":
            code = report(session)
        else:
            code = menu(session)
    finally:
        code = max(code, session.close())
    return code


if __name__ == "__main__":
    run(main)

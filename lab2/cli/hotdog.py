"""Hot dog or not: upload pictures, and label each with one key."""

from __future__ import annotations

import argparse
import getpass
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from lab2.aws.retry import OutageReporter, persist
from lab2.aws.session import AwsSession
from lab2.cli.flags import add_output_option, apply_common_options, bucket_option, common_options
from lab2.cli.parser import Parser, Program
from lab2.cli.run import run
from lab2.errors import UserError, internal_error
from lab2.labelling.labels.doubts import is_changeable
from lab2.labelling.labels.label_row import clean_name
from lab2.labelling.pictures import samples
from lab2.labelling.pictures.decoding.encode import MAGIC
from lab2.labelling.pictures.image_store import ImageStore
from lab2.labelling.pictures.local_files import completions, given_paths, typed_paths
from lab2.labelling.pictures.uploader import PARALLEL_UPLOADS, upload
from lab2.labelling.results.contact_sheet import MAX_PICTURES, suffix_of_sheet, write_sheet
from lab2.labelling.results.export import Export, Format
from lab2.labelling.results.label_studio import TASKS, encode_tasks, find_new, read_tasks
from lab2.labelling.results.labels_table import as_csv, as_json, rows_of
from lab2.labelling.results.training_set import TIES, Split, TrainingSet
from lab2.labelling.round import label_round
from lab2.labelling.session import Session
from lab2.local import emulator
from lab2.system.keyboard import ask, edit_lines
from lab2.system.machine import state_folder
from lab2.terminal import counted, printable, remark

DESCRIPTION = "Hot dog or not: upload pictures, and label each with one key."
EPILOG = """\
Without a command a menu is shown.

exit codes:
  0  everything is done
  1  files were left out, or labels wait on this disk to be sent
  2  fatal error; the reason is on stderr
  130  interrupted by Ctrl-C
"""


@dataclass(frozen=True)
class Needs:
    """What a command needs; it is prepared in the background from the start."""

    listing: bool = True  # a first LIST of the bucket, which also opens a connection
    labelling: bool = False  # the window or terminal that shows pictures
    decodes: Callable[[argparse.Namespace], bool] = lambda options: False  # whether pictures are decoded with these


def open_session(options: argparse.Namespace, stack: ExitStack) -> Session:
    """Return the session that the options ask for; `stack` cleans up at the end."""
    needs: Needs = options.needs
    state = emulator.HOME / "labels" if options.local else state_folder()

    def connect() -> ImageStore:
        endpoint = stack.enter_context(emulator.running()) if options.local else None
        aws = AwsSession(options.bucket, PARALLEL_UPLOADS, endpoint)
        images = ImageStore(aws, state)
        _ = aws.bucket, aws.s3  # made now, before several threads need them
        if needs.listing:
            images.open()
        if options.local:
            samples.fill(aws)
        return images

    return Session(
        connect,
        state,
        options.display if needs.labelling else None,
        labels=needs.labelling,
        decodes=needs.decodes(options),
        local=options.local,
    )


def menu(session: Session, options: argparse.Namespace) -> int:
    """Let the user choose until they quit; return the exit code."""
    code = 0
    while True:
        session.tell()
        try:
            choice = ask("\n1 upload   2 label   3 quit\n> ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            print()
            return code
        try:
            if choice in ("1", "u", "upload"):
                code = max(code, upload_typed(session))
            elif choice in ("2", "l", "label"):
                label(session, options)
            elif choice in ("3", "q", "quit"):
                return code
            else:
                print("Type 1, 2 or 3, or the first letter of the word.")
        except UserError as problem:
            print(problem, file=sys.stderr, flush=True)
            code = 1
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr, flush=True)
        except (ImportError, BrokenPipeError):
            raise
        except Exception as error:  # a bug in one choice does not end the program
            print(f"Stopped by an {internal_error(error)}", file=sys.stderr, flush=True)
            code = 1


def upload_given(session: Session, options: argparse.Namespace) -> int:
    paths = [path for given in options.paths for path in given_paths(given)]
    return upload(paths, lambda: session.images, unasked=options.yes)


def upload_typed(session: Session) -> int:
    edit_lines(completions)
    try:
        typed = ask("File or folder: ").strip()
    except EOFError:
        return 0
    finally:
        edit_lines()
    return upload(typed_paths(typed), lambda: session.images) if typed else 0


def label(session: Session, options: argparse.Namespace) -> int:
    """Label a round; return 0. Whether labels are left in the outbox is known only when the program ends."""
    label_round(session, annotator_name(options.annotator), options.pick == "useful")
    return 0


def report(session: Session, options: argparse.Namespace) -> int:
    """Print the report, and draw a contact sheet if one is asked for."""
    if options.sheet:
        suffix_of_sheet(options.sheet)  # an unknown format is refused before any work
        session.ready_decoder()
    session.send_waiting()
    images = {image.name: image for image in session.all_images()}
    found = session.report(images)
    if options.output == "text":
        print(found.as_text(shutil.get_terminal_size().columns), flush=True)
    else:
        print(found.as_json() if options.output == "json" else found.as_csv(), flush=True)
    if options.sheet:
        shown = [(images[verdict.image], verdict) for verdict in found.verdicts[:MAX_PICTURES]]
        write_sheet(options.sheet, shown, session.images, session.ready_decoder())
    return 0


def labels(session: Session, options: argparse.Namespace) -> int:
    """Print the labels that count."""
    session.send_waiting()
    rows = rows_of((image.name for image in session.all_images()), session.votes())
    print(as_json(rows) if options.output == "json" else as_csv(rows), flush=True)
    return 0


def import_labels(session: Session, options: argparse.Namespace) -> int:
    """Add the labels that people gave in Label Studio."""
    tasks = read_tasks(options.file)
    session.send_waiting()
    found = find_new(tasks, (image.name for image in session.all_images()), session.votes())
    for label in found.new:
        session.outbox.keep(label)
    session.send_waiting()
    print(found.summary())
    return 0


def export(session: Session, options: argparse.Namespace) -> int:
    """Write a training set, or bring it up to date; return 1 if a picture is left out."""
    split = Split(options.split)
    format = Format(options.format, session.ready_decoder()) if options.format in MAGIC else None
    session.send_waiting()
    store = session.images
    wanted = TrainingSet.from_votes(session.all_images(), session.votes(), options.min_votes, options.ties)
    session.tell()
    outages = OutageReporter("Fetching pictures")
    work = Export(
        options.folder,
        split,
        lambda image: persist(partial(store.fetch, image), outages, session.patience, wait=work.stopping.wait),
        format,
    )
    if options.format == "labelstudio":
        work.write(TASKS, encode_tasks(wanted, store.aws.bucket))
        print(f"{counted(len(wanted.examples), 'task')} in {printable(str(options.folder / TASKS))}.")
        return 0
    try:
        work.run(wanted)
    except KeyboardInterrupt:
        pictures = counted(len(wanted.examples), "picture")
        print(f"{len(work.placed):,} of {pictures} fetched. Run export again to continue.", file=sys.stderr, flush=True)
        raise
    for name, reason in sorted(work.left_out.items()):
        print(f"{printable(name)} is left out: {reason}.", file=sys.stderr)
    print(work.summary(wanted))
    return 1 if work.left_out else 0


def annotator_name(given: str | None) -> str:
    """Return the annotator's name: the given one, or else the login name; UserError if it is empty."""
    with suppress(ImportError, KeyError, OSError):
        if name := clean_name(getpass.getuser() if given is None else given):
            if is_changeable(name):
                remark(
                    f"Spreadsheets and data frames may change the name {printable(name)}. Choose one with more letters."
                )
            return name
    raise UserError("The annotator needs a name. Try: --annotator NAME")


def program(prog: str | None = None) -> Program:
    """Return the parser: hotdog.py without a command shows the menu."""
    program = Program(menu, DESCRIPTION, EPILOG, [bucket_option(), common_options()], prog)
    add_label_options(program.unnamed)
    parser = program.command("upload", upload_given, "add pictures to the bucket")
    parser.set_defaults(needs=Needs(listing=False))
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, or folders of files")
    parser.add_argument("--yes", action="store_true", help="upload folders of many files without asking")
    add_label_options(program.command("label", label, "label four pictures, with one key each"))
    parser = program.command("report", report, "count the labels, and say how far people agree")
    parser.set_defaults(needs=Needs(decodes=lambda options: bool(options.sheet)))
    add_output_option(parser, ["text", "json", "csv"])
    parser.add_argument(
        "--sheet",
        metavar="FILE.png",
        type=Path,
        help=f"draw {MAX_PICTURES} pictures with their votes, disputed first",
    )
    parser = program.command("labels", labels, "print the labels that count, one for each picture and annotator")
    parser.set_defaults(needs=Needs())
    add_output_option(parser, ["csv", "json"])
    parser = program.command("import", import_labels, "add the labels that people gave in Label Studio")
    parser.set_defaults(needs=Needs())
    parser.add_argument("file", metavar="FILE", type=Path, help="the project as Label Studio exports it in JSON")
    parser = program.command("export", export, "write a training set: pictures in a folder for each class")
    parser.set_defaults(needs=Needs(decodes=lambda options: options.format in MAGIC))
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder to write, or to bring up to date")
    parser.add_argument(
        "--min-votes", metavar="N", type=int, default=1, help="labels that a picture needs (default: 1)"
    )
    parser.add_argument(
        "--ties",
        choices=TIES,
        default="skip",
        help="a tie: leave out (default), take the first label, or a folder tied",
    )
    parser.add_argument(
        "--split",
        metavar="80/10/10",
        default="",
        help="percentages of train, validation, test, or of train and test",
    )
    parser.add_argument(
        "--format",
        choices=["imagefolder", *MAGIC, "labelstudio"],
        default="imagefolder",
        help="pictures in folders as they are (default) or converted to one format, or tasks.json for Label Studio",
    )
    return program


def add_label_options(parser: Parser) -> None:
    """Add the options of a round of labelling, which the menu takes too."""
    parser.set_defaults(needs=Needs(labelling=True))
    parser.add_argument(
        "--display",
        choices=["window", "terminal"],
        help="where to show pictures (default: a window, if one can be opened)",
    )
    parser.add_argument("--annotator", metavar="NAME", help="name of the person who labels (default: your login name)")
    parser.add_argument(
        "--pick",
        choices=["random", "useful"],
        default="random",
        help="which pictures to label: any (default), or those that need your label most",
    )


def main() -> int:
    options = program().parse()
    apply_common_options(options)
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # a file name need not be text
    with ExitStack() as stack:
        session = open_session(options, stack)
        try:
            code: int = options.run(session, options)
        finally:
            left = session.close()
        return max(code, left)


def command() -> NoReturn:
    """Run lab2-hotdog."""
    run(main)


if __name__ == "__main__":
    command()

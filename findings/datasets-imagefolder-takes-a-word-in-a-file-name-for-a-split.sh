#!/usr/bin/env bash
# Hugging Face `datasets` 5.2.0, imagefolder: 24 pictures in a folder for each class, one of them called
# "dev team lunch.png". One would expect 24 pictures with a label each, as without that name. The word "dev" in one file
# name makes a split of it: 1 picture is loaded, as "validation", the other 23 are left out, and so is the label.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet datasets==5.2.0 pillow==12.0.0
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_PROGRESS_BARS=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 HF_HOME="$work/home"
"$work/venv/bin/python" - "$work" <<'PYTHON'
import sys
from pathlib import Path

import datasets
from PIL import Image

work = Path(sys.argv[1])


def load(odd_name: str) -> dict[str, tuple[int, list[str]]]:
    folder = work / odd_name.split()[0]
    for number in range(24):
        name = odd_name if number == 0 else f"picture{number}.png"
        path = folder / ("hot_dog", "not_hot_dog")[number % 2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(work / f"cache-{odd_name[:3]}"))
    return {split: (len(rows), sorted(rows.column_names)) for split, rows in loaded.items()}


print("datasets", datasets.__version__)
plain, odd = load("team lunch.png"), load("dev team lunch.png")
print("without the word:", plain)
print("with it:         ", odd)
assert plain == {"train": (24, ["image", "label"])}
assert odd == {"validation": (1, ["image"])}
PYTHON

"""A folder as gdc-client leaves it: `<file id>/<file name>`, with `logs/` and `annotations.txt` beside; or all files flat."""

import re
from collections import Counter
from pathlib import Path

from pathfm.files import inside
from pathfm.sources.sheets import SheetRow

EXPRESSION_FILE = re.compile(r"(star_gene_counts\.tsv|htseq\S*\.counts|FPKM(-UQ)?\.txt)(\.gz)?(\.partial)?$", re.IGNORECASE)
LEGACY_FILE = re.compile(r"(htseq\S*\.counts|FPKM(-UQ)?\.txt)(\.gz)?$", re.IGNORECASE)


def locate(rows: list[SheetRow], folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """File id → its file, and file id → why there is none.

    The name may have gained or lost a `.gz`. Raises InputError when a name of the sheet leads out of the folder.
    """
    found: dict[str, Path] = {}
    lacking: dict[str, str] = {}
    for row in rows:
        paths = _places(row, folder)
        path = next((path for path in paths if path.is_file()), None)
        if path:
            found[row.file_id] = path
        elif any(path.with_name(f"{path.name}.partial").is_file() for path in paths):
            lacking[row.file_id] = "only an unfinished download (.partial) is there; run gdc-client again"
        else:
            lacking[row.file_id] = "the row of the sheet has no file"
    claims = Counter(found.values())
    shared = {file_id for file_id, path in found.items() if claims[path] > 1}
    lacking |= dict.fromkeys(shared, "several rows of the sheet claim the same file")
    return {file_id: path for file_id, path in found.items() if file_id not in shared}, lacking


def _places(row: SheetRow, folder: Path) -> list[Path]:
    name = row.file_name
    other = name[:-3] if name.lower().endswith(".gz") else f"{name}.gz"
    return [inside(folder, place) for candidate in (name, other) for place in (f"{row.file_id}/{candidate}", candidate)]


def expression_files(folder: Path) -> list[Path]:
    """The expression files in the folder and in the folders directly in it, whatever the sheet says."""
    candidates = [*folder.glob("*"), *folder.glob("*/*")]
    return sorted(path for path in candidates if EXPRESSION_FILE.search(path.name) and path.is_file())

"""The names of a table's columns, however they are spelt: `File ID`, `File.ID` (R), `file_id`, `fileId` are one name."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

OTHER_THAN_LETTERS = re.compile(r"[^a-z0-9]+")
PUT_BEFORE = re.compile(r"^x(\.u\.feff)?[._]+(?=.)")  # by R, to a name that begins with a sign or a byte order mark


def squash(name: str) -> str:
    """Letters and digits of a name, in lower case, without what R puts before a name that is none of its own."""
    return OTHER_THAN_LETTERS.sub("", PUT_BEFORE.sub("", name.lower()))


def unique(names: Iterable[str]) -> list[str]:
    """The names, a repeated one followed by `.1`, `.2`, … ."""
    seen: Counter[str] = Counter()
    given = []
    for name in names:
        given.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return given


def respell(names: Sequence[str], known: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of a header with those of `known` in its spelling.

    `known` maps a name to others that mean the same, in order: a later one counts only where no earlier one is in the header.
    """
    spelt, squashed = list(names), [squash(name) for name in names]
    taken: set[int] = set()
    for name, others in known.items():
        for other in (name, *others):
            places = [place for place, folded in enumerate(squashed) if folded == squash(other) and place not in taken]
            if places:
                taken.update(places)
                for place in places:
                    spelt[place] = name
                break
    return spelt

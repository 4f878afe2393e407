"""`python -m tests.held_run FOLDER NAME NUMBER [SENTENCE] -- ARGUMENTS`: pathfm.train, held at a call of one of the functions that it uses.

At the NUMBERth call of NAME (such as `Clock.waiting`) the process leaves a file `held-PROCESS` in FOLDER and waits for a file `go` there.
With SENTENCE it fails at that call instead: with an InputError in the process whose id FOLDER/fails holds.
"""

import sys
import time
from pathlib import Path

import jax

import pathfm.train as train
from pathfm.errors import InputError
from pathfm.settings.command_line import start


def hold(folder: Path, name: str, number: int, sentence: str | None) -> None:
    *path, last = name.split(".")
    owner = train
    for part in path:
        owner = getattr(owner, part)
    function, calls = getattr(owner, last), 0

    def held(*arguments, **named):
        nonlocal calls
        calls += 1
        if calls == number and sentence is not None:
            if jax.process_index() == int((folder / "fails").read_text()):
                raise InputError(sentence)
        elif calls == number:
            (folder / f"held-{jax.process_index()}").touch()
            while not (folder / "go").exists():
                time.sleep(0.02)
        return function(*arguments, **named)

    setattr(owner, last, held)


if __name__ == "__main__":
    cut = sys.argv.index("--")
    folder, name, number, *sentence = sys.argv[1:cut]
    hold(Path(folder), name, int(number), sentence[0] if sentence else None)
    sys.exit(start("pathfm.train", sys.argv[cut + 1 :]))

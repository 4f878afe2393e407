"""Tell whether a published checkpoint is understood: it is imported, written back and compared bit for bit; where timm or transformers is
installed, its class is given the publisher's tensors, and the features of one image are compared.

WEIGHTS and --arch are those of `pathfm import`. The exit code is 0 where all that could be compared is the same, else 1. The temporary
folder (TMPDIR) holds two copies of the weights meanwhile.
"""

HELP = "tell whether published weights go in and out bit for bit and give their library's features"


def add_arguments(parser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="the checkpoint: a file, an index of shards, or their folder")
    parser.add_argument("--arch", default="auto", metavar="NAME", help="the model, as `pathfm zoo` names it, or auto (default)")


def run(arguments) -> int:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from pathfm.errors import DONE, NOT_VERIFIED
    from pathfm.files import sha256
    from pathfm.progress import say
    from pathfm.weights.importing import open_checkpoint, recognised
    from pathfm.weights.verifying import checks
    from pathfm.zoo.known import known

    model = None if arguments.arch == "auto" else known(arguments.arch)
    checkpoint = open_checkpoint(arguments.weights)
    for line in checkpoint.contents.lines():
        say(f"verify: {line}")
    model = model or recognised(checkpoint)
    print(f"model: {model.name}, in the naming {checkpoint.naming.name}")
    if checkpoint.file.path.is_file():
        print(f"SHA-256 of {checkpoint.file.path.name}: {sha256(checkpoint.file.path)}")
    made = []
    with TemporaryDirectory(prefix="pathfm-verify-") as scratch:
        for check in checks(checkpoint, model, Path(scratch)):
            print(f"{check.what}: {check.said}", flush=True)
            made.append(check)
    wrong = [check.what for check in made if check.same is False]
    left = [check.what for check in made if check.same is None]
    if wrong:
        print(f"verified: no, {' and '.join(wrong)} differ")
        return NOT_VERIFIED
    print(f"verified: yes{', but ' + ' and '.join(left) + ' could not be compared' if left else ''}")
    return DONE

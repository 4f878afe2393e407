"""Turn a published checkpoint into a folder of weights that training (`init`), evaluation and export take.

WEIGHTS is a file of safetensors, an index of shards (*.index.json), a folder that holds one of them, or a file of PyTorch (needs torch; no
pickled code is run); the content tells which, not the name. --arch names the model (`pathfm zoo` lists them); auto finds it where names and
shapes suffice.
"""

HELP = "import published weights (timm, DINOv2 or Hugging Face naming)"


def add_arguments(parser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="the checkpoint: a file, an index of shards, or their folder")
    parser.add_argument("--arch", default="auto", metavar="NAME", help="the model, as `pathfm zoo` names it, or auto (default)")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of weights to write")


def run(arguments) -> int:
    from pathfm.errors import DONE
    from pathfm.progress import say
    from pathfm.weights.importing import import_checkpoint, open_checkpoint, recognised
    from pathfm.zoo.known import known

    model = None if arguments.arch == "auto" else known(arguments.arch)
    checkpoint = open_checkpoint(arguments.weights)
    for line in checkpoint.contents.lines():
        say(f"import: {line}")
    model = model or recognised(checkpoint)
    doubles = sorted({kind for kind in checkpoint.file.types.values() if kind == "float64"})
    if doubles:
        say("import: values of 64 bits are rounded to float32")
    card = import_checkpoint(checkpoint, arguments.out, model)
    size, rule = card.architecture.image_size, card.architecture.interpolation
    if rule != model.spec.interpolation:
        say(
            f"import: position embeddings are resampled by the rule of {checkpoint.naming.title} ({rule}), in whose words the file is; "
            f"{model.name} was published with another ({model.spec.interpolation})"
        )
    if card.architecture.rope_type != model.spec.rope_type:
        say(
            f"import: the angles of rotary position embeddings are computed in {card.architecture.rope_type}, as {checkpoint.naming.title} "
            f"does, in whose words the file is; {model.name} was published with {model.spec.rope_type}"
        )
    positions = f"position embeddings learned at {size} px" if model.spec.rope is None else "rotary position embeddings"
    say(f"import: {model.name} in the naming {checkpoint.naming.name}, {positions} → {arguments.out}; licence: {model.licence}")
    return DONE

"""Write the image tower of a run, or of imported weights, for those who have no pathfm: tensors, config, and a model card.

--to original is the naming that the weights were imported in (timm's for those trained from scratch); timm, hub (DINOv2) and hf
(Hugging Face) are others, where the stock class can say the architecture. stablehlo is a program with a free batch size that
`jax.export` loads. Patient ids stay out unless --with-ids.
"""

HELP = "write weights for users of timm, DINOv2, transformers or StableHLO, with a model card"


def add_arguments(parser) -> None:
    parser.add_argument("--checkpoint", required=True, metavar="DIR", help="a finished training run, or a folder of weights")
    parser.add_argument(
        "--out", required=True, metavar="PATH", help="*.safetensors (its cards beside it), or a folder; hf and stablehlo: a folder"
    )
    parser.add_argument("--to", default="original", choices=("original", "timm", "hub", "hf", "stablehlo"), help="default: original")
    parser.add_argument("--evaluation", metavar="FILE", help="a table for the model card: the table.md of `pathfm report`")
    parser.add_argument("--with-ids", action="store_true", help="list the patients behind the weights in the card")


def run(arguments) -> int:
    from pathfm.errors import DONE
    from pathfm.progress import say
    from pathfm.weights.folder import open_weights

    evaluation = read_table(arguments.evaluation) if arguments.evaluation else ""
    weights = open_weights(arguments.checkpoint)
    if arguments.to == "stablehlo":
        from pathfm.weights.stablehlo import export_stablehlo

        export_stablehlo(weights, arguments.out, arguments.with_ids, evaluation)
        say(f"export: {weights.card.name} ({weights.spec.features} features) as StableHLO → {arguments.out}")
        return DONE
    from pathfm.weights.export import export_weights

    result = export_weights(weights, arguments.out, arguments.to, arguments.with_ids, evaluation)
    for note in result.notes:
        say(f"export: {note}")
    say(f"export: {weights.card.name} ({weights.spec.features} features) for {result.naming.title} → {arguments.out}")
    return DONE


def read_table(path: str) -> str:
    """The text of a table in Markdown; InputError when it cannot be read."""
    from pathfm.errors import InputError

    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the evaluation {path} cannot be read ({error}); give the table.md of `pathfm report`") from error

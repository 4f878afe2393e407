"""List the models that pathfm knows by name: architecture, what they were trained at, licence, and where to get their weights.

A question mark means that the publisher mixed several resolutions or states none; `reported` names what others report and was not read at
the publisher's. The licence that counts is the publisher's text. CONCH and CTransPath are out of scope, and why is said below the table,
and which models were seen with their published weights; `pathfm verify` tells it of a download.
"""

HELP = "list the models that pathfm knows, their licences and where to get them"


def add_arguments(parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="all that is known of one model")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments) -> int:
    import json

    from pathfm.commands.columns import columns
    from pathfm.errors import DONE
    from pathfm.zoo import known as zoo
    from pathfm.zoo.verified import VERIFIED

    models = [zoo.known(arguments.name)] if arguments.name else list(zoo.ZOO.values())
    if arguments.json:
        print(json.dumps([described(model) for model in models], indent=2))
        return DONE
    if arguments.name:
        facts = described(models[0])
        width = max(map(len, facts))
        print("\n".join(f"{name:<{width}}  {'?' if value is None else value}" for name, value in facts.items()))
        return DONE
    print(columns(HEAD, [row(model) for model in models]))
    for name, reason in zoo.OUT_OF_SCOPE.items():
        print(f"{name}: out of scope, {reason}")
    print(f"seen with published weights: {', '.join(VERIFIED) or 'none'}; `pathfm verify WEIGHTS` tells whether a download is understood")
    return DONE


def described(model) -> dict:
    """Everything the registry holds of a model, JSON-like."""
    from dataclasses import asdict

    from pathfm.zoo.pretraining import SAW
    from pathfm.zoo.verified import VERIFIED

    spec = asdict(model.spec)
    activation = "GELU" if model.spec.mlp == "gelu" else "SwiGLU"
    about = {"name": model.name, "naming": model.naming, "activation": activation, "features": model.spec.features}
    training = {"tile": model.tile, "mpp": model.mpp, "mean": list(model.mean), "std": list(model.std)}
    seen, read = SAW.get(model.name, (None, None))
    training |= {"pre-trained on": None if seen is None else ", ".join(seen) or "no public cohort", "said at": read}
    seen = VERIFIED.get(model.name, "not yet")
    terms = {"licence": model.licence, "source": model.source, "reported": model.reported or "nothing"}
    return about | spec | training | terms | {"seen with published weights": seen}


HEAD = ("name", "blocks × width", "patch", "registers", "MLP", "features", "tile px", "µm/px", "weights in", "licence", "from")


def row(model) -> tuple[str, ...]:
    spec = model.spec
    kind = "GELU" if spec.mlp == "gelu" else "SwiGLU"
    output = spec.output + (" of each channel" if spec.per_channel else "")
    resolution = "?" if model.mpp is None else f"{model.mpp:g}"
    shape = (f"{spec.depth} × {spec.width}", str(spec.patch), str(spec.registers), f"{kind} {spec.mlp_width}")
    return (model.name, *shape, f"{spec.features} {output}", str(model.tile), resolution, model.naming, model.licence, model.source)

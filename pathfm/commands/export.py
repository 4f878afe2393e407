"""Write the image tower of a run, or of imported weights, for PyTorch: timm's names, float32, a JSON card beside it.

Into timm's model of the architecture it loads with `load_state_dict(safetensors.torch.load_file("weights.safetensors"))`;
the card's "timm" holds the arguments of `timm.models.vision_transformer.VisionTransformer`. Patient ids stay out unless --with-ids.
"""

HELP = "write tuned weights for PyTorch users (safetensors, timm naming)"


def add_arguments(parser) -> None:
    parser.add_argument("--checkpoint", required=True, metavar="DIR", help="a finished training run, or a folder of weights")
    parser.add_argument("--out", required=True, metavar="FILE", help="the file to write, *.safetensors; its card is *.json")
    parser.add_argument("--with-ids", action="store_true", help="list the patients behind the weights in the card")


def run(arguments) -> int:
    from pathfm.errors import DONE
    from pathfm.progress import say
    from pathfm.weights.export import export_timm
    from pathfm.weights.folder import open_weights

    weights = open_weights(arguments.checkpoint)
    card = export_timm(weights, arguments.out, arguments.with_ids)
    say(f"export: {weights.card['name']} ({weights.spec.features} features) → {arguments.out}, card {card}")
    return DONE

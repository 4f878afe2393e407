"""Weights between a base and what was tuned from it: (1 − α) · base + α · tuned (WiSE-FT, https://arxiv.org/abs/2109.01903).

α is chosen on the validation patients of the tuned run's fold: by a ridge probe of their expression, or by the loss of the run. Several
tuned runs are averaged first, all of them or those that help (model soups, https://arxiv.org/abs/2203.05482).
"""

HELP = "average a base with what was tuned from it, as much of each as serves validation patients best"
ALPHAS = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1"


def add_arguments(parser) -> None:
    parser.add_argument("--base", required=True, metavar="DIR", help="a finished run or a folder of weights: where α is 0")
    parser.add_argument("--tuned", required=True, nargs="+", metavar="RUN", help="finished runs that were tuned from it: where α is 1")
    parser.add_argument("--cohort", required=True, metavar="DIR", help="the cohort that the runs were trained on")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="gets the weights (`weights`) and the features of the probe (`features`)"
    )
    parser.add_argument("--alphas", default=ALPHAS, metavar="A,B,…", help="shares of what was tuned to try, 0 to 1 (default: tenths)")
    parser.add_argument(
        "--by", default="probe", choices=("probe", "loss"), help="what chooses α: r of a ridge probe (default), or the loss"
    )
    parser.add_argument(
        "--soup",
        default="uniform",
        choices=("uniform", "greedy"),
        help="of several runs: the mean of all, or of those that help one another",
    )
    parser.add_argument("--tiles-per-slide", type=int, default=32, metavar="N", help="for the probe; 0: all (default: 32)")
    parser.add_argument("--batch", type=int, default=256, metavar="N", help="tiles at a time for the probe (default: 256)")


def run(arguments) -> int:
    import os

    from pathfm.errors import DONE, InputError
    from pathfm.settings.joining import refuse_copies

    refuse_copies(os.environ)
    alphas = parsed_alphas(arguments.alphas)
    if arguments.tiles_per_slide < 0 or arguments.batch < 1:
        raise InputError("--tiles-per-slide must be 0 or more, and --batch 1 or more")
    from pathfm.blend import Asked, blend

    blend(
        Asked(
            base=arguments.base,
            tuned=tuple(arguments.tuned),
            cohort=arguments.cohort,
            out=arguments.out,
            alphas=alphas,
            by=arguments.by,
            soup=arguments.soup,
            tiles_per_slide=arguments.tiles_per_slide,
            batch=arguments.batch,
        )
    )
    return DONE


def parsed_alphas(text: str) -> tuple[float, ...]:
    """The numbers, in order and each once; InputError for one that is none or lies outside 0 to 1."""
    from pathfm.errors import InputError

    try:
        alphas = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise InputError(f"--alphas is {text!r}; give numbers from 0 to 1 with commas between them, such as 0,0.5,1") from None
    if outside := [alpha for alpha in alphas if not 0 <= alpha <= 1]:
        raise InputError(f"--alphas has {outside[0]:g}, which lies outside 0 (the base) to 1 (what was tuned); leave it out")
    return tuple(alphas)

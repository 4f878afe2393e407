"""Pairs tumour slides with the RNA of the same patient and divides the patients into train, validation and test.

Reads slides.parquet, expression.h5ad and, where it is there, labels.parquet; writes pairs.parquet and splits.parquet, and tells who was
left out and why.
"""

HELP = "pair slides with RNA, and split the patients into train, validation and test"


def add_arguments(parser) -> None:
    parser.add_argument("--cohort", required=True, metavar="DIR", help="the cohort folder")
    parser.add_argument(
        "--split", choices=("site", "patient"), default="site", help="keep whole sites on one side (default), or only patients"
    )
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--folds", type=int, default=5, metavar="K", help="fold k tests part k and validates on part k+1 (default 5)")
    parts.add_argument("--fractions", metavar="TRAIN,VAL,TEST", help="one split by these fractions instead, such as 0.7,0.15,0.15")
    parser.add_argument(
        "--sites",
        metavar="FILE",
        help="a CSV with the columns tss and institution: which hospital a code is of (default: TCGA's own table)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of ties and shuffles (default 0)")


def run(arguments) -> int:
    from collections import Counter

    from pathfm.cohort.division import balance, make_splits
    from pathfm.cohort.folder import CohortFolder, record_step
    from pathfm.cohort.overlap import no_overlap
    from pathfm.cohort.pairing import listing, pair, read_slides
    from pathfm.cohort.profiles import open_profiles, read_stated_types
    from pathfm.cohort.sites import merge_sites, of_hospitals, one_site, read_institutions
    from pathfm.cohort.splits import check_splits
    from pathfm.errors import InputError
    from pathfm.files import read_parquet, write_parquet
    from pathfm.progress import say, track

    parts = fractions(arguments.fractions) if arguments.fractions else arguments.folds
    folder = CohortFolder.open(arguments.cohort)
    slides, profiles = read_slides(folder), open_profiles(folder)
    labels = read_parquet(folder.labels) if folder.labels.exists() else None
    institutions = read_institutions(arguments.sites) if arguments.sites else None

    pairing = pair(slides, profiles.obs, read_stated_types(folder))
    pairs = of_hospitals(pairing.pairs) if institutions is None else merge_sites(pairing.pairs, institutions)
    for line in listing(pairing.slides_left_out, "slides") + listing(pairing.profiles_left_out, "RNA profiles"):
        say(line)
    if pairs.empty:
        reason = f"most profiles: {Counter(pairing.profiles_left_out.values()).most_common(1)[0][0]}"
        if (patients := set(slides["patient"].dropna())).isdisjoint(profiles.obs["patient"]):
            reason = no_overlap(patients, "slides.parquet", folder, replaces=folder.slides) or reason
        raise InputError(f"{folder.root}: none of {len(slides):,} slides pairs with one of {profiles.n_obs:,} profiles; {reason}")
    if warning := no_overlap(set(pairs["patient"]), "the pairs", folder):
        say(f"warning: {warning}")
    paired = profiles.of(sorted(set(pairs["aliquot"])))
    for _ in track(paired.check(), "expression", unit="parts"):
        pass
    say(f"{len(pairs):,} slides of {pairs['patient'].nunique():,} patients are paired")

    site, without_site = one_site(pairs) if arguments.split == "site" else (dict(zip(pairs["patient"], pairs["site"], strict=True)), {})
    for line in listing(without_site, "patients"):
        say(f"split: {line}")
    splits = make_splits(site, labels, arguments.split, parts, arguments.seed)
    check_splits(splits, pairs)
    folder.splits.unlink(missing_ok=True)
    write_parquet(pairs, folder.pairs)
    splits.write(folder)
    left_out = {
        "slides": pairing.slides_left_out,
        "profiles": pairing.profiles_left_out,
        "patients": without_site,
        "classes": splits.tasks_left_out,
    }
    parameters = {"split": arguments.split, "parts": splits.parts, "seed": arguments.seed, "hash": splits.hash, "left_out": left_out}
    inputs = [
        folder.slides,
        folder.expression,
        *([folder.labels] if labels is not None else []),
        *([arguments.sites] if arguments.sites else []),
    ]
    record_step(folder, "cohort", parameters, {str(path): described(path) for path in inputs})

    for line in balance(splits, labels):
        say(f"split: {line}")
    for task, reasons in splits.tasks_left_out.items():
        for name, reason in reasons.items():
            say(f"split: {task} goes without {name}, {reason}")
    patients = f"{len(site):,} patients of {len(set(site.values())):,} sites"
    print(f"{folder.pairs}: {len(pairs):,} pairs; {folder.splits}: {patients}, split by {arguments.split}")
    return 0


def fractions(text: str) -> tuple[float, ...]:
    """The numbers in TRAIN,VAL,TEST; InputError when they are not numbers."""
    from pathfm.errors import InputError

    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError:
        raise InputError(f"--fractions takes three numbers such as 0.7,0.15,0.15, not {text!r}") from None


def described(path) -> dict:
    """Size and hash of an input."""
    from pathlib import Path

    from pathfm.files import sha256

    return {"bytes": Path(path).stat().st_size, "sha256": sha256(path)}

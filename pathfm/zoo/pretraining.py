"""Which public cohorts of slides the models of the zoo saw before they came here, as their publishers say."""

TCGA = ("TCGA",)
NONE: tuple[str, ...] = ()

SAW: dict[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(("demo", "tiny", "small"), (NONE, "trained from scratch by pathfm")),
    **dict.fromkeys(
        ("kaiko_vits8", "kaiko_vits16", "kaiko_vitb8", "kaiko_vitb16", "kaiko_vitl14"), (TCGA, "https://arxiv.org/abs/2404.15217")
    ),
    "openmidnight": (TCGA, "https://github.com/MedARC-AI/OpenMidnight"),
    "gpfm": (("TCGA", "CPTAC", "GTEx"), "https://github.com/birkhoffkiki/GPFM"),
    "midnight_12k": (TCGA, "https://arxiv.org/abs/2504.05186"),
    **dict.fromkeys(("lunit_vits8", "lunit_vits16"), (TCGA, "https://github.com/lunit-io/benchmark-ssl-pathology")),
    "phikon": (TCGA, "https://huggingface.co/owkin/phikon"),
    "phikon_v2": (("TCGA", "CPTAC", "GTEx"), "https://huggingface.co/owkin/phikon-v2"),
    "h0_mini": (TCGA, "https://huggingface.co/bioptimus/H0-mini"),
    "h_optimus_0": (NONE, "https://huggingface.co/bioptimus/H-optimus-0"),
}
"""Model → (cohorts, where it is said). "None" is said of slides that are all proprietary; of a model that is not here nothing was read."""


def pretrained_on(model: str) -> tuple[str, ...] | None:
    """The public cohorts that the model of the zoo saw; None where that is not known."""
    return SAW[model][0] if model in SAW else None

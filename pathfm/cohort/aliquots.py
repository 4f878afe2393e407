"""Which aliquot stands for a patient's tumour when several were sequenced."""

from collections import defaultdict
from collections.abc import Iterable

from pathfm.sources import barcodes

LAST = "~"


def choose_aliquot(aliquots: Iterable[str]) -> str:
    """The aliquot kept among siblings: vial A first, then the highest plate, then the first barcode in alphabetical order.

    An unknown vial or plate comes last. The highest plate is the latest one (the Broad's Firehose rule for replicate samples). A suffix
    after a dot, which tells two files of one sample apart, only counts in the alphabetical order.
    """
    return min(aliquots, key=_preference)


def _preference(aliquot: str) -> tuple:
    plate = barcodes.plate(aliquot.partition(".")[0])
    return barcodes.vial(aliquot) or LAST, tuple(-ord(character) for character in plate) if plate else (1,), aliquot


def lost_to_sibling(aliquots: Iterable[tuple[str, str, str | None]]) -> dict[str, str]:
    """Aliquot → the sibling that is kept instead, from (aliquot, patient, sample type); siblings share patient and type."""
    families: dict[tuple, list[str]] = defaultdict(list)
    for aliquot, patient, sample_type in aliquots:
        families[patient, sample_type].append(aliquot)
    kept = {family: choose_aliquot(members) for family, members in families.items()}
    return {aliquot: kept[family] for family, members in families.items() for aliquot in members if aliquot != kept[family]}

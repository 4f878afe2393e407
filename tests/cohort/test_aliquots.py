"""Which aliquot stands for a patient's tumour."""

import csv
from itertools import permutations

from pathfm.cohort.aliquots import choose_aliquot, lost_to_sibling


def test_vial_a_comes_before_the_highest_plate_and_the_order_given_does_not_matter():
    siblings = ["TCGA-A7-A0DB-01A-11R-A00Z-07", "TCGA-A7-A0DB-01A-11R-A277-07", "TCGA-A7-A0DB-01C-02R-A277-07"]
    assert {choose_aliquot(order) for order in permutations(siblings)} == {"TCGA-A7-A0DB-01A-11R-A277-07"}


def test_equal_vial_and_plate_fall_back_on_the_barcode_and_an_unknown_plate_comes_last():
    assert choose_aliquot(["TCGA-A7-A0DB-01A-12R-A277-07", "TCGA-A7-A0DB-01A-11R-A277-07"]) == "TCGA-A7-A0DB-01A-11R-A277-07"
    assert choose_aliquot(["TCGA-A7-A0DB-01A", "TCGA-A7-A0DB-01A-11R-A00Z-07"]) == "TCGA-A7-A0DB-01A-11R-A00Z-07"
    assert choose_aliquot(["TCGA-A7-A0DB-01A-11R-A00Z-07.0aaaaaaa", "TCGA-A7-A0DB-01A-11R-A277-07.ffffffff"]).endswith("A277-07.ffffffff")
    assert choose_aliquot(["P2", "P1"]) == "P1"


def test_tumour_and_normal_of_a_patient_are_no_siblings():
    rows = [("TCGA-A7-A0DB-01A-11R-A00Z-07", "TCGA-A7-A0DB", "01"), ("TCGA-A7-A0DB-11A-11R-A00Z-07", "TCGA-A7-A0DB", "11")]
    assert lost_to_sibling(rows) == {}


def test_the_eleven_cases_of_tcga_brca_with_several_primary_aliquots(shared):
    with open(shared / "gdc" / "brca_star_file_to_aliquot.csv", newline="") as file:
        rows = [(row["aliquot_barcode"], row["patient_barcode"], row["sample_type_code"]) for row in csv.DictReader(file)]
    lost = lost_to_sibling(rows)
    assert len(rows) == 1231
    assert len(lost) == 16
    assert len({aliquot[:12] for aliquot in lost}) == 11
    assert all(winner[13:16] == "01A" for winner in lost.values())

"""Which slide pairs with which RNA: the facts of TCGA's barcodes, and of hospitals that have none."""

import pandas as pd
import pytest

from pathfm.cohort.pairing import SLIDE_COLUMNS, listing, pair
from pathfm.cohort.profiles import PROFILE_COLUMNS
from pathfm.modalities.controls import permuted_patients
from pathfm.sources import barcodes
from pathfm.sources.sample_types import name_of

CASE = "TCGA-BH-A18H"


TISSUES = [(1, 1, "01"), (2, 1, "01"), (3, 2, "01"), (4, 3, "11"), (5, 3, "01")]


def slide(name: str, **changes) -> dict:
    tcga = barcodes.is_tcga(name)
    row = {
        "slide": name,
        "patient": barcodes.patient(name) if tcga else None,
        "sample": barcodes.sample(name) if tcga else None,
        "sample_type": barcodes.sample_type(name) if tcga else None,
        "project": None,
        "site": barcodes.site(name) if tcga else None,
        "tiles": 10,
        "status": "done",
    }
    return row | changes


def profile(name: str, **changes) -> dict:
    tcga = barcodes.is_tcga(name)
    row = {
        "aliquot": name,
        "patient": barcodes.patient(name) if tcga else None,
        "sample": barcodes.sample(name) if tcga else None,
        "sample_type": barcodes.sample_type(name) if tcga else None,
        "project": "TCGA-BRCA",
        "site": barcodes.site(name) if tcga else None,
    }
    return row | changes


def paired(slides: list[dict], profiles: list[dict], stated=None):
    result = pair(pd.DataFrame(slides, columns=SLIDE_COLUMNS), pd.DataFrame(profiles, columns=PROFILE_COLUMNS), stated)
    chosen = dict(zip(result.pairs["slide"], result.pairs["aliquot"], strict=True))
    return result, chosen


def test_a_diagnostic_slide_of_vial_z_pairs_with_the_rna_of_its_case_and_type():
    name = f"{CASE}-01Z-00-DX1.7D0D3E1B"
    result, chosen = paired([slide(name)], [profile(f"{CASE}-01A-11R-A12D-07")])
    assert chosen == {name: f"{CASE}-01A-11R-A12D-07"}
    row = result.pairs.iloc[0]
    assert (row["patient"], row["sample_type"], row["site"], row["project"], row["rule"]) == (
        CASE,
        "01",
        "BH",
        "TCGA-BRCA",
        "case + sample type",
    )
    assert not result.slides_left_out and not result.profiles_left_out


def test_a_tumour_slide_never_pairs_with_normal_rna_nor_a_normal_slide_with_any():
    normal_rna, normal_slide = f"{CASE}-11A-33R-A12D-07", f"{CASE}-11A-01-TS1"
    result, chosen = paired(
        [slide(f"{CASE}-01Z-00-DX1"), slide(normal_slide), slide("hospital slide", patient=CASE)], [profile(normal_rna)]
    )
    assert chosen == {}
    assert result.slides_left_out[normal_slide] == "not tumour tissue (Solid Tissue Normal)"
    assert result.slides_left_out[f"{CASE}-01Z-00-DX1"] == "no tumour RNA of its patient"
    assert result.slides_left_out["hospital slide"] == "no tumour RNA of its patient"
    assert result.profiles_left_out == {normal_rna: "not tumour tissue (Solid Tissue Normal)"}


def test_all_slides_of_a_case_pair_with_one_aliquot_vial_a_then_the_highest_plate():
    slides = [slide(f"{CASE}-01Z-00-DX{number}") for number in (1, 2)] + [slide(f"{CASE}-01B-01-TS1")]
    kept = f"{CASE}-01A-11R-A21T-07"
    others = [f"{CASE}-01A-11R-A12D-07", f"{CASE}-01B-11R-A466-07"]
    result, chosen = paired(slides, [profile(name) for name in [others[0], kept, others[1]]])
    assert set(chosen.values()) == {kept} and len(chosen) == 3
    assert result.profiles_left_out == dict.fromkeys(others, "another aliquot of its patient was taken")


def test_a_patient_with_a_primary_and_a_metastasis_keeps_the_primary_and_never_crosses_types():
    slides = [slide(f"{CASE}-06Z-00-DX1"), slide(f"{CASE}-01Z-00-DX1")]
    result, chosen = paired(slides, [profile(f"{CASE}-06A-11R-A12D-07"), profile(f"{CASE}-01A-11R-A12D-07")])
    assert chosen == {f"{CASE}-01Z-00-DX1": f"{CASE}-01A-11R-A12D-07"}
    assert result.slides_left_out == {f"{CASE}-06Z-00-DX1": "another sample of its patient was taken"}
    result, chosen = paired([slides[1]], [profile(f"{CASE}-06A-11R-A12D-07")])
    assert not chosen
    assert result.slides_left_out == {f"{CASE}-01Z-00-DX1": "no RNA of its sample type"}
    assert result.profiles_left_out == {f"{CASE}-06A-11R-A12D-07": "no slide of its sample type"}


def test_a_hospital_without_barcodes_pairs_by_sample_where_it_matches_and_else_by_patient():
    slides = [
        slide("s1", patient="P1", sample="P1-b", site="east"),
        slide("s2", patient="P2", sample="P2-x", site="east"),
        slide("s3", patient="P3", site="west"),
    ]
    profiles = [profile(f"r{number}", patient=f"P{patient}", sample_type=code) for number, patient, code in TISSUES]
    for row, sample in zip(profiles, ("P1-a", "P1-b", "P2-a"), strict=False):
        row["sample"] = sample
    result, chosen = paired(slides, profiles)
    assert chosen == {"s1": "r2", "s2": "r3", "s3": "r5"}
    assert result.pairs["rule"].tolist() == ["sample", "patient", "patient"]
    assert result.pairs["site"].tolist() == ["east", "east", "west"]
    assert result.profiles_left_out == {"r1": "another aliquot of its patient was taken", "r4": "not tumour tissue (Solid Tissue Normal)"}


def tumour(name: str, sample: str | None = None, sample_type: str | None = "01", patient: str = "C3L-1") -> dict:
    return profile(name, patient=patient, sample=sample, sample_type=sample_type)


def of(name: str, sample: str | None = None, patient: str = "C3L-1") -> dict:
    return slide(name, patient=patient, sample=sample)


def test_a_slide_of_a_sample_that_the_sheet_calls_normal_pairs_with_nothing_outside_tcga_either():
    slides = [of("s-tumour", "C3L-1-T"), of("s-normal", "C3L-1-N"), of("s-by-hand", " c3l-1-n "), of("s-nothing")]
    profiles = [tumour("rna", "C3L-1-T"), tumour("normal", "C3L-1-N", "11")]
    result, chosen = paired(slides, profiles)
    assert chosen == {"s-tumour": "rna", "s-nothing": "rna"}
    assert result.slides_left_out == dict.fromkeys(["s-normal", "s-by-hand"], "not tumour tissue (Solid Tissue Normal)")
    result, chosen = paired(slides, profiles[:1], {("C3L-1", "C3L-1-N"): {"11"}})
    assert chosen == {"s-tumour": "rna", "s-nothing": "rna"}, "the sheet knew the sample, though it has no RNA in the matrix"


@pytest.mark.parametrize("word", ["15", "16", "17", "18", "20", "40", "41", "50", "60", "61", "99", "Next Generation Cancer Model"])
def test_what_is_decided_to_be_no_tumour_is_left_out_with_its_words(word):
    result, chosen = paired([of("s", "S-1"), of("t")], [tumour("r", "S-1", word)])
    assert not chosen and result.profiles_left_out == {"r": f"not tumour tissue ({name_of(word)})"}
    assert result.slides_left_out == {"s": f"not tumour tissue ({name_of(word)})", "t": "no tumour RNA of its patient"}


@pytest.mark.parametrize("word", ["a word of our own", "Unknown", "Tumor, Primary, cells on a stick", "0", "00", "19"])
def test_a_word_that_nobody_decided_is_not_known_to_be_tumour(word):
    result, chosen = paired([of("s")], [tumour("r", None, word), tumour("ok", None, "06")])
    assert chosen == {"s": "ok"} and result.profiles_left_out == {"r": f"not known to be tumour tissue ({word})"}


def test_rna_without_any_type_is_left_out_and_the_reason_says_what_to_add():
    result, chosen = paired([of("s")], [tumour("r", None, None)])
    assert not chosen and "the sheet needs a column `Sample Type`, such as Primary Tumor" in result.profiles_left_out["r"]


def test_outside_tcga_the_lowest_type_wins_and_not_the_alphabet():
    """HCMI: 91T is the primary tumour, 06A its metastasis, 85A an organoid."""
    profiles = [tumour("x-06A", "x-06A", "06"), tumour("x-85A", "x-85A", "Next Generation Cancer Model"), tumour("x-91T", "x-91T", "01")]
    assert paired([of("s")], profiles)[1] == {"s": "x-91T"}
    assert paired([of("s")], [tumour("a", None, "Tumor"), *profiles[:2]])[1] == {"s": "x-06A"}, "a tumour of unknown kind comes last"
    assert paired([of("s")], [tumour("b", None, "02"), tumour("a", None, "05")])[1] == {"s": "b"}


def test_a_slide_of_a_metastasis_does_not_take_the_rna_of_the_primary_nor_the_other_way_round():
    profiles = [tumour("m", "S-met", "06"), tumour("p", "S-prim", "01")]
    result, chosen = paired([of("of-met", "S-met"), of("of-prim", "S-prim")], profiles)
    assert chosen == {"of-prim": "p"} and result.slides_left_out == {"of-met": "another sample of its patient was taken"}
    assert paired([of("of-met", "S-met")], profiles)[1] == {"of-met": "m"}
    result, chosen = paired([of("of-met", "S-met"), of("unknown")], profiles)
    assert chosen == {"unknown": "p"} and result.slides_left_out == {"of-met": "another sample of its patient was taken"}
    result, chosen = paired([of("of-met", "S-met")], profiles[1:], {("C3L-1", "S-met"): {"06"}})
    assert not chosen and result.slides_left_out == {"of-met": "no RNA of its sample type"}


def test_a_slide_whose_sample_is_known_to_be_a_primary_takes_rna_of_another_primary_before_none():
    result, chosen = paired([of("s", "S-2")], [tumour("r", "S-1", "01")], {("C3L-1", "S-2"): {"01"}})
    assert chosen == {"s": "r"} and result.pairs["rule"].tolist() == ["case + sample type"]


def test_a_sample_of_several_types_pairs_with_nothing():
    result, chosen = paired([of("s", "S-1")], [tumour("a", "S-1", "01"), tumour("b", "S-1", "11")])
    reason = "several sample types are given: Primary Tumor, Solid Tissue Normal"
    assert not chosen and result.slides_left_out == {"s": reason} and result.profiles_left_out == {"a": reason, "b": reason}
    assert paired([of("s", "S-1")], [tumour("a", "S-1", "01"), tumour("b", "S-1", "Tumor")])[1] == {"s": "a"}, "Tumor contradicts no tumour"


def test_a_slide_whose_sample_is_another_patients_in_the_sheet_pairs_with_nothing():
    profiles = [tumour("r1", "S-1"), tumour("r2", "S-2", patient="C3L-2")]
    result, chosen = paired([of("s", "S-2")], profiles)
    assert not chosen and result.slides_left_out == {"s": "the RNA's sheet gives its sample to another patient"}
    both = [of("s", "T"), of("s2", "T", patient="C3L-2")]
    assert paired(both, [tumour("r1", "A"), tumour("r2", "T", patient="C3L-2")])[1] == {"s": "r1", "s2": "r2"}, "T is no name of a sample"


def test_a_patient_spelt_in_another_case_pairs_with_nothing_and_the_reason_says_so():
    result, chosen = paired([of("s", patient="c3l-1")], [tumour("r")])
    assert not chosen and "spell its patient differently" in result.slides_left_out["s"] == result.profiles_left_out["r"]


def test_tcga_barcodes_in_small_letters_are_those_in_capitals():
    name = f"{CASE}-01Z-00-DX1".lower()
    assert paired([slide(name)], [profile(f"{CASE}-01A-11R-A12D-07".lower())])[1] == {name: f"{CASE}-01A-11R-A12D-07".lower()}
    assert paired([slide(name.replace("-01z-", "-11a-"))], [profile(f"{CASE}-01A-11R-A12D-07")])[1] == {}


def test_every_slide_and_every_profile_is_either_paired_or_listed_with_its_reason():
    slides = [slide(f"{CASE}-01Z-00-DX1"), slide("broken", status="failed", patient=CASE), slide("empty", tiles=0, patient=CASE)]
    slides += [slide("nobody"), slide("TCGA-AA-0001-01Z-00-DX1")]
    profiles = [profile(f"{CASE}-01A-11R-A12D-07"), profile("TCGA-BB-0002-01A-11R-A12D-07")]
    result, chosen = paired(slides, profiles)
    assert chosen.keys() | result.slides_left_out.keys() == {row["slide"] for row in slides}
    assert set(chosen.values()) | result.profiles_left_out.keys() == {row["aliquot"] for row in profiles}
    assert result.slides_left_out == {
        "broken": "it was not tiled",
        "empty": "it has no tiles",
        "nobody": "its patient is not known",
        "TCGA-AA-0001-01Z-00-DX1": "no tumour RNA of its patient",
    }
    assert result.profiles_left_out == {"TCGA-BB-0002-01A-11R-A12D-07": "no tumour slide of its patient"}


def test_the_pairs_do_not_depend_on_the_order_of_the_tables():
    slides = [slide(f"TCGA-BH-000{number}-01Z-00-DX{copy}") for number in range(5) for copy in (1, 2)]
    profiles = [profile(f"TCGA-BH-000{number}-01{vial}-11R-A12D-07") for number in range(6) for vial in "AB"]
    pd.testing.assert_frame_equal(paired(slides, profiles)[0].pairs, paired(slides[::-1], profiles[::-1])[0].pairs)


def test_real_brca_aliquots_give_one_profile_to_each_case_with_a_primary_tumour(shared):
    table = pd.read_csv(shared / "gdc" / "brca_star_file_to_aliquot.csv", dtype=str)
    names = next(column for column in table if table[column].str.match(barcodes.ALIQUOT).all())
    cases = sorted(set(table[names].str[:12]))
    result, chosen = paired([slide(f"{case}-01Z-00-DX1") for case in cases], [profile(name) for name in table[names]])
    primary = {name[:12] for name in table[names] if name[13:15] == "01"}
    assert {name[:12] for name in chosen} == primary
    assert all(aliquot[:12] == name[:12] and aliquot[13:15] == "01" for name, aliquot in chosen.items())
    assert len(chosen) + len(result.profiles_left_out) == len(table) == 1231


def test_a_listing_counts_all_and_names_ten():
    lines = listing({f"s{number:02}": "no RNA" for number in range(12)} | {"x": "no patient"}, "slides")
    assert lines[0].startswith("slides left out, no RNA: 12 (s00, ") and lines[0].endswith("s09, …)")
    assert lines[1] == "slides left out, no patient: 1 (x)"


@pytest.mark.parametrize("seed", range(5))
def test_permuted_patients_are_a_permutation_in_which_nobody_keeps_his_own(seed):
    patients = [f"P{number}" for number in range(30)]
    donors = permuted_patients(patients, None, seed)
    assert sorted(donors) == sorted(patients)
    assert all(donor != patient for donor, patient in zip(donors, patients, strict=True))
    backwards = permuted_patients(patients[::-1], None, seed)
    assert backwards == donors[::-1]
    assert donors != permuted_patients(patients, None, seed + 1)


def test_permuted_in_site_stays_in_the_site_and_only_the_lonely_keep_their_own():
    patients = [f"P{number}" for number in range(31)]
    sites = ["alone"] + [f"S{number % 7}" for number in range(30)]
    site = dict(zip(patients, sites, strict=True))
    donors = permuted_patients(patients, sites, 3)
    assert sorted(donors) == sorted(patients)
    assert [site[donor] for donor in donors] == sites
    assert [patient for patient, donor in zip(patients, donors, strict=True) if patient == donor] == ["P0"]

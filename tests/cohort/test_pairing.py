"""Which slide pairs with which RNA: the facts of TCGA's barcodes, and of hospitals that have none."""

import pandas as pd
import pytest

from pathfm.cohort import barcodes
from pathfm.cohort.pairing import PROFILE_COLUMNS, SLIDE_COLUMNS, listing, pair, permuted_patients

CASE = "TCGA-BH-A18H"


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


def paired(slides: list[dict], profiles: list[dict]):
    result = pair(pd.DataFrame(slides, columns=SLIDE_COLUMNS), pd.DataFrame(profiles, columns=PROFILE_COLUMNS))
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
    assert result.slides_left_out[normal_slide] == "not tumour tissue"
    assert result.slides_left_out[f"{CASE}-01Z-00-DX1"] == "no tumour RNA of its patient"
    assert result.slides_left_out["hospital slide"] == "no tumour RNA of its patient"
    assert result.profiles_left_out == {normal_rna: "not tumour tissue"}


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
    profiles = [profile("r1", patient="P1", sample="P1-a"), profile("r2", patient="P1", sample="P1-b")]
    profiles += [profile("r3", patient="P2", sample="P2-a"), profile("r4", patient="P3", sample_type="11"), profile("r5", patient="P3")]
    result, chosen = paired(slides, profiles)
    assert chosen == {"s1": "r2", "s2": "r3", "s3": "r5"}
    assert result.pairs["rule"].tolist() == ["sample", "patient", "patient"]
    assert result.pairs["site"].tolist() == ["east", "east", "west"]
    assert result.profiles_left_out == {"r1": "another aliquot of its patient was taken", "r4": "not tumour tissue"}


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

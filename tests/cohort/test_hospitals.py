"""TCGA's tissue source site codes and the hospitals that they stand for."""

import csv
import re
from importlib.resources import files

import pandas as pd

from pathfm.cohort.sites import hospital_of, of_hospitals, tcga_hospitals
from pathfm.demo.world import site_code


def test_every_code_stands_once_and_no_hospital_under_two_spellings():
    with files("pathfm.cohort").joinpath("tcga_sites.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    codes = [row["tss"] for row in rows]
    assert len(codes) == len(set(codes)) == 829 and codes == sorted(codes)
    assert all(re.fullmatch("[0-9A-Z]{2}", code) for code in codes)
    assert {row["tss"]: row["hospital"] for row in rows} == tcga_hospitals()
    hospitals = set(tcga_hospitals().values())
    plain = {re.sub(r"[^a-z]", "", re.sub(r"\b(the|hospital|medical|center)\b", "", name.lower())) for name in hospitals}
    assert len(plain) == len(hospitals)


def test_codes_and_spellings_of_one_hospital_are_one():
    same = (
        [("02", "MD Anderson"), ("D3", "MD Anderson"), ("IF", "MD Anderson")],
        [("39", "Kettering"), ("DJ", "Kettering"), ("2A", "Kettering")],
    )
    for group in same:
        names = {hospital_of(code) for code, _ in group}
        assert len(names) == 1 and group[0][1] in names.pop()
    assert hospital_of("SX") == "Mayo Clinic Arizona" != hospital_of("AR") == hospital_of("22")
    assert hospital_of("00") == "00"  # no code of TCGA's


def test_the_sites_of_tcga_patients_alone_are_looked_up():
    pairs = pd.DataFrame({"patient": ["TCGA-BH-A18H", "tcga-e9-a1nd", "P1", "TCGA-AR-A0TR"], "site": ["BH", "E9", "BH", None]})
    sites = of_hospitals(pairs)["site"]
    assert sites[:3].tolist() == ["University of Pittsburgh", "Asterand", "BH"] and pd.isna(sites[3])


def test_invented_hospitals_of_the_demo_have_codes_that_tcga_never_gave():
    codes = [site_code(index) for index in range(60)]
    assert len(set(codes)) == 60 and codes[:2] == ["0A", "0B"] and not set(codes) & set(tcga_hospitals())

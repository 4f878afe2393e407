"""Splits: nobody on two sides, whole sites, balanced classes, the same answer each time, and refusals with their numbers."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pathfm.cohort.division import balance, make_splits
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.site_folds import assign_sites
from pathfm.cohort.sites import merge_sites, one_site, read_institutions
from pathfm.cohort.splits import ROLES, Splits, check_splits, read_splits
from pathfm.errors import InputError
from pathfm.files import digest


def cohort(sites: int = 12, size: int = 10, seed: int = 0) -> tuple[dict[str, str], pd.DataFrame]:
    random = np.random.default_rng(seed)
    site = {f"P{number:04}": f"S{number % sites:02}" for number in range(sites * size)}
    labels = pd.DataFrame({"patient": list(site), "site": list(site.values())})
    labels["cancer"] = random.choice(["BRCA", "KIRC", "LUAD"], len(site))
    labels["tp53"] = np.where(random.random(len(site)) < 0.3, "mutant", "wild type")
    labels.loc[random.random(len(site)) < 0.2, "tp53"] = None
    return site, labels


def pairs_of(site: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"slide": list(site), "patient": list(site), "site": list(site.values())})


@pytest.mark.parametrize("scheme", ["site", "patient"])
@pytest.mark.parametrize("parts", [3, 5, (0.6, 0.2, 0.2)])
def test_roles_divide_patients_and_the_test_sets_of_folds_partition_them(scheme, parts):
    site, labels = cohort()
    splits = make_splits(site, labels, scheme, parts, seed=0)
    check_splits(splits, pairs_of(site))
    for fold in splits.folds:
        roles = [splits.role(fold, role) for role in ROLES]
        assert sorted(sum(roles, [])) == sorted(site)
        assert all(own == sorted(own) and own for own in roles)
    if isinstance(parts, int):
        assert splits.folds == tuple(range(parts))
        assert sorted(patient for fold in splits.folds for patient in splits.role(fold, "test")) == sorted(site)
        assert all(splits.role(fold, "val") == splits.role((fold + 1) % parts, "test") for fold in splits.folds)


def test_a_split_by_site_never_divides_a_site():
    site, labels = cohort()
    splits = make_splits(site, labels, "site", 4, seed=1)
    for fold in splits.folds:
        sites = [{site[patient] for patient in splits.role(fold, role)} for role in ROLES]
        assert not (sites[0] & sites[1] or sites[0] & sites[2] or sites[1] & sites[2])


@pytest.mark.parametrize("scheme", ["site", "patient"])
def test_the_same_seed_gives_the_same_split_and_another_seed_another(scheme):
    site, labels = cohort()
    first, again, other = (make_splits(site, labels, scheme, 3, seed) for seed in (0, 0, 1))
    assert first.hash == again.hash != other.hash
    backwards = make_splits(dict(reversed(site.items())), labels.iloc[::-1], scheme, 3, 0)
    assert backwards.hash == first.hash


def test_a_split_by_patient_divides_every_class_as_evenly_as_whole_patients_allow():
    site, labels = cohort(sites=7, size=13)
    splits = make_splits(site, labels, "patient", 5, seed=0)
    for name in ("BRCA", "KIRC", "LUAD"):
        own = set(labels["patient"][labels["cancer"] == name])
        counts = [len(own & set(splits.role(fold, "test"))) for fold in splits.folds]
        assert max(counts) - min(counts) <= 2
    sizes = [len(splits.role(fold, "test")) for fold in splits.folds]
    assert max(sizes) - min(sizes) <= 1


def test_fractions_are_met_by_patient_exactly_and_by_site_closely():
    site, labels = cohort(sites=20, size=10)
    by_patient = make_splits(site, labels, "patient", (0.7, 0.1, 0.2), seed=0)
    assert [len(by_patient.role(0, role)) for role in ROLES] == [140, 20, 40]
    by_site = make_splits(site, None, "site", (0.7, 0.1, 0.2), seed=0)
    assert [len(by_site.role(0, role)) for role in ROLES] == [140, 20, 40]


def test_sites_are_divided_optimally_where_all_divisions_can_be_tried():
    random = np.random.default_rng(0)
    counts = random.integers(0, 9, (7, 3)).astype(float)
    counts[:, 0] = counts[:, 1:].sum(axis=1) + 1
    weights, shares = np.array([1.0, 0.5, 0.5]), np.full(3, 1 / 3)

    def cost(part: np.ndarray) -> float:
        got = np.stack([counts[part == index].sum(axis=0) for index in range(3)])
        return float((np.abs(got / counts.sum(axis=0) - 1 / 3) * weights).sum() + (got == 0).sum())

    every = np.stack(np.meshgrid(*[range(3)] * 7), axis=-1).reshape(-1, 7)
    best = min(cost(part) for part in every if len(np.unique(part)) == 3)
    assert cost(assign_sites(counts, weights, shares, seed=0)) <= best + 0.01 * (1 + best)


def test_a_class_with_too_few_sites_leaves_its_task_and_the_rest_is_split():
    site, labels = cohort()
    labels["cancer"] = np.where(labels["site"].isin(["S00", "S01"]), "LAML", labels["cancer"])
    splits = make_splits(site, labels, "site", 3, seed=0)
    assert splits.tasks_left_out == {"cancer": {"LAML": "patients: 20, sites: 2, parts reached: 2 of 3"}}
    assert {patient for patient in site if site[patient] == "S00"} <= set(splits.table["patient"])
    assert not any("LAML" in line for line in balance(splits, labels))


def test_a_class_with_just_enough_sites_reaches_every_part():
    site, labels = cohort(sites=15)
    labels["breast"] = np.where(labels["site"] < "S05", "ILC", None)
    splits = make_splits(site, labels, "site", 5, seed=0)
    assert "breast" not in splits.tasks_left_out
    own = set(labels["patient"][labels["breast"] == "ILC"])
    assert all(own & set(splits.role(fold, role)) for fold in splits.folds for role in ROLES)


def test_an_empty_role_is_refused_with_the_numbers():
    site, labels = cohort(sites=2, size=4)
    with pytest.raises(InputError, match=r"3 parts need at least 3 sites, there are 2 \(S00 with 4 patients, S01 with 4 patients\)"):
        make_splits(site, labels, "site", (0.6, 0.2, 0.2), seed=0)
    with pytest.raises(InputError, match="5 parts need at least 5 patients, there are 2"):
        make_splits({"P1": "A", "P2": "A"}, None, "patient", 5, seed=0)
    with pytest.raises(InputError, match="2 folds leave a role empty"):
        make_splits(site, labels, "patient", 2, seed=0)
    with pytest.raises(InputError, match=r"the fractions 0.8,0.2,0 must be three"):
        make_splits(site, labels, "patient", (0.8, 0.2, 0.0), seed=0)


def test_what_is_written_is_read_again_with_its_hash_and_notes(tmp_path):
    site, labels = cohort()
    labels["kidney"] = np.where(labels["site"] == "S00", "KICH", None)
    splits = make_splits(site, labels, "site", 3, seed=4)
    folder = CohortFolder.open(tmp_path)
    splits.write(folder)
    again = read_splits(folder)
    assert (again.scheme, again.seed, again.parts, again.folds) == ("site", 4, "3", (0, 1, 2))
    assert again.tasks_left_out == splits.tasks_left_out and again.tasks_left_out["kidney"]
    rows = sorted([int(row.fold), row.patient, row.role] for row in again.table.itertuples())
    assert again.hash == splits.hash == digest(["site", rows])
    metadata = pq.read_schema(folder.splits).metadata
    assert {b"scheme", b"seed", b"hash", b"folds", b"tasks_left_out"} <= set(metadata)


def test_a_missing_a_changed_and_an_unknown_split_are_refused(tmp_path):
    folder = CohortFolder.open(tmp_path)
    with pytest.raises(InputError, match="has no splits.parquet; make it with `pathfm cohort`"):
        read_splits(folder)
    site, labels = cohort()
    splits = make_splits(site, labels, "site", 3, seed=0)
    splits.write(folder)
    with pytest.raises(InputError, match="no 'val' of fold 7"):
        splits.role(7, "val")
    table = pq.read_table(folder.splits)
    changed = table.set_column(2, "role", [["train"] * table.num_rows]).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, folder.splits)
    with pytest.raises(InputError, match="does not hold the split that its hash names"):
        read_splits(folder)


def test_the_leak_check_names_the_patient_and_the_site():
    roles = pd.DataFrame({"fold": 0, "patient": ["P1", "P2", "P3", "P1"], "role": ["train", "val", "test", "test"]})
    with pytest.raises(InputError, match="patient P1 has two roles in fold 0"):
        check_splits(Splits(roles, "patient", 0, "3"))
    leaky = Splits(roles[:3], "site", 0, "3")
    site = pairs_of({"P1": "A", "P2": "B", "P3": "A"})
    with pytest.raises(InputError, match="site A has two roles in fold 0"):
        check_splits(leaky, site)
    check_splits(Splits(roles[:3], "patient", 0, "3"), site)


def test_an_empty_role_of_a_split_is_refused_on_reading_it():
    splits = Splits(pd.DataFrame({"fold": [0, 0], "patient": ["P1", "P2"], "role": ["train", "test"]}), "patient", 0, "3")
    with pytest.raises(InputError, match="fold 0 of the split has no val patients"):
        splits.role(0, "val")


def test_codes_of_one_hospital_are_merged_and_na_is_a_code(tmp_path):
    file = tmp_path / "sites.csv"
    file.write_text("tss,institution\nNA,Washington University\nA2,Walter Reed\nA7,Walter Reed\n")
    merged = merge_sites(pairs_of({"P1": "NA", "P2": "A2", "P3": "A7", "P4": "BH"}), read_institutions(file))
    assert merged["site"].tolist() == ["Washington University", "Walter Reed", "Walter Reed", "BH"]
    file.write_text("tss,institution\nA2,Walter Reed\nA2,Mayo\n")
    with pytest.raises(InputError, match=r"sites.csv, line 3: the code A2 has two institutions, 'Walter Reed' and 'Mayo'"):
        read_institutions(file)
    file.write_bytes("TSS Code\tSource Site\tStudy Name\tBCR\r\n01\tKöln\tx\tNCH\r\nNA\tUlm\ty\tIGC\r\n".encode("utf-16"))
    assert read_institutions(file) == {"01": "Köln", "NA": "Ulm"}
    file.write_text("tss,institution\n1,Ulm\nA2,Mayo\n")
    with pytest.raises(InputError, match="the code 1 has lost its zero in a spreadsheet"):
        read_institutions(file)
    file.write_text("tss,institution\nA2,\n")
    with pytest.raises(InputError, match="line 2: a code and an institution are both needed"):
        read_institutions(file)
    file.write_text("code,name\nA2,Walter Reed\n")
    with pytest.raises(InputError, match="needs the columns tss and institution; it has code, name"):
        read_institutions(file)


def test_patients_without_one_site_are_left_out_of_a_split_by_site():
    pairs = pd.DataFrame({"patient": ["P1", "P1", "P2", "P2", "P3"], "site": ["A", None, "A", "B", None]})
    assert one_site(pairs) == ({"P1": "A"}, {"P2": "more than one site", "P3": "no site"})


@pytest.fixture(scope="module")
def tcga(shared) -> pd.DataFrame:
    """All 11,160 cases with their 722 tissue source sites and 33 cancers; the TP53 label is drawn, at its real rate."""
    table = pd.read_csv(shared / "reports" / "tcga_patient_to_cancer_type.csv", keep_default_na=False)
    table = table.rename(columns={"patient_id": "patient", "cancer_type": "cancer"})
    table["tp53"] = np.where(np.random.default_rng(0).random(len(table)) < 0.36, "mutant", "wild type")
    for task, names in {"kidney": ["KIRC", "KIRP", "KICH"], "lung": ["LUAD", "LUSC"]}.items():
        table[task] = table["cancer"].where(table["cancer"].isin(names), None)
    return table


@pytest.mark.slow
def test_the_whole_of_tcga_is_split_by_site_into_even_folds(tcga):
    site = dict(zip(tcga["patient"], tcga["patient"].str[5:7], strict=True))
    assert (len(site), len(set(site.values())), tcga["cancer"].nunique()) == (11160, 722, 33)
    splits = make_splits(site, tcga, "site", 5, seed=0)
    check_splits(splits, pairs_of(site))
    assert set(splits.tasks_left_out) == {"cancer"} and set(splits.tasks_left_out["cancer"]) == {"LAML"}
    tests = [set(splits.role(fold, "test")) for fold in splits.folds]
    assert all(abs(len(test) / len(site) - 0.2) < 0.005 for test in tests)
    mutant = set(tcga["patient"][tcga["tp53"] == "mutant"])
    assert all(abs(len(test & mutant) / len(mutant) - 0.2) < 0.02 for test in tests)
    for name, sites in tcga.groupby("cancer")["patient"].agg(lambda own: own.str[5:7].value_counts(normalize=True).max()).items():
        own = set(tcga["patient"][tcga["cancer"] == name])
        if sites < 0.2:
            assert all(abs(len(test & own) / len(own) - 0.2) < 0.06 for test in tests), name

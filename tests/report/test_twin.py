"""The table as Parquet says what the table says."""

import csv
import io

import pytest

from pathfm.files import read_parquet, write_parquet
from pathfm.report.table import make_table
from pathfm.report.twin import table_frame
from tests.evaluation_folders import write_runs


def test_every_number_of_the_csv_is_in_the_parquet_and_no_other(tmp_path):
    table = make_table(write_runs(tmp_path))
    write_parquet(table_frame(table), tmp_path / "table.parquet")
    frame = read_parquet(tmp_path / "table.parquet").set_index(["fit", "kind", "approach", "column"])
    assert frame.index.is_unique
    lines = [line for line in csv.DictReader(io.StringIO(table.to_csv())) if line["kind"] in ("base", "tuned", "delta")]
    numbers = 0
    for line in lines:
        for column in table.columns:
            key = (line["fit"], line["kind"], line["approach"], column)
            text = line[column]
            if text in ("–", ""):
                assert key not in frame.index
                continue
            row = frame.loc[key]
            assert row["run"] == line["run"]
            if text.startswith("n too small"):
                assert text == f"n too small ({row['few']})" and row["value"] != row["value"]
                continue
            numbers += 1
            told = [float(line[name]) for name in (column, f"{column} low", f"{column} high")]
            assert [row["value"], row["low"], row["high"]] == pytest.approx(told, abs=1e-4)
            assert (row["arrow"] == "up") == (column in line["up"].split("; "))
            assert row["band_low"] != row["band_low"] if line["kind"] != "delta" else row["band_low"] <= row["low"] + 1e-9
    assert numbers > 40 and frame["value"].notna().sum() == numbers

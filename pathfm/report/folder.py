"""A folder that an evaluation leaves: its files, written together and read one by one; docs/formats.md describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import pandas as pd

from pathfm.cohort.hdf5 import whole_hdf5, write_element
from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet, replacing, write_json, write_parquet
from pathfm.report import earlier
from pathfm.report.tiles import Tiles
from pathfm.tasks.task import EXPRESSION_OBS, PREDICTIONS, SCORES, Result

FORMAT = 2
EMBEDDING_OBS = ["patient", "site", "cancer", "role"]
OPTIONAL = ["site", "right"]  # of predictions: earlier versions of format 2 did not write them
AGAIN = "evaluate again with this version of pathfm"


@dataclass(frozen=True)
class EvaluationFolder:
    """One evaluation of one encoder; an earlier format is read as if it were today's."""

    path: Path

    @property
    def about(self) -> Path:
        """Written last: where it stands, the evaluation is finished."""
        return self.path / "evaluation.json"

    @property
    def scores(self) -> Path:
        return self.path / "scores.parquet"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.parquet"

    @property
    def expression(self) -> Path:
        return self.path / "expression_predictions.h5ad"

    @property
    def embeddings(self) -> Path:
        return self.path / "embeddings.h5ad"

    @property
    def metrics(self) -> Path:
        return self.path / "training_metrics.jsonl"

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def training_config(self) -> Path:
        """config.json of the run whose weights were evaluated; not there for imported weights and in what earlier versions wrote."""
        return self.path / "training_config.json"

    @property
    def tiles(self) -> Path:
        """With `tile_features` the sample of test tiles; not there for features that were brought and in what earlier versions wrote."""
        return self.path / "tiles.parquet"

    @property
    def tile_features(self) -> Path:
        return self.path / "tiles.npy"

    @property
    def features(self) -> Path:
        return self.path / "features"

    @property
    def finished(self) -> bool:
        return self.about.is_file()

    def write(
        self,
        about: dict[str, Any],
        config: dict[str, Any],
        results: Sequence[Result],
        embeddings: anndata.AnnData,
        genes: pd.DataFrame | None = None,
        metrics: Path | None = None,
        training_config: Path | None = None,
        tiles: Tiles | None = None,
    ) -> None:
        """Everything that the report needs, in the place of an earlier evaluation; `genes` names the columns of predicted expression,
        `metrics` and `training_config` are the training run's files.
        """
        optional = (self.predictions, self.expression, self.metrics, self.training_config, self.tiles, self.tile_features)
        for path in (self.about, *optional):
            path.unlink(missing_ok=True)
        write_parquet(pd.concat([result.scores for result in results], ignore_index=True), self.scores)
        predictions = [result.predictions for result in results if result.predictions is not None]
        if predictions:
            write_parquet(pd.concat(predictions, ignore_index=True), self.predictions)
        predicted = next((result.expression for result in results if result.expression is not None), None)
        if predicted is not None:
            _write_h5ad(anndata.AnnData(predicted.prediction, predicted.obs, genes, layers={"truth": predicted.truth}), self.expression)
        _write_h5ad(embeddings, self.embeddings)
        if tiles is not None:
            tiles.write(self.tiles, self.tile_features)
        for source, path in ((metrics, self.metrics), (training_config, self.training_config)):
            if source is not None:
                with replacing(path) as temporary:
                    temporary.write_bytes(source.read_bytes())
        write_json(config, self.config)
        write_json({"format": FORMAT, "training_metrics": metrics is not None, **about}, self.about)

    def read_about(self) -> dict[str, Any]:
        """What evaluation.json says; InputError when it is unfinished, of an unknown format or without a card."""
        return earlier.about(self._about())

    def read_scores(self) -> pd.DataFrame:
        """The columns of SCORES."""
        if self._format == FORMAT:
            required = read_parquet(self.scores, [name for name in SCORES if name not in earlier.ADDED])
            written = read_parquet(self.scores)
            return required.assign(**{name: written.get(name, value) for name, value in earlier.ADDED.items()})[SCORES]
        return earlier.scores(read_parquet(self.scores, earlier.SCORES))

    def read_predictions(self) -> pd.DataFrame:
        """The columns of PREDICTIONS but `probability`; no row for an evaluation of expression alone.

        `site` is empty where it is not known, as in what an earlier version wrote; that had one model, which was right about a row or not.
        """
        columns = [name for name in PREDICTIONS if name != "probability"]
        if not self.predictions.exists():
            return pd.DataFrame(columns=columns)
        if self._format == FORMAT:
            table = read_parquet(self.predictions, columns, OPTIONAL)
        else:
            table = earlier.predictions(read_parquet(self.predictions, [name for name in columns if name != "probe"], OPTIONAL))
        table = table if "site" in table else table.assign(site="")
        return table if "right" in table else table.assign(right=(table["truth"] == table["prediction"]).astype(float))

    def read_expression(self) -> anndata.AnnData | None:
        """Predicted expression with the true one in the layer `truth`; None where there is none, InputError when it is broken."""
        table = _read_h5ad(self.expression, {"patient", "fold", "fit"}, {"truth"})
        if table is not None and self._format != FORMAT:
            table = earlier.expression(table)
        missing = [] if table is None else [name for name in EXPRESSION_OBS if name not in table.obs]
        if missing:
            raise InputError(f"{self.expression} lacks {missing[0]!r}; evaluate again")
        return table

    def read_embeddings(self) -> anndata.AnnData | None:
        """A row per patient with patient, site, cancer and role; None where there is none, InputError when it is broken."""
        return _read_h5ad(self.embeddings, set(EMBEDDING_OBS))

    def read_tiles(self) -> Tiles | None:
        """The sample of test tiles; None where there is none, InputError when it is broken."""
        return Tiles.read(self.tiles, self.tile_features) if self.tiles.exists() else None

    @property
    def _format(self) -> int:
        return self._about()["format"]

    def _about(self) -> dict[str, Any]:
        if not self.finished:
            raise InputError(
                f"{self.path} is not a finished evaluation: it has no {self.about.name}; run `python -m pathfm.evaluate` first"
            )
        about = read_json(self.about)
        if not isinstance(about, dict) or about.get("format") not in (earlier.FORMAT, FORMAT) or not isinstance(about.get("card"), dict):
            raise InputError(f"{self.about} is not in format {earlier.FORMAT} or {FORMAT} with a card; {AGAIN}")
        if not about["card"].get("weight_hash"):
            raise InputError(f"{self.about} has a card without weight_hash; {AGAIN}")
        return about


def _write_h5ad(data: anndata.AnnData, path: Path) -> None:
    data.obs_names = data.obs_names.astype(str)
    data.obs_names.name = None
    with replacing(path) as temporary, whole_hdf5(temporary) as file:
        write_element(file, "/", data)


def _read_h5ad(path: Path, obs: set[str], layers: set[str] = frozenset()) -> anndata.AnnData | None:
    if not path.is_file():
        return None
    try:
        table = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as AnnData: {error}; evaluate again") from error
    missing = sorted(obs - set(table.obs)) + sorted(layers - set(table.layers))
    if missing:
        raise InputError(f"{path} lacks {missing[0]!r}; evaluate again")
    return table

"""Terms that predict a patient's genes or pathways from its tiles in other ways than `direct`; see docs/objectives.md."""

from dataclasses import dataclass
from typing import ClassVar

from pathfm.settings.terms import EXPRESSION, HeadSettings, TermSettings, term

COUNTS = f"{EXPRESSION}/counts"  # vectors beside those of expression: reads of the panel's genes [b, genes]
LIBRARY = f"{EXPRESSION}/library"  # and of all genes [b, 1]


@term
@dataclass(frozen=True, kw_only=True)
class MeanSquares(HeadSettings):
    """Prediction of expression, by the mean of squared errors."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.mse:MeanSquares"
    says: ClassVar[str] = "tuned to predict the bulk gene expression of a tile's patient"

    name: str = "mse"


@term
@dataclass(frozen=True, kw_only=True)
class Pearson(HeadSettings):
    """Prediction of which patients of the batch have more of a gene and which less: 1 − Pearson's r of each gene."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.pearson:Pearson"
    says: ClassVar[str] = "tuned to predict, gene by gene, in which patients the bulk expression is higher"

    name: str = "pearson"


@term
@dataclass(frozen=True, kw_only=True)
class NegativeBinomial(HeadSettings):
    """Prediction of the reads of each gene, negative binomial, with all reads of the patient as offset."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.negative_binomial:NegativeBinomial"
    says: ClassVar[str] = "tuned to predict the RNA reads that a tile's patient has of each gene"

    name: str = "negative_binomial"

    def __post_init__(self):
        super().__post_init__()
        if self.modality != EXPRESSION:
            raise ValueError(f"negative_binomial reads the counts of {EXPRESSION}.h5ad; {self.modality!r} has none")


@term
@dataclass(frozen=True, kw_only=True)
class GeneQuery(TermSettings):
    """Genes, as vectors, attend to the tiles of a patient: other genes can be asked for by their vectors afterwards."""

    made_by: ClassVar[str] = "pathfm.objectives.terms.gene_query:GeneQuery"
    says: ClassVar[str] = "tuned to predict the bulk expression of any gene that is given as a vector"
    files: ClassVar[tuple[str, ...]] = ("vectors", "names")

    name: str = "gene_query"
    modality: str = EXPRESSION  # whose vectors are predicted
    vectors: str = ""  # an .npy of one row a gene, which stays as it is; empty: vectors of the panel's genes are learned
    names: str = ""  # text with the name of each row, an Ensembl id or a symbol a line
    gene_width: int = 64  # of learned vectors
    width: int = 128  # of queries, keys and values, over all heads
    heads: int = 4
    huber: float = 1.0  # where the loss turns from square to linear, in standard deviations

    def __post_init__(self):
        super().__post_init__()
        if bool(self.vectors) != bool(self.names):
            raise ValueError("gene_query takes vectors and names together: the .npy, and a text file with the name of each row")
        if self.width % self.heads:
            raise ValueError(f"the width of gene_query, {self.width}, must be a multiple of its {self.heads} heads")

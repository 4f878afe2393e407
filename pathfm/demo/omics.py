"""The planted expression: the programmes raise the genes of their sets, hospitals add a batch effect, cells and sequencer add noise.

The genes are the 60,660 of GENCODE v36 as GDC's STAR files hold them. What belongs to a gene (level, length, loading, noise) is the same in
every world; what belongs to a hospital or an aliquot comes from the world's seed.
"""

import lzma
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import BytesIO

import numpy as np
import pandas as pd

from pathfm.demo.world import NORMAL_TISSUE, PROGRAMMES, World

GENES_A_SET = 120
MARKERS = {
    "proliferation": "MKI67 TOP2A PCNA CCNB1 CCNA2 AURKA AURKB BUB1 BUB1B CDK1 CDC20 MCM2 MCM4 MCM6 FOXM1 PLK1 TYMS RRM2 UBE2C BIRC5",
    "immune": "CD3D CD3E CD2 CD8A CD4 CD19 MS4A1 CD79A PTPRC LCK GZMA GZMB GZMK PRF1 NKG7 CCL5 CXCL9 CXCL13 IL7R SELL",
    "gland": "CDH1 EPCAM KRT8 KRT18 KRT19 MUC1 CLDN3 CLDN4 CLDN7 ELF3 ESRP1 ESRP2 GRHL2 FOXA1 AGR2 TFF3 SPDEF ERBB3 RAB25 OCLN",
    "necrosis": "VEGFA CA9 LDHA PGK1 SLC2A1 ADM NDRG1 HMOX1 BNIP3 ANKRD37 EGLN3 PFKFB4 ANGPTL4 SERPINE1 IL6 CXCL8 DDIT3 GADD45A HIF1A",
}
ORGANS = {"TCGA-BRCA": "breast", "TCGA-KIRC": "kidney", "TCGA-KIRP": "kidney", "TCGA-LUAD": "lung", "TCGA-LUSC": "lung"}
GENES_AN_ORGAN = 30
BATCH_SPREAD = 0.30
READS = 4.5e7


@dataclass(frozen=True)
class Genes:
    """Per gene of the STAR file, in its order: log2 `level` (TPM), `length` (kb), noise `spread` (log2), `expressed`, and loadings.

    `loadings` [programmes, genes] are log2 units per unit of programme, `organs` organ → columns that are raised there.
    """

    table: pd.DataFrame
    level: np.ndarray
    length: np.ndarray
    spread: np.ndarray
    expressed: np.ndarray
    loadings: np.ndarray
    organs: dict[str, np.ndarray]


def gene_table() -> pd.DataFrame:
    """gene_id (versioned), gene_name and gene_type of the 60,660 genes of a GDC STAR file, in its order."""
    packed = files("pathfm.demo").joinpath("gencode_v36_genes.csv.xz").read_bytes()
    return pd.read_csv(BytesIO(lzma.decompress(packed)), dtype=str, keep_default_na=False)


@lru_cache(maxsize=1)
def planted_genes() -> Genes:
    """What the demo knows of each gene; the same in every world."""
    table = gene_table()
    rng = np.random.default_rng(36)
    coding = (table["gene_type"] == "protein_coding").to_numpy() & ~table["gene_id"].str.endswith("_PAR_Y").to_numpy()
    count = len(table)
    expressed = coding & (rng.random(count) < 0.68)
    level = np.where(expressed, rng.normal(4.0, 1.7, count), rng.normal(-6.0, 2.5, count))
    length = np.clip(np.exp(rng.normal(0.8, 0.6, count)), 0.2, 12)
    spread = rng.uniform(0.25, 0.5, count)

    unique = coding & ~table["gene_name"].duplicated(keep=False).to_numpy()
    place = pd.Series(np.flatnonzero(unique), index=table["gene_name"][unique])
    markers = {programme: place[names.split()].to_numpy() for programme, names in MARKERS.items()}
    others = rng.permutation(np.setdiff1d(np.flatnonzero(unique), np.concatenate(list(markers.values()))))
    loadings = np.zeros((len(PROGRAMMES), count))
    for row, programme in enumerate(PROGRAMMES):
        more, others = np.split(others, [GENES_A_SET - len(markers[programme])])
        members = np.concatenate([markers[programme], more])
        loadings[row, members] = rng.uniform(0.6, 1.3, len(members))
        level[members] = rng.normal(5.0, 0.8, len(members))
        spread[members] = rng.uniform(0.45, 0.8, len(members))
        expressed[members] = True
    organs = dict(zip(sorted(set(ORGANS.values())), np.split(others[: 3 * GENES_AN_ORGAN], 3), strict=True))
    return Genes(table, level, length, spread, expressed, loadings, organs)


def gene_sets() -> dict[str, list[str]]:
    """The symbols of each programme's genes, markers that the field knows among them."""
    genes = planted_genes()
    names = genes.table["gene_name"].to_numpy()
    return {programme: names[genes.loadings[row] > 0].tolist() for row, programme in enumerate(PROGRAMMES)}


def profile(world: World, aliquot: str) -> tuple[np.ndarray, np.ndarray]:
    """One aliquot: counts int32 [60660], and TPM float64 [60660] with the four decimals that a STAR file keeps."""
    genes = planted_genes()
    row = world.aliquots.loc[world.aliquots["aliquot"] == aliquot].iloc[0]
    person = int(row["person"])
    site, project = world.people.loc[person, ["site", "project"]]
    programmes = 0.4 * world.programmes[person] + NORMAL_TISSUE if row["normal"] else world.programmes[person]
    rng = world.rng("aliquot", aliquot)
    level = genes.level + programmes @ genes.loadings + genes.spread * rng.standard_normal(len(genes.level))
    level += BATCH_SPREAD * genes.expressed * world.rng("batch", site).standard_normal(len(genes.level))
    level[genes.organs[ORGANS[project]]] += 1.5
    reads = READS * np.exp(rng.normal(0, 0.25))
    weight = 2.0**level * genes.length
    counts = rng.poisson(weight * (reads / weight.sum())).astype(np.int32)
    rate = counts / genes.length
    return counts, np.round(rate * (1e6 / rate.sum()), 4)

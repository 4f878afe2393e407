"""Ask a run that was tuned with gene_query for genes and gene sets, whether they were in its panel or not.

--vectors and --names are files like those that the run was trained with; they may hold further genes. Out is a table: a row a patient of
the cohort, its role in the fold that the run was trained on, and a column for each gene and set, in standard deviations from the mean of
training patients. A set is asked for by the mean of its genes' vectors.
"""

HELP = "predict genes and gene sets that a run was not trained on, by their vectors"


def add_arguments(parser) -> None:
    parser.add_argument("--checkpoint", required=True, metavar="DIR", help="a finished run, tuned with gene_query and brought vectors")
    parser.add_argument("--cohort", required=True, metavar="DIR", help="the cohort folder whose patients are predicted")
    parser.add_argument("--vectors", required=True, metavar="FILE.npy", help="a row a gene, of the kind that the run was trained with")
    parser.add_argument("--names", required=True, metavar="FILE", help="the name of each row, an Ensembl id or a symbol a line")
    parser.add_argument("--genes", default="", metavar="A,B,…", help="Ensembl ids or symbols")
    parser.add_argument("--sets", metavar="FILE.gmt", help="gene sets")
    parser.add_argument("--tiles", type=int, default=256, metavar="N", help="tiles of a patient, at most, spread evenly; default: 256")
    parser.add_argument("--cache", required=True, metavar="DIR", help="a folder that keeps the features of tiles")
    parser.add_argument("--out", required=True, metavar="FILE.csv")


def run(arguments) -> int:
    from pathlib import Path

    import pandas as pd

    from pathfm.cohort.opened import Cohort
    from pathfm.errors import DONE, InputError
    from pathfm.features.asked import asked, query_head, wanted_vectors
    from pathfm.features.encoder import Encoder
    from pathfm.features.store import FeatureStore
    from pathfm.files import replacing
    from pathfm.modalities.gene_vectors import read_gene_vectors
    from pathfm.modalities.genes import read_gmt
    from pathfm.progress import say
    from pathfm.weights.folder import open_weights

    if arguments.tiles < 1:
        raise InputError(f"--tiles {arguments.tiles} makes no sense; give 1 or more")
    weights, cohort = open_weights(arguments.checkpoint), Cohort.open(arguments.cohort)
    query_head(weights)  # what cannot be asked stops before any work
    genes = [gene.strip() for gene in arguments.genes.split(",") if gene.strip()]
    sets = read_gmt(arguments.sets) if arguments.sets else {}
    names, vectors = wanted_vectors(read_gene_vectors(arguments.vectors, arguments.names), genes, sets)
    features = FeatureStore(Encoder.of(weights), Path(arguments.cache), 256, 0, arguments.tiles).features(cohort.folder, cohort.slides)
    assert features.bags is not None
    said = asked(weights, features.bags, vectors)
    fold = weights.card.fold if weights.card.split_hash == cohort.splits.hash and weights.card.fold is not None else None
    role = {} if fold is None else cohort.people(fold).set_index("patient")["role"].to_dict()
    table = pd.DataFrame({"patient": features.patients, "role": [role.get(patient, "") for patient in features.patients]})
    with replacing(Path(arguments.out)) as temporary:
        table.join(pd.DataFrame(said, columns=names)).to_csv(temporary, index=False, float_format="%.5g")
    say(f"ask: {len(names):,} genes and gene sets of {len(table):,} patients → {arguments.out}")
    return DONE

"""The tables and texts that lie beside a user's slides and RNA files: sample sheet, metadata, clinical data, mutations, reports."""

import pandas as pd

from pathfm.demo.omics import gene_sets, planted_genes
from pathfm.demo.world import World, file_uuid

MISSING = "'--"
TP53_CALLS = ("Missense_Mutation",) * 5 + ("Nonsense_Mutation", "Frame_Shift_Del", "Frame_Shift_Ins", "Splice_Site", "In_Frame_Del")
OTHER_CALLS = ("Missense_Mutation",) * 5 + ("Silent", "Silent", "Nonsense_Mutation", "Intron", "3'UTR")
DISEASES = {
    "TCGA-BRCA": ("Breast, NOS", "C50.9", "8500/3"),
    "TCGA-KIRC": ("Kidney, NOS", "C64.9", "8310/3"),
    "TCGA-KIRP": ("Kidney, NOS", "C64.9", "8260/3"),
    "TCGA-LUAD": ("Upper lobe, lung", "C34.1", "8140/3"),
    "TCGA-LUSC": ("Upper lobe, lung", "C34.1", "8070/3"),
}


def sample_sheet(world: World) -> pd.DataFrame:
    """The portal's sample sheet of today, eleven columns, a row per RNA file."""
    rows = []
    for entry in world.aliquots.itertuples():
        normal, patient = entry.normal, world.people["patient"][entry.person]
        rows.append(
            {
                "File ID": entry.folder,
                "File Name": entry.file,
                "Data Category": "Transcriptome Profiling",
                "Data Type": "Gene Expression Quantification",
                "Project ID": world.people["project"][entry.person],
                "Case ID": patient,
                "Sample ID": entry.aliquot[:16],
                "Tissue Type": "Normal" if normal else "Tumor",
                "Tumor Descriptor": "Not Applicable" if normal else "Primary",
                "Specimen Type": "Solid Tissue",
                "Preservation Method": "OCT",
            }
        )
    return pd.DataFrame(rows)


def portal_metadata(world: World) -> list[dict]:
    """The portal's metadata JSON: it alone names the aliquots."""
    entries = []
    for entry in world.aliquots.itertuples():
        patient = world.people["patient"][entry.person]
        entity = {"entity_submitter_id": entry.aliquot, "entity_type": "aliquot", "case_id": file_uuid(world.seed, patient, "case")}
        entity["entity_id"] = file_uuid(world.seed, entry.aliquot, "aliquot")
        entries.append(
            {
                "file_id": entry.folder,
                "file_name": entry.file,
                "data_format": "TSV",
                "access": "open",
                "data_category": "Transcriptome Profiling",
                "data_type": "Gene Expression Quantification",
                "experimental_strategy": "RNA-Seq",
                "analysis": {"workflow_type": "STAR - Counts"},
                "associated_entities": [entity],
                "cases": [{"submitter_id": patient, "project": {"project_id": world.people["project"][entry.person]}}],
            }
        )
    return entries


def clinical(world: World) -> pd.DataFrame:
    """The portal's clinical.tsv of today: one row per treatment, so two of every second case; `'--` where nothing is known."""
    rng = world.rng("clinical")
    rows = []
    for number, person in enumerate(world.people.itertuples()):
        place, icd, morphology = DISEASES[person.project]
        common = {
            "project.project_id": person.project,
            "cases.case_id": file_uuid(world.seed, person.patient, "case"),
            "cases.submitter_id": person.patient,
            "demographic.gender": str(rng.choice(["female", "male"])),
            "demographic.vital_status": str(rng.choice(["Alive", "Dead"], p=[0.8, 0.2])),
            "diagnoses.age_at_diagnosis": str(rng.integers(12_000, 31_000)),
            "diagnoses.icd_10_code": icd,
            "diagnoses.morphology": "8520/3" if person.diagnosis.startswith("Lobular") else morphology,
            "diagnoses.primary_diagnosis": person.diagnosis,
            "diagnoses.tissue_or_organ_of_origin": place,
            "diagnoses.days_to_recurrence": MISSING,
        }
        rows += [
            common | {"treatments.treatment_type": kind}
            for kind in ["Pharmaceutical Therapy, NOS", "Radiation Therapy, NOS"][: 1 + number % 2]
        ]
    return pd.DataFrame(rows)


def mutations(world: World) -> pd.DataFrame:
    """A MAF: each sequenced patient's calls; some wild types have a silent TP53 call, which is no mutation of the protein."""
    rng = world.rng("mutations")
    genes = planted_genes()
    names = genes.table["gene_name"][genes.expressed & (genes.table["gene_name"] != "TP53")].to_numpy()
    rows = []
    for person in world.people[world.people["sequenced"]].itertuples():
        calls = [(str(name), str(rng.choice(OTHER_CALLS))) for name in rng.choice(names, int(rng.integers(4, 15)), replace=False)]
        if person.tp53 == "mutant":
            calls.append(("TP53", str(rng.choice(TP53_CALLS))))
        elif rng.random() < 0.1:
            calls.append(("TP53", "Silent"))
        rows += [maf_row(rng, person, name, call) for name, call in sorted(calls)]
    return pd.DataFrame(rows)


def maf_row(rng, person, name: str, call: str) -> dict[str, str]:
    start = 7_674_220 if name == "TP53" else int(rng.integers(1_000_000, 100_000_000))
    kind = {"Frame_Shift_Del": "DEL", "In_Frame_Del": "DEL", "Frame_Shift_Ins": "INS"}.get(call, "SNP")
    alleles = {"DEL": ("G", "-"), "INS": ("-", "G"), "SNP": ("C", "T")}[kind]
    return {
        "Hugo_Symbol": name,
        "NCBI_Build": "GRCh38",
        "Chromosome": "chr17" if name == "TP53" else f"chr{rng.integers(1, 23)}",
        "Start_Position": str(start),
        "End_Position": str(start),
        "Variant_Classification": call,
        "Variant_Type": kind,
        "Reference_Allele": alleles[0],
        "Tumor_Seq_Allele2": alleles[1],
        "Tumor_Sample_Barcode": f"{person.patient}-01A-11D-A10Q-09",
        "FILTER": "PASS",
    }


def programmes_gmt() -> str:
    """The planted gene sets as GMT: name, description, symbols."""
    return "".join(
        "\t".join([f"PLANTED_{name.upper()}", "genes that the demo's programme raises", *genes]) + "\n"
        for name, genes in gene_sets().items()
    )


def report(world: World, person: int) -> str:
    """A pathologist's words on one patient, as the OCR of a report reads: one line."""
    row, (proliferation, immune, gland, necrosis) = world.people.loc[person], world.programmes[person]
    level = ("low", "moderate", "high")
    grade = level[int(proliferation > -0.5) + int(proliferation > 0.5)]
    return (
        f"Specimen Submitted: {DISEASES[row['project']][0]}; resection. DIAGNOSIS: {row['diagnosis']}. Mitotic activity: {grade}. "
        f"Tubule formation: {('poor', 'moderate', 'good')[int(gland > -0.5) + int(gland > 0.5)]}. "
        f"Tumor infiltrating lymphocytes: {('sparse', 'moderate', 'brisk')[int(immune > -0.5) + int(immune > 0.5)]}. "
        f"Necrosis: {'present' if necrosis > 0.3 else 'not identified'}. Surgical margins: free of tumor.\n"
    )

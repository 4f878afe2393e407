"""What the words for a mutation's class say of the protein, whoever wrote them.

A word counts as protein-changing where it means one of the nine classes of the GDC's MAFs (missense, nonsense, nonstop, frame-shift and
in-frame insertion and deletion, splice site, translation start site). Which of the Sequence Ontology's terms do is taken from vcf2maf, with
which such MAFs are made, so that a call in VEP's words and the same call in a MAF's are one answer. Sources:

- MAF: https://docs.gdc.cancer.gov/Data/File_Formats/MAF_Format/
- Ensembl VEP: https://www.ensembl.org/info/genome/variation/prediction/predicted_data.html; vcf2maf: https://github.com/mskcc/vcf2maf
- Oncotator and Funcotator (start and stop codons, de novo starts): https://gatk.broadinstitute.org/hc/en-us/articles/360035889931
- ANNOVAR: https://annovar.openbioinformatics.org/en/latest/user-guide/gene/; snpEff's Sequence Ontology terms: https://pcingola.github.io/SnpEff/
"""

import re

from pathfm.sources.columns import squash

SIZES = ("snp", "dnp", "tnp", "onp", "mnp", "snv", "ins", "del", "indel", "sub")

CHANGING = frozenset(
    map(
        squash,
        (
            *"Missense_Mutation Nonsense_Mutation Nonstop_Mutation Frame_Shift_Del Frame_Shift_Ins In_Frame_Del In_Frame_Ins".split(),
            *"Splice_Site Translation_Start_Site".split(),
            # Oncotator, Funcotator, old Firehose
            *(f"{place}_{size}" for place in ("Start_Codon", "Stop_Codon", "Splice_Site", "Frame_Shift", "In_Frame") for size in SIZES),
            *"De_novo_Start_InFrame De_novo_Start_OutOfFrame De_novo_Start_In_Frame De_novo_Start_Out_Frame De_novo_Start".split(),
            *"Missense Nonsense Nonstop Frameshift Inframe Splice Nonstart Start_Lost Stop_Lost Stop_Gained Truncating".split(),
            *"Read-through Readthrough Splice_Acceptor Splice_Donor Inframe_Deletion Inframe_Insertion In_Frame_Deletion".split(),
            *"In_Frame_Insertion Frameshift_Deletion Frameshift_Insertion Frameshift_Indel Inframe_Indel".split(),
            # Sequence Ontology
            *"transcript_ablation exon_loss_variant exon_loss splice_acceptor_variant splice_donor_variant splice_site_variant".split(),
            *"stop_gained frameshift_variant stop_lost start_lost initiator_codon_variant inframe_insertion inframe_deletion".split(),
            *"disruptive_inframe_insertion disruptive_inframe_deletion conservative_inframe_insertion".split(),
            *"conservative_inframe_deletion inframe_variant missense_variant conservative_missense_variant".split(),
            *"non_conservative_missense_variant rare_amino_acid_variant coding_sequence_variant protein_altering_variant".split(),
            *"frameshift_truncation frameshift_elongation terminator_codon_variant stop_gained_SNV".split(),
            # snpEff before it took the Sequence Ontology's terms
            *"NON_SYNONYMOUS_CODING CODON_CHANGE CODON_INSERTION CODON_DELETION CODON_CHANGE_PLUS_CODON_INSERTION".split(),
            *"CODON_CHANGE_PLUS_CODON_DELETION RARE_AMINO_ACID SPLICE_SITE_ACCEPTOR SPLICE_SITE_DONOR EXON_DELETED".split(),
            # ANNOVAR
            *("nonsynonymous SNV", "nonsynonymous", "stopgain", "stopgain SNV", "stoploss", "stoploss SNV", "startloss", "splicing"),
            *(f"{kind} {size}" for kind in ("frameshift", "nonframeshift") for size in ("insertion", "deletion", "substitution")),
            *("frameshift block substitution", "nonframeshift block substitution", "nonframeshift"),
        ),
    )
)

NOT_CHANGING = frozenset(
    map(
        squash,
        (
            *"Silent 3'UTR 5'UTR 3'Flank 5'Flank IGR Intron RNA lincRNA Splice_Region Targeted_Region Synonymous Intronic".split(),
            *"Synonymous_Mutation Silent_Mutation Non-coding_Transcript Noncoding Promoter Enhancer Upstream".split(),
            *"Downstream Intergenic miRNA Fusion Structural_Variant Amplification Exon_Variant Non_Coding_Transcript Gene_Variant".split(),
            # Sequence Ontology
            *"transcript_amplification feature_elongation feature_truncation splice_donor_5th_base_variant splice_region_variant".split(),
            *"splice_donor_region_variant splice_polypyrimidine_tract_variant incomplete_terminal_codon_variant".split(),
            *"start_retained_variant start_retained stop_retained_variant stop_retained synonymous_variant mature_miRNA_variant".split(),
            *"5_prime_UTR_variant 3_prime_UTR_variant 5_prime_UTR_premature_start_codon_gain_variant UTR_variant".split(),
            *"non_coding_transcript_exon_variant non_coding_exon_variant nc_transcript_variant intron_variant".split(),
            *"conserved_intron_variant NMD_transcript_variant non_coding_transcript_variant coding_transcript_variant".split(),
            *"upstream_gene_variant downstream_gene_variant TFBS_ablation TFBS_amplification TF_binding_site_variant".split(),
            *"regulatory_region_ablation regulatory_region_amplification regulatory_region_variant regulatory_region".split(),
            *"intergenic_variant intergenic_region conserved_intergenic_variant intragenic_variant intragenic".split(),
            *"transcript_variant gene_fusion bidirectional_gene_fusion exon_variant structural_interaction_variant".split(),
            # snpEff before it took the Sequence Ontology's terms
            *"SYNONYMOUS_CODING SYNONYMOUS_START SYNONYMOUS_STOP START_GAINED SPLICE_SITE_REGION UTR_3_PRIME UTR_5_PRIME".split(),
            # ANNOVAR
            *("synonymous SNV", "UTR3", "UTR5", "ncRNA", "ncRNA_exonic", "ncRNA_intronic", "ncRNA_splicing", "ncRNA_UTR3", "ncRNA_UTR5"),
        ),
    )
)

COMPANIONS = frozenset(map(squash, ("exonic",)))  # says where, and stands beside a word that says what


def changes_protein(words: str | None) -> bool | None:
    """Whether a class changes the protein; None where no word of it is known, or where the known ones cannot say.

    Several words may be joined by `&`, `,`, `;`, `+`, `|` or `/` (VEP, snpEff, ANNOVAR); one that changes the protein is enough.
    """
    parts = [squash(part) for part in re.split(r"[&,;+|/]", words or "")]
    known = [part for part in parts if part and part not in COMPANIONS]
    if any(part in CHANGING for part in known):
        return True
    return False if known and all(part in NOT_CHANGING for part in known) else None

"""Classes of mutations in the words of MAF, VEP, Oncotator, Firehose, ANNOVAR and cBioPortal."""

import pytest

from pathfm.sources.consequences import changes_protein

# https://www.ensembl.org/info/genome/variation/prediction/predicted_data.html, with the class that vcf2maf makes of each
ENSEMBL = {
    "transcript_ablation": True,
    "splice_acceptor_variant": True,
    "splice_donor_variant": True,
    "stop_gained": True,
    "frameshift_variant": True,
    "stop_lost": True,
    "start_lost": True,
    "transcript_amplification": False,
    "feature_elongation": False,
    "feature_truncation": False,
    "inframe_insertion": True,
    "inframe_deletion": True,
    "missense_variant": True,
    "protein_altering_variant": True,
    "splice_donor_5th_base_variant": False,
    "splice_region_variant": False,
    "splice_donor_region_variant": False,
    "splice_polypyrimidine_tract_variant": False,
    "incomplete_terminal_codon_variant": False,
    "start_retained_variant": False,
    "stop_retained_variant": False,
    "synonymous_variant": False,
    "coding_sequence_variant": True,
    "mature_miRNA_variant": False,
    "5_prime_UTR_variant": False,
    "3_prime_UTR_variant": False,
    "non_coding_transcript_exon_variant": False,
    "intron_variant": False,
    "NMD_transcript_variant": False,
    "non_coding_transcript_variant": False,
    "coding_transcript_variant": False,
    "upstream_gene_variant": False,
    "downstream_gene_variant": False,
    "TFBS_ablation": False,
    "TFBS_amplification": False,
    "TF_binding_site_variant": False,
    "regulatory_region_ablation": False,
    "regulatory_region_amplification": False,
    "regulatory_region_variant": False,
    "intergenic_variant": False,
}
CHANGING = (
    *"Missense_Mutation Nonsense_Mutation Nonstop_Mutation Frame_Shift_Del Frame_Shift_Ins In_Frame_Del In_Frame_Ins Splice_Site".split(),
    *"Translation_Start_Site Start_Codon_SNP Start_Codon_DNP Start_Codon_Ins Start_Codon_Del Stop_Codon_Ins Stop_Codon_Del".split(),
    *"De_novo_Start_OutOfFrame De_novo_Start_InFrame Splice_Site_SNP Splice_Site_Ins Splice_Site_Del Splice_Site_DNP".split(),
    *("nonsynonymous SNV", "stopgain", "stoploss", "startloss", "frameshift deletion", "nonframeshift insertion", "splicing"),
    *(
        "exonic;splicing",
        "Missense",
        "Truncating",
        "NON_SYNONYMOUS_CODING",
        "SPLICE_SITE_DONOR",
        "FRAME_SHIFT_DEL",
        "initiator_codon_variant",
    ),
)
NOT_CHANGING = (
    *"Silent Intron RNA lincRNA IGR Splice_Region Targeted_Region 3'UTR 5'UTR 3'Flank 5'Flank Fusion".split(),
    *("synonymous SNV", "UTR3", "UTR5;UTR3", "ncRNA_exonic", "intronic", "upstream;downstream", "intergenic"),
)
UNKNOWN = ("COULD_NOT_DETERMINE", "exonic", "Mutation", "8140/3", "TCGA-A7-A0D1", "", None, "&", "intron_variant&who_knows")


@pytest.mark.parametrize("spelt", [str, str.upper, str.lower, lambda word: f" {word} ", lambda word: word.replace("_", " ")])
def test_words_mean_what_they_mean_in_any_case(spelt):
    for word, meaning in {**ENSEMBL, **dict.fromkeys(CHANGING, True), **dict.fromkeys(NOT_CHANGING, False)}.items():
        assert changes_protein(spelt(word)) is meaning, word


def test_words_that_say_nothing():
    assert [changes_protein(word) for word in UNKNOWN] == [None] * len(UNKNOWN)


@pytest.mark.parametrize("sign", ["&", ",", ";", "+", " & "])
def test_of_joined_words_one_that_changes_the_protein_is_enough(sign):
    assert changes_protein(sign.join(("missense_variant", "splice_region_variant"))) is True
    assert changes_protein(sign.join(("who_knows", "stop_gained"))) is True
    assert changes_protein(sign.join(("splice_region_variant", "intron_variant", "NMD_transcript_variant"))) is False

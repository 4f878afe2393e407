#!/usr/bin/env bash
# tools/real_smoke.sh [SHARED_DATA] [OUT]: the whole way on small real files, by the commands that a user runs; a few minutes on two cores.
# It shows that every part takes real input. Its scores mean nothing: who has which picture, profile and label is invented.
# Stopped and started again, it goes on.
set -euo pipefail

shared=$(realpath "${1:-$(dirname "$0")/../../shared/data}")
out=$(realpath -m "${2:-runs/real_smoke}")
cd "$(dirname "$0")/.."
input=$out/input
cohort=$out/cohort
started=$SECONDS
number=0
mkdir -p "$out"

announce() {
  number=$((number + 1))
  echo "[$number, $((SECONDS - started)) s] $*" >&2
}

fail() {
  echo "real smoke: $*" >&2
  exit 1
}

step() {
  announce "$@"
  "$@"
}

# ends CODE WORDS COMMAND…: the command must end with this exit code and say these words.
ends() {
  local expected=$1 words=$2 code=0
  shift 2
  announce "$@"
  "$@" >"$out/said.txt" 2>&1 || code=$?
  cat "$out/said.txt" >&2
  [[ $code -eq $expected ]] || fail "exit code $code instead of $expected"
  grep -qF "$words" "$out/said.txt" || fail "it did not say: $words"
  ! grep -qF Traceback "$out/said.txt" || fail "it ended in a traceback"
}

# The real files as they are.
original=$out/original
mkdir -p "$original/rna"
printf 'slide,mpp\nTCGA-CR-7395-01A-01-TS1,0.5\n' >"$original/mpp.csv"
printf 'slide,patient,sample,site\nCMU-1-Small-Region,CMU-1,,CMU\n' >"$original/owners.csv"
ends 0 "TCGA-CR-7395-01A-01-TS1.svs: no mpp" pathfm tile "$shared/wsi" --cohort "$out/without-override" --slides-table "$original/owners.csv"
ends 0 "broken.svs: cannot be opened" pathfm tile "$shared/wsi" --cohort "$original" --slides-table "$original/owners.csv" \
  --mpp-override "$original/mpp.csv"
ends 2 "broken.svs: cannot be opened" pathfm tile "$shared/wsi/broken.svs" --cohort "$out/broken"

expression() {
  pathfm expression "$original/rna" --sheet "$shared/gdc/$1" --cohort "$original"
}
name=94027f46-390c-4dda-ab89-cb1ac0a291cd.rna_seq.augmented_star_gene_counts
cp -f "$shared/rna/$name.EXCERPT.tsv" "$original/rna/$name.tsv"
ends 0 "row without a file: 1,230" expression brca_star_metadata.repository.2026-07-09.json.gz
ends 2 "legacy: 50" expression scidat_gdc_sample_sheet.2020-04-16.tsv
ends 2 "lists none" expression coad_slides_gdc_sample_sheet.tsv
ends 0 "tp53: mutant" pathfm labels --maf "$shared/maf/maftools_tcga_laml.maf.gz" --cohort "$original" \
  --clinical "$shared"/gdc/{coad_clinical.csv,scidat_clinical.tsv} "$shared/reports/tcga_patient_to_cancer_type.csv"

# A cohort of real pixels, profiles and calls under invented barcodes.
step python tools/real_cohort.py "$shared" "$input"
step pathfm tile "$input/slides" --cohort "$cohort" --tile 96
step pathfm expression "$input/rna" --sheet "$input/gdc_sample_sheet.tsv" --cohort "$cohort"
step pathfm labels --clinical "$input/clinical.tsv" --maf "$input/mutations.maf" --cohort "$cohort"
step pathfm cohort --cohort "$cohort" --fractions 0.5,0.16,0.34

few=(--config.cohort="$cohort" --config.batch=16 --config.train_for="4 steps" --config.evaluate_every="2 steps" --config.log_every="1 steps"
  --config.select=last)
tuned=("${few[@]}" --config.init="$out/base" --config.tiles=2 --config.panel=hvg:500)
step python -m pathfm.train --config configs/views.py "${few[@]}" --config.model=demo --workdir "$out/base"
step python -m pathfm.train --config configs/direct.py "${tuned[@]}" --workdir "$out/direct"
step python -m pathfm.train --config configs/contrastive.py "${tuned[@]}" --config.objective.projection=64 --config.objective.hidden=128 \
  --workdir "$out/contrastive"

evaluation=(--config configs/evaluate.py --config.cohort="$cohort" --config.smoke=True --config.batch=16 --config.permutations=20)
step python -m pathfm.evaluate "${evaluation[@]}" --config.checkpoint="$out/base" --config.panel="$out/direct" --workdir "$out/evaluate-base"
step python -m pathfm.evaluate "${evaluation[@]}" --config.checkpoint="$out/direct" --workdir "$out/evaluate-direct"
step python -m pathfm.evaluate "${evaluation[@]}" --config.checkpoint="$out/contrastive" --workdir "$out/evaluate-contrastive"
step pathfm report "$out"/evaluate-{base,direct,contrastive} --out "$out/report"
step pathfm export --checkpoint "$out/contrastive" --out "$out/contrastive.safetensors"

for file in report/{table.md,table.tex,table.csv,report.html} contrastive.{safetensors,json}; do
  [[ -s $out/$file ]] || fail "$out/$file is missing or empty"
done
grep -qi smoke "$out/report/table.md" || fail "the table does not say that its scores are a smoke test's"
! grep -q "TCGA-0[A-F]-" "$out/report"/* "$out/contrastive.json" || fail "a patient's id has left the run folders"
echo "real smoke: done in $((SECONDS - started)) s; every part took real input, and $out/report/table.md holds scores that mean nothing" >&2

#!/usr/bin/env bash
# The whole way on the planted demo cohort, by the same commands that a user runs. Stopped and started again, it goes on.
set -euo pipefail

out=${1:-runs/demo}
patients=${2:-400}
seed=${3:-0}
world=$out/world
cohort=$out/cohort
benchmarks=$out/benchmarks
started=$SECONDS
number=0
total=20

step() {
  number=$((number + 1))
  echo "[$number/$total, $((SECONDS - started)) s] $*" >&2
  "$@"
}

# Sized for two CPU cores: a small tower, few steps. configs/ holds the settings for real cohorts.
short=(--config.seed="$seed" --config.batch=64 --config.evaluate_every="10 %" --config.log_every="10 %" --config.optimizer.learning_rate=1e-3
  --config.optimizer.b2=0.99 --config.optimizer.warmup="10 %" --config.augment.stain=0.2 --config.augment.brightness=0.2 --config.augment.crop=0.0)
tuned=("${short[@]}" --config.init="$out/base" --config.tiles=2 --config.train_for="180 steps"
  --config.optimizer.layer_decay=1.0)

step pathfm demo --out "$world" --patients "$patients" --seed "$seed"
step pathfm tile "$world/slides" --cohort "$cohort" --tile 96
step pathfm expression "$world/rna" --sheet "$world/metadata.json" --cohort "$cohort"
step pathfm vectors "$world/report_embeddings.npy" --name text --cohort "$cohort"
step pathfm labels --clinical "$world/clinical.tsv" --maf "$world/mutations.maf" --cohort "$cohort"
step pathfm cohort --cohort "$cohort" --fractions 0.44,0.12,0.44

step python -m pathfm.train --config configs/views.py --config.cohort="$cohort" --config.model=demo "${short[@]}" \
  --config.train_for="150 steps" --workdir "$out/base"
step python -m pathfm.train --config configs/direct.py --config.cohort="$cohort" "${tuned[@]}" --workdir "$out/direct"
step python -m pathfm.train --config configs/direct.py --config.cohort="$cohort" "${tuned[@]}" --config.pairing=permuted \
  --config.select=last --workdir "$out/permuted"
step python -m pathfm.train --config configs/contrastive.py --config.cohort="$cohort" "${tuned[@]}" \
  --config.objective.projection=32 --config.objective.hidden=64 --config.objective.temperature=0.1 --workdir "$out/contrastive"

evaluation=(--config configs/evaluate.py --config.batch=64 --config.cohort="$cohort")
for name in bach pcam mhist crc_msi; do  # fewer and smaller images than published, so each is a subset
  step pathfm benchmarks prepare "$name" "$world/$name" --out "$benchmarks" --subset
  evaluation+=("--config.benchmarks.$name=$benchmarks")
done
step python -m pathfm.evaluate "${evaluation[@]}" --config.checkpoint="$out/base" --config.panel="$out/direct" --workdir "$out/evaluate-base"
step python -m pathfm.evaluate "${evaluation[@]}" --config.checkpoint="$out/direct" --workdir "$out/evaluate-direct"
step python -m pathfm.evaluate "${evaluation[@]}" --config.checkpoint="$out/permuted" --workdir "$out/evaluate-permuted"
step python -m pathfm.evaluate "${evaluation[@]}" --config.checkpoint="$out/contrastive" --workdir "$out/evaluate-contrastive"

step pathfm report "$out"/evaluate-{base,direct,contrastive,permuted} --out "$out"
step pathfm export --checkpoint "$out/contrastive" --out "$out/contrastive.safetensors"
echo "[done, $((SECONDS - started)) s] $out/report.html and $out/table.md" >&2

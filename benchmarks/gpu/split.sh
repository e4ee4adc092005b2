#!/usr/bin/env bash
# The folder WORK/wheels as OUT/part-NN/piece of at most SIZE each, every part with all their sums:
#     split.sh WORK OUT SIZE
set -euo pipefail
work=${1:?} out=${2:?} size=${3:?}
mkdir -p "$out"
rm -rf "$out"/part-*
tar -C "$work" -cf - wheels | split --bytes="$size" --numeric-suffixes - "$out/piece-"
for piece in "$out"/piece-*; do
  part="$out/part-${piece##*-}"
  mkdir "$part"
  mv "$piece" "$part/piece"
done
(cd "$out" && sha256sum part-*/piece) >"$out/sums"
for part in "$out"/part-*; do cp "$out/sums" "$part/sha256sums"; done
rm "$out/sums"

#!/usr/bin/env bash
# Join what pack.sh made and install it beside what this Python has, without any registry:
#     benchmarks/gpu/unpack.sh build/gpu-pack build/same-gpu    # again for every part that arrives
#     PYTHONPATH=build/same-gpu/site python benchmarks/gpu/measure_gpu.py
# Parts that came earlier are kept, so they may arrive one at a time and be gone afterwards.
set -euo pipefail
pack=${1:?folder with part-*} into=${2:?folder to install into} python=${3:-python3}
mkdir -p "$into/parts"
for part in "$pack"/part-*; do
  cp -r "$part" "$into/parts/"
done
sums=$(ls "$into"/parts/part-*/sha256sums | head -n 1)
missing=$(awk '{print $2}' "$sums" | while read -r piece; do
  [ -f "$into/parts/$piece" ] || echo "$piece"
done)
if [ -n "$missing" ]; then
  echo "still to come:" $missing
  exit 0
fi
(cd "$into/parts" && sha256sum --quiet --check "${sums#"$into/parts/"}")
cat "$into"/parts/part-*/piece | tar -C "$into" -xf -
"$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade \
  --target "$into/site" "$into"/wheels/*.whl
echo "installed; now: PYTHONPATH=$into/site $python benchmarks/gpu/measure_gpu.py"

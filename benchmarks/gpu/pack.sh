#!/usr/bin/env bash
# Pack what measure_gpu.py needs for a GPU machine that reaches no package registry, in parts small
# enough to be carried one by one. Run it where there is a registry and the same kind of Linux:
#     benchmarks/gpu/pack.sh build/gpu-pack 18 python3.12 [more packages]
# `unpack.sh` joins them there. That machine's Python must have PyTorch with CUDA already.
set -euo pipefail
out=${1:?folder to write} part_mib=${2:-18} python=${3:-python3} more=("${@:4}")
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Whatever a PyTorch installation brings along is not packed.
needed=(cuda-bindings cuda-core cuda-pathfinder docstring-parser lz4 mcap tensorrt-rtx
  tensorrt-rtx-cu13 tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs typeguard tyro zstandard)
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/wheels" \
  --constraint "$root/constraints.txt" "${needed[@]}" ${more[@]+"${more[@]}"}
# The compiled core has to be of that machine's Python. Its recordings are not needed.
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/wheels" \
  --config-settings 'wheel.exclude=**/demo_data/**' "$root"

"$root/benchmarks/gpu/split.sh" "$work" "$out" "${part_mib}M"
ls -l "$work/wheels" | awk 'NR > 1 {printf "%6.1f MB  %s\n", $5 / 1e6, $9}'
du -csh "$out"/part-*

#!/usr/bin/env bash
# Unpack TensorRT's public headers for building the native plugin in tests, where no TensorRT SDK
# is installed. The archive is pinned by its hash, only unzipped and never imported.
set -euo pipefail
pip=$1 out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "kernel-lens==2.0.1 \
--hash=sha256:07cc714e8b5e7f34b672f7c7fad93febe7c747be5837ba276b1527370134ffe0" > "$work/pinned.txt"
"$pip" download --quiet --no-deps --require-hashes --only-binary=:all: \
  --requirement "$work/pinned.txt" --dest "$work"
mkdir -p "$out"
unzip -qo -j "$work"/*.whl '*/NvInfer*.h' -d "$out"

#!/usr/bin/env bash
# Brings the NVML clients that Debian has, for `npm run test:clients`. As root; what is there stays.
#   nvtop   installed, with tmux for a terminal
#   pynvml  unpacked into .cache/clients and not installed: its package wants NVIDIA's own library,
#           which has no business where NVML is simulated
set -euo pipefail
cd "$(dirname "$0")/.."
say() {
  echo "install-clients: $*" >&2
  exit 1
}

install=()
for client in nvtop tmux python3; do
  command -v "$client" >/dev/null || install+=("$client")
done
clients=$PWD/.cache/clients
pynvml=$clients/usr/lib/python3/dist-packages/pynvml.py
[ ${#install[@]} -gt 0 ] || [ ! -e "$pynvml" ] || exit 0

command -v apt-get >/dev/null || say 'this is no Debian; get nvtop, tmux and a python3 with nvidia-ml-py in your own way'
[ "$(id -u)" = 0 ] || say 'run it as root'
# Both clients are in contrib, a component that not every machine asks its sources for.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] && grep -qi debian "$file" || continue
  sed -Ei '/^(deb |Components:)/{/\bcontrib\b/!s/\bmain\b/main contrib/}' "$file"
done
apt-get update -qq
apt-cache show nvtop python3-pynvml >/dev/null || say 'no source in /etc/apt has them'

if [ ${#install[@]} -gt 0 ]; then
  command=(apt-get install -y -qq --no-install-recommends "${install[@]}")
  if "${command[@]}" --simulate | grep -E '^Inst [^ ]*(nvidia|cuda)'; then say "it would bring NVIDIA's own packages"; fi
  DEBIAN_FRONTEND=noninteractive "${command[@]}"
fi
if [ ! -e "$pynvml" ]; then
  download=$(mktemp -d)
  trap 'rm -rf "$download"' EXIT
  (cd "$download" && apt-get download -qq -o APT::Sandbox::User=root python3-pynvml)
  mkdir -p "$clients"
  dpkg -x "$download"/python3-pynvml_*.deb "$clients"
fi

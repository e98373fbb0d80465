#!/bin/sh
# Installs what the tests of containers need, on Debian as root: Podman with runc, and debootstrap for the stand-ins.
set -eu
missing=
for program in podman buildah runc debootstrap iptables /usr/lib/podman/netavark /usr/lib/podman/aardvark-dns /usr/bin/catatonit; do
    command -v "$program" >/dev/null || missing=1
done
[ -z "$missing" ] && exit 0
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    podman buildah runc netavark aardvark-dns iptables iproute2 catatonit debootstrap

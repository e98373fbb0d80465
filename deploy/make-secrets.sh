#!/bin/sh
# Makes .env beside this file, with random secrets that compose.yaml takes from it; those that are there stay.
set -eu
umask 077
cd "$(dirname "$0")"
touch .env
chmod 600 .env

for name in $(sed -n 's/.*\${\([A-Z_]*\):?.*/\1/p' compose.yaml | sort -u); do
    grep -q "^$name=" .env || echo "$name=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >> .env
done

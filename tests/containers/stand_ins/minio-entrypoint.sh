#!/bin/sh
# As the publisher's: options without a program are for `minio`.
[ "$1" = minio ] || set -- minio "$@"
exec "$@"

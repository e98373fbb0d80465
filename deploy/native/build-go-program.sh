#!/bin/sh
# Builds Loki or Jaeger, which have no Debian packages:   build-go-program.sh loki|jaeger
# `go install` refuses both, since their modules replace others; so each is built from a module of its own that takes
# over their go.mod whole. Jaeger is built without its pages, which are not part of its module; its API and Grafana
# show traces.
set -eu

PREFIX=${PREFIX:-$([ "$(id -u)" = 0 ] && echo /usr/local || echo "$HOME/.local")}

case ${1:-} in
loki) MODULE=github.com/grafana/loki/v3 VERSION=${LOKI_VERSION:-v3.7.8} PACKAGE=cmd/loki VARIABLE=pkg/util/build.Version ;;
jaeger) MODULE=github.com/jaegertracing/jaeger VERSION=${JAEGER_VERSION:-v1.76.0} PACKAGE=cmd/jaeger VARIABLE=internal/version.latestVersion ;;
*)
    echo "usage: $0 loki|jaeger" >&2
    exit 2
    ;;
esac

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$WORK"
go mod download "$MODULE@$VERSION"
SOURCE=$(go env GOMODCACHE)/$(printf %s "$MODULE" | sed 's/[A-Z]/!&/g')@$VERSION
cp "$SOURCE/go.mod" "$SOURCE/go.sum" .
chmod u+w go.mod go.sum
sed -i 's#^module .*#module build#; /^ignore /d' go.mod
# A replacement by a folder of the module is a module of its own, published at the same version.
sed -i '/^replace .* => \.\//d' go.mod
go mod edit -require="$MODULE@$VERSION"
mkdir -p "$PREFIX/bin"
GOFLAGS="-mod=mod" go build -ldflags "-X $MODULE/$VARIABLE=${VERSION#v}" -o "$PREFIX/bin/$1" "$MODULE/$PACKAGE"
echo "$PREFIX/bin/$1"

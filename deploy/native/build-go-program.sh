#!/bin/sh
# Builds a program that has no Debian package:   build-go-program.sh loki|jaeger|helm|kube-apiserver
# The first two are services of `taxi stack`; the others check the chart of deploy/helm. `go install` refuses some, since
# their modules replace others; so each is built from a module of its own that takes over their go.mod whole. Jaeger is
# built without its pages, which are not part of its module; its API and Grafana show traces.
set -eu

PREFIX=${PREFIX:-$([ "$(id -u)" = 0 ] && echo /usr/local || echo "$HOME/.local")}
FLAGS=
PREFIXED=

case ${1:-} in
loki) MODULE=github.com/grafana/loki/v3 VERSION=${LOKI_VERSION:-v3.7.8} PACKAGE=cmd/loki VARIABLE=pkg/util/build.Version ;;
jaeger) MODULE=github.com/jaegertracing/jaeger VERSION=${JAEGER_VERSION:-v1.76.0} PACKAGE=cmd/jaeger VARIABLE=internal/version.latestVersion ;;
helm) MODULE=helm.sh/helm/v4 VERSION=${HELM_VERSION:-v4.3.1} PACKAGE=cmd/helm VARIABLE=internal/version.version PREFIXED=v ;;
kube-apiserver)
    MODULE=k8s.io/kubernetes VERSION=${KUBERNETES_VERSION:-v1.37.2} PACKAGE=cmd/kube-apiserver VARIABLE=
    for variable in gitVersion=$VERSION gitMajor=1 gitMinor="$(echo "$VERSION" | cut -d. -f2)"; do
        FLAGS="$FLAGS -X k8s.io/component-base/version.$variable"
    done
    ;;
*)
    echo "usage: $0 loki|jaeger|helm|kube-apiserver" >&2
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
sed -i '/^replace .* => \.\//d; /^\t.* => \.\//d' go.mod
# Kubernetes publishes these as v0 of its own minor version.
sed -i "s#^\(\tk8s.io/[a-z-]*\) v0.0.0\$#\1 v0.${VERSION#v1.}#" go.mod
go mod edit -require="$MODULE@$VERSION"
mkdir -p "$PREFIX/bin"
GOFLAGS="-mod=mod" go build -ldflags "-s -w -X $MODULE/$VARIABLE=$PREFIXED${VERSION#v} $FLAGS" -o "$PREFIX/bin/$1" "$MODULE/$PACKAGE"
echo "$PREFIX/bin/$1"

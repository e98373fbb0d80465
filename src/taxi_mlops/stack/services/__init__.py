"""The registry of services. To add one, add a module here, and a line below."""

from taxi_mlops.stack.service import Service
from taxi_mlops.stack.services.alertmanager import Alertmanager
from taxi_mlops.stack.services.dask import DaskScheduler, DaskWorkers
from taxi_mlops.stack.services.etcd import MEMBERS, Etcd
from taxi_mlops.stack.services.exporters import (
    NodeExporter,
    PlatformExporter,
    PostgresExporter,
    ProcessExporter,
    RedisExporter,
)
from taxi_mlops.stack.services.jaeger import Jaeger
from taxi_mlops.stack.services.loki import Loki
from taxi_mlops.stack.services.mlflow import Mlflow
from taxi_mlops.stack.services.object_store import ObjectStore
from taxi_mlops.stack.services.patroni import NODES, Patroni, ReplicatedPostgresql
from taxi_mlops.stack.services.postgresql import Postgresql
from taxi_mlops.stack.services.prefect import PrefectServer, PrefectWorker
from taxi_mlops.stack.services.prometheus import Prometheus
from taxi_mlops.stack.services.pushgateway import Pushgateway
from taxi_mlops.stack.services.ray import Ray
from taxi_mlops.stack.services.redis import Redis
from taxi_mlops.stack.services.replicas import (
    MLFLOW_SERVERS,
    PREFECT_SERVERS,
    BalancedMlflow,
    BalancedPrefectServer,
    MlflowReplica,
    PrefectBackground,
    PrefectServerReplica,
)

SERVICES: tuple[Service, ...] = (
    Postgresql(),
    Redis(),
    ObjectStore(),
    PrefectServer(),
    PrefectWorker(),
    Mlflow(),
    Pushgateway(),
    Loki(),
    Jaeger(),
    Alertmanager(),
    NodeExporter(),
    ProcessExporter(),
    PostgresExporter(),
    RedisExporter(),
    PlatformExporter(),
    DaskScheduler(),
    DaskWorkers(),
    Ray(),
    Prometheus(),
)

_REPLICATED: dict[str, tuple[Service, ...]] = {
    Postgresql.name: (*map(Etcd, MEMBERS), *map(Patroni, NODES), ReplicatedPostgresql()),
    PrefectServer.name: (
        *map(PrefectServerReplica, PREFECT_SERVERS),
        PrefectBackground(),
        BalancedPrefectServer(),
    ),
    Mlflow.name: (*map(MlflowReplica, MLFLOW_SERVERS), BalancedMlflow()),
}

PROFILES: dict[str, tuple[Service, ...]] = {
    "single": SERVICES,
    "production": tuple(each for service in SERVICES for each in _REPLICATED.get(service.name, (service,))),
}
"""The services of each profile. In `production`, one that ends is replaced by another, under the same address."""

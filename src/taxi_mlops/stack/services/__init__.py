"""The registry of services. To add one, add a module here, and a line below."""

from taxi_mlops.stack.service import Service
from taxi_mlops.stack.services.alertmanager import Alertmanager
from taxi_mlops.stack.services.dask import DaskScheduler, DaskWorkers
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
from taxi_mlops.stack.services.postgresql import Postgresql
from taxi_mlops.stack.services.prefect import PrefectServer, PrefectWorker
from taxi_mlops.stack.services.prometheus import Prometheus
from taxi_mlops.stack.services.pushgateway import Pushgateway
from taxi_mlops.stack.services.ray import Ray
from taxi_mlops.stack.services.redis import Redis

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

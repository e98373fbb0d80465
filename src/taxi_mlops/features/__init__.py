"""Features of hotspots and trips: their definitions, the build from trips, and the offline and online stores."""

from taxi_mlops.features.build import BuildOptions, Built, Version, build
from taxi_mlops.features.definitions import FEATURES, Feature
from taxi_mlops.features.frame import training_frame, values_at
from taxi_mlops.features.online import Materialized, materialize, online_values, open_online
from taxi_mlops.features.trips import TripTimeColumns
from taxi_mlops.features.values import FeatureValues

__all__ = [
    "FEATURES",
    "BuildOptions",
    "Built",
    "Feature",
    "FeatureValues",
    "Materialized",
    "TripTimeColumns",
    "Version",
    "build",
    "materialize",
    "online_values",
    "open_online",
    "training_frame",
    "values_at",
]

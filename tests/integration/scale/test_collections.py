"""Dask DataFrames and Ray Datasets get the labels of memory, on the cluster of their owner."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import taxi_mlops as taxi
from haversine_dbscan import GridDBSCAN
from taxi_mlops.errors import DataError, UnknownParameterError, UsageError
from taxi_mlops.scale import partitions
from taxi_mlops.scale.clusters import start
from taxi_mlops.testing.cases import around
from taxi_mlops.trials.clusterings import canonical_labels

pd = pytest.importorskip("pandas")
EPS = 50.0


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Dozens of tiles, smaller than their halos."""

    def cutting(eps, min_samples, slots, threads):
        return partitions.Cutting(eps, min_samples, slots, threads, smallest_tile=12, smallest_gain=1.1)

    monkeypatch.setattr("taxi_mlops.api.collections.Cutting", cutting)


def trips(n, seed=0):
    """A random walk as a frame whose index says nothing; two rows have no coordinates."""
    random = np.random.default_rng(seed)
    metres = np.cumsum(random.normal(0.0, 0.5 * EPS, (n, 2)), axis=0)
    points = around(metres[:, 0], metres[:, 1])
    frame = pd.DataFrame(
        {"fare": np.arange(n, dtype=np.float64), "lat": points.latitude, "lon": points.longitude},
        index=random.integers(0, 9, n),
    )
    frame.loc[frame["fare"].isin([3.0, 40.0]), "lat"] = np.nan
    return frame


def assert_labelled(found, frame, min_samples=4):
    """All rows in their order, with the clusters of `GridDBSCAN`, numbered as `taxi.cluster` does."""
    np.testing.assert_array_equal(found["fare"], frame["fare"])
    assert (found["label"].dtype, found["core"].dtype) == (np.int32, np.bool_)
    here = frame["lat"].notna().to_numpy()
    model = GridDBSCAN(eps=EPS, min_samples=min_samples).fit(frame.loc[here, ["lat", "lon"]].to_numpy())
    core = np.zeros(here.sum(), dtype=np.bool_)
    core[model.core_sample_indices_] = True
    np.testing.assert_array_equal(found["label"].to_numpy()[here], canonical_labels(model.labels_))
    np.testing.assert_array_equal(found["core"].to_numpy()[here], core)
    assert (found["label"].to_numpy()[~here] == -1).all()


class TestDask:
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def in_this_thread(cls):
        dask = pytest.importorskip("dask", reason="the extra dask is not installed")
        cls.dd = pytest.importorskip("dask.dataframe")
        with dask.config.set(scheduler="synchronous"):
            yield

    @settings(max_examples=8, deadline=None)
    @given(
        seed=st.integers(0, 99),
        n=st.integers(1, 90),
        cuts=st.lists(st.integers(0, 90), max_size=4).map(sorted),
        min_samples=st.integers(1, 6),
    )
    def test_labels_and_order(self, seed, n, cuts, min_samples):
        """Partitions of any size, empty ones among them; an index with the same values again and again."""
        frame = trips(n, seed)
        bounds = [0, *(min(cut, n) for cut in cuts), n]
        parts = [frame.iloc[begin:end] for begin, end in pairwise(bounds)]
        collection = self.dd.from_map(lambda part: part, parts, meta=frame.iloc[:0])
        found = taxi.cluster(collection, eps=EPS, min_samples=min_samples)
        assert found.npartitions == len(parts)
        assert list(found.map_partitions(len).compute()) == [len(part) for part in parts]
        answer = found.compute()
        pd.testing.assert_index_equal(answer.index, frame.index)
        assert_labelled(answer, frame, min_samples)

    def test_the_same_as_of_a_data_frame(self):
        frame = trips(200)
        found = taxi.cluster(self.dd.from_pandas(frame, npartitions=3, sort=False), eps=EPS, min_samples=4).compute()
        in_memory = taxi.cluster(frame, eps=EPS, min_samples=4, bbox=(-90, -180, 90, 180))
        np.testing.assert_array_equal(found["label"].to_numpy()[in_memory.trips.row], in_memory.labels)

    def test_nothing_is_computed_before_the_user_asks(self):
        read = []

        def load(part):
            read.append(part)
            return trips(50).assign(fare=np.arange(50.0) + 50 * part)

        collection = self.dd.from_map(load, [0, 1], meta=trips(1).iloc[:0])
        found = taxi.cluster(collection, eps=EPS, min_samples=4)
        assert found.columns.to_list() == ["fare", "lat", "lon", "label", "core"]
        assert not read
        assert found["label"].max().compute() >= 0
        assert read

    def test_divisions_and_named_columns_stay(self):
        frame = trips(60).rename(columns={"lat": "y0", "lon": "x0"}).reset_index(drop=True)
        collection = self.dd.from_pandas(frame, npartitions=3)
        found = taxi.cluster(collection, latitude="y0", longitude="x0", eps=EPS, min_samples=4)
        assert found.divisions == collection.divisions
        assert_labelled(found.compute().rename(columns={"y0": "lat", "x0": "lon"}), trips(60))
        again = taxi.cluster(collection, lat="y0", lon="x0", eps=EPS, min_samples=4)
        pd.testing.assert_frame_equal(found.compute(), again.compute())

    def test_on_the_processes_of_a_cluster(self):
        pytest.importorskip("distributed")
        frame = trips(120)
        found = taxi.cluster(self.dd.from_pandas(frame, npartitions=4, sort=False), eps=EPS, min_samples=4)
        with start("dask", 2, 2 * 10**9) as executor:
            assert_labelled(executor._client.compute(found).result(timeout=250), frame)

    def test_mistakes(self):
        collection = self.dd.from_pandas(trips(10), npartitions=1, sort=False)
        named = {"a Dask DataFrame: .*label": DataError, "'lat' holds": DataError}
        frames = [collection.assign(label=0), collection.assign(lat="north")]
        for frame, (message, kind) in zip(frames, named.items(), strict=True):
            with pytest.raises(kind, match=message):
                taxi.cluster(frame, eps=EPS)
        for wrong in ({"bbox": (0, 0, 1, 1)}, {"on": "dask"}, {"eps": "auto"}, {"adapter": "sklearn"}):
            with pytest.raises(UsageError, match=f"{next(iter(wrong))}.*is not for a Dask DataFrame"):
                taxi.cluster(collection, **wrong)
        with pytest.raises(UnknownParameterError, match="'epsilon'"):
            taxi.cluster(collection, epsilon=3)

    def test_an_input_that_changes_meanwhile(self):
        rows = iter([20, 19])
        collection = self.dd.from_map(lambda _: trips(next(rows)), [0], meta=trips(1).iloc[:0])
        with pytest.raises(DataError, match="a partition had 20 rows, and now has 19"):
            taxi.cluster(collection, eps=EPS).compute()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray Data, about itself
@pytest.mark.filterwarnings("ignore::FutureWarning")
class TestRay:
    @pytest.fixture(scope="class")
    @classmethod
    def ray(cls):
        pytest.importorskip("ray", reason="the extra ray is not installed")
        with start("ray", 2, 2 * 10**9):
            import ray.data

            yield ray

    @pytest.mark.parametrize("blocks", [1, 4])
    def test_labels_and_order(self, ray, blocks):
        frame = trips(150)
        dataset = ray.data.from_pandas([frame.iloc[rows] for rows in np.array_split(np.arange(150), blocks)])
        found = taxi.cluster(dataset, latitude="lat", longitude="lon", eps=EPS, min_samples=4)
        assert isinstance(found, ray.data.Dataset)
        assert found.columns() == ["fare", "lat", "lon", "label", "core"]
        assert list(map(str, found.schema().types))[-2:] == ["int32", "bool"]
        assert_labelled(found.to_pandas().astype({"label": np.int32, "core": np.bool_}), frame)

    def test_mistakes(self, ray):
        dataset = ray.data.from_pandas(trips(10))
        with pytest.raises(DataError, match=r"a Ray Dataset: .*'core' already"):
            taxi.cluster(dataset.add_column("core", lambda frame: frame["fare"] > 1), eps=EPS)
        with pytest.raises(UsageError, match="sample: is not for a Ray Dataset"):
            taxi.cluster(dataset, eps=EPS, sample=3)

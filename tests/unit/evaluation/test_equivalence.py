"""Equal clusterings are found equal, however they are numbered; each kind of mistake is found, and named."""

import dataclasses

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sklearn.metrics import adjusted_rand_score

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, great_circle_distance
from taxi_mlops.domain import NOISE, Clustering, Parameters, Points, Provenance
from taxi_mlops.evaluation.equivalence import Clause, Equivalence, Verdict, check_equivalence
from taxi_mlops.testing.oracle import brute_force_dbscan

DEGREE = np.pi / 180 * EARTH_RADIUS_METRES
PROVENANCE = Provenance(uri="memory:", schema="test", data_version="1", rows_read=0, rows_used=0)


def make_points(latitude, longitude, weight=None):
    return Points(np.asarray(latitude, float), np.asarray(longitude, float), weight, "0" * 64, PROVENANCE)


def on_a_line(*metres):
    """Points on the equator, at these distances from (0, 0)."""
    return make_points(np.zeros(len(metres)), np.array(metres) / DEGREE)


@st.composite
def clusterings(draw):
    """Points on a lattice (duplicates, touching clusters), parameters between its distances, and the truth."""
    offsets = draw(arrays.arrays(np.int64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(-8, 8)))
    latitude, longitude = draw(st.sampled_from([(-33.45, -70.66), (0.0, 180.0)]))
    weight = draw(st.none() | arrays.arrays(np.float64, len(offsets), elements=st.sampled_from([0.5, 1.0, 2.0])))
    longitudes = longitude + offsets[:, 1] * 10 / (DEGREE * np.cos(np.radians(latitude)))
    points = make_points(latitude + offsets[:, 0] * 10 / DEGREE, (longitudes + 180) % 360 - 180, weight)
    parameters = Parameters(draw(st.sampled_from([5.0, 10.1, 14.5, 20.1, 31.0])), draw(st.integers(1, 6)))
    truth = brute_force_dbscan(
        points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples, points.weight
    )
    return points, parameters, truth


def with_pile(points, parameters):
    """Add points in one place far away, which are a cluster whatever the parameters; return the truth of all."""
    pile = np.full(20, 1.0)
    points = make_points(np.append(points.latitude, pile), np.append(points.longitude, pile))
    return points, brute_force_dbscan(points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples)


def border_choices(points, parameters, truth, index):
    """The clusters that a border point may be put into."""
    distances = great_circle_distance(
        points.latitude[index], points.longitude[index], points.latitude, points.longitude
    )
    return np.unique(truth.labels[truth.core_mask & (distances <= parameters.eps_metres)])


@settings(max_examples=150, deadline=None)
@given(clusterings(), st.randoms(use_true_random=False), st.tuples(st.booleans(), st.booleans()))
def test_renumbered_clusters_and_other_valid_border_points_are_equal(case, random, reports):
    points, parameters, truth = case
    labels = truth.labels.copy()
    for index in np.flatnonzero(~truth.core_mask & (labels != NOISE)):
        labels[index] = random.choice(list(border_choices(points, parameters, truth, index)))
    numbers = list(range(3 * len(labels)))
    random.shuffle(numbers)
    renumbered = np.where(labels == NOISE, NOISE, np.array(numbers, dtype=np.int32)[labels])
    sides = [
        Clustering(side, truth.core_mask if report else None)
        for side, report in zip((truth.labels, renumbered.astype(np.int32)), reports, strict=True)
    ]
    result = check_equivalence(points, parameters, *sides)
    assert result.verdict is Verdict.EQUAL
    assert result.core_points_differing == (0 if all(reports) else None)
    assert (result.core_points_reason is None) == all(reports)
    assert (result.partition_differing, result.noise_differing, result.border_points_invalid) == (0, 0, 0)
    assert result.examples == ()


def differing(points, parameters, truth, labels=None, core_mask=None):
    """Check a changed clustering both ways round; both must come to the same counts."""
    changed = Clustering(
        truth.labels if labels is None else labels, truth.core_mask if core_mask is None else core_mask
    )
    result = check_equivalence(points, parameters, truth, changed)
    swapped = check_equivalence(points, parameters, changed, truth)
    assert result.verdict is Verdict.DIFFERENT
    assert swapped.verdict is Verdict.DIFFERENT
    for name in ("core_points_differing", "noise_differing", "border_points_invalid", "adjusted_rand_index"):
        assert getattr(result, name) == getattr(swapped, name)
    return result


@settings(max_examples=100, deadline=None)
@given(clusterings(), st.data())
def test_a_flipped_core_flag_is_found(case, data):
    points, parameters, truth = case
    index = data.draw(st.integers(0, len(points) - 1))
    core_mask = truth.core_mask.copy()
    core_mask[index] ^= True
    result = differing(points, parameters, truth, core_mask=core_mask)
    assert result.core_points_differing == 1
    assert result.examples[0].clause is Clause.CORE_POINTS
    assert result.examples[0].index == index
    assert not result.examples[0].within_rounding


@settings(max_examples=100, deadline=None)
@given(clusterings(), st.data())
def test_a_split_cluster_is_found(case, data):
    points, parameters, truth = case
    sizes = np.bincount(truth.labels[truth.core_mask], minlength=1)
    assume(sizes.max() >= 2)
    members = np.flatnonzero(truth.core_mask & (truth.labels == np.argmax(sizes)))
    part = data.draw(st.integers(1, len(members) - 1))
    labels = truth.labels.copy()
    labels[members[:part]] = truth.labels.max() + 1
    result = differing(points, parameters, truth, labels=labels)
    assert result.partition_differing == min(part, len(members) - part)
    assert (result.core_points_differing, result.noise_differing) == (0, 0)


@settings(max_examples=100, deadline=None)
@given(clusterings())
def test_merged_clusters_are_found(case):
    points, parameters, _ = case
    points, truth = with_pile(points, parameters)
    last = truth.labels.max()
    assume(last >= 1)
    labels = np.where(truth.labels == last, 0, truth.labels).astype(np.int32)
    result = differing(points, parameters, truth, labels=labels)
    sizes = np.bincount(truth.labels[truth.core_mask])
    assert result.partition_differing == min(sizes[0], sizes[last])
    assert (result.core_points_differing, result.noise_differing, result.border_points_invalid) == (0, 0, 0)


@settings(max_examples=100, deadline=None)
@given(clusterings(), st.data())
def test_clustered_points_called_noise_are_found(case, data):
    points, parameters, truth = case
    clustered = np.flatnonzero(truth.labels != NOISE)
    assume(len(clustered))
    index = data.draw(st.sampled_from(clustered.tolist()))
    labels = truth.labels.copy()
    labels[index] = NOISE
    assert differing(points, parameters, truth, labels=labels).noise_differing == 1


@settings(max_examples=100, deadline=None)
@given(clusterings(), st.data())
def test_noise_in_a_cluster_is_found(case, data):
    points, parameters, truth = case
    noise = np.flatnonzero(truth.labels == NOISE)
    assume(len(noise))
    index = data.draw(st.sampled_from(noise.tolist()))
    labels = truth.labels.copy()
    labels[index] = data.draw(st.integers(0, int(truth.labels.max()) + 1))
    result = differing(points, parameters, truth, labels=labels)
    assert result.noise_differing == 1
    assert result.border_points_invalid == 1


@settings(max_examples=100, deadline=None)
@given(clusterings(), st.data())
def test_a_border_point_in_a_wrong_cluster_is_found(case, data):
    points, parameters, _ = case
    parameters = dataclasses.replace(parameters, min_samples=max(3, parameters.min_samples))
    # A pile just too small, a point that makes it core, and one beyond that only the point reaches.
    steps = np.append(np.zeros(parameters.min_samples - 1), [0.9, 1.8]) * parameters.eps_metres / DEGREE
    points, truth = with_pile(
        make_points(np.append(points.latitude, 2 + steps), np.append(points.longitude, 0 * steps)), parameters
    )
    border = np.flatnonzero(~truth.core_mask & (truth.labels != NOISE))
    index = data.draw(st.sampled_from(border.tolist()))
    labels = truth.labels.copy()
    labels[index] = labels[-1]
    result = differing(points, parameters, truth, labels=labels)
    assert result.border_points_invalid == 1
    assert (result.core_points_differing, result.partition_differing, result.noise_differing) == (0, 0, 0)
    assert [(example.clause, example.index) for example in result.examples] == [(Clause.BORDER_POINTS, index)]


def test_a_pair_at_eps_may_fall_on_either_side():
    points = on_a_line(0, 50, 150, 200)
    parameters = Parameters(float(great_circle_distance(0, 50 / DEGREE, 0, 150 / DEGREE)), 2)
    together = Clustering(np.zeros(4, np.int32), np.ones(4, bool))
    apart = Clustering(np.array([0, 0, 1, 1], np.int32), np.ones(4, bool))
    result = check_equivalence(points, parameters, together, apart)
    assert result.verdict is Verdict.EQUAL_WITHIN_ROUNDING
    assert result.partition_differing == 2
    assert [example.within_rounding for example in result.examples] == [True, False]
    assert result.examples[0].nearest_parted == pytest.approx(parameters.eps_metres, abs=1e-8)


def test_a_pair_a_millimetre_beyond_eps_is_no_rounding():
    points = on_a_line(0, 50, 150.001, 200)
    together = Clustering(np.zeros(4, np.int32), np.ones(4, bool))
    apart = Clustering(np.array([0, 0, 1, 1], np.int32), np.ones(4, bool))
    result = check_equivalence(points, Parameters(100.0, 2), apart, together)
    assert result.verdict is Verdict.DIFFERENT
    assert not any(example.within_rounding for example in result.examples)


def test_rounding_elsewhere_excuses_no_other_mistake():
    points = on_a_line(0, 50, 150, 200, 1000, 1010)
    eps = float(great_circle_distance(0, 50 / DEGREE, 0, 150 / DEGREE))
    together = Clustering(np.array([0, 0, 0, 0, 1, 1], np.int32), np.ones(6, bool))
    apart = Clustering(np.array([0, 0, 1, 1, 1, 1], np.int32), np.ones(6, bool))
    assert check_equivalence(points, Parameters(eps, 2), together, apart).verdict is Verdict.DIFFERENT


def test_without_core_points_a_pair_at_eps_may_fall_on_either_side_too():
    """Of four points, each eps from the next, the two in the middle are core if pairs at eps are within it."""
    points = on_a_line(0, 100, 200, 300)
    eps = float(great_circle_distance(0, 100 / DEGREE, 0, 200 / DEGREE))
    parameters = Parameters(eps, 3)
    truth = Clustering(np.zeros(4, np.int32), np.array([False, True, True, False]))
    for labels in ([0, 0, 0, 0], [0, 0, 0, NOISE], [NOISE, 0, 0, 0], [NOISE] * 4):
        found = Clustering(np.array(labels, np.int32), None)
        assert check_equivalence(points, parameters, truth, found).verdict is not Verdict.DIFFERENT, labels
    for labels in ([0, 0, 1, 1], [0, 1, 2, 3]):
        found = Clustering(np.array(labels, np.int32), None)
        wider = Parameters(eps + 1e-3, 3)
        assert check_equivalence(points, wider, truth, found).verdict is Verdict.DIFFERENT, labels
    narrower = Parameters(eps - 1e-3, 3)
    noise = Clustering(np.full(4, NOISE, np.int32), np.zeros(4, bool))
    found = Clustering(np.zeros(4, np.int32), None)
    assert check_equivalence(points, narrower, noise, found).verdict is Verdict.DIFFERENT


def test_core_points_at_eps_may_fall_on_either_side():
    points = on_a_line(0, 100)
    eps = float(great_circle_distance(0, 0, 0, 100 / DEGREE))
    core = Clustering(np.zeros(2, np.int32), np.ones(2, bool))
    noise = Clustering(np.full(2, NOISE, np.int32), np.zeros(2, bool))
    result = check_equivalence(points, Parameters(eps, 2), core, noise)
    assert result.verdict is Verdict.EQUAL_WITHIN_ROUNDING
    assert (result.core_points_differing, result.noise_differing) == (2, 2)
    assert check_equivalence(points, Parameters(eps + 1e-3, 2), core, noise).verdict is Verdict.DIFFERENT


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.int32, st.tuples(st.just(2), st.integers(2, 60)), elements=st.integers(-1, 5)))
def test_adjusted_rand_index_of_scikit_learn(labels):
    points = make_points(np.zeros(labels.shape[1]), np.linspace(0, 1, labels.shape[1]))
    result = check_equivalence(points, Parameters(1.0, 1), Clustering(labels[0]), Clustering(labels[1]))
    assert result.adjusted_rand_index == pytest.approx(adjusted_rand_score(*labels), abs=1e-12)


def test_no_points_are_equal():
    empty = Clustering(np.empty(0, np.int32), np.empty(0, bool))
    assert check_equivalence(make_points([], []), Parameters(1.0, 1), empty, empty).verdict is Verdict.EQUAL


def test_result_survives_json():
    points = on_a_line(0, 50, 150.001, 200)
    together = Clustering(np.zeros(4, np.int32), np.ones(4, bool))
    apart = Clustering(np.array([0, 0, 1, 1], np.int32), None)
    result = check_equivalence(points, Parameters(100.0, 2), apart, together)
    adapter = TypeAdapter(Equivalence)
    assert adapter.validate_json(adapter.dump_json(result)) == result
    assert dataclasses.asdict(result)["core_points_differing"] is None


@pytest.mark.parametrize(
    ("labels", "core_mask", "message"),
    [
        (np.zeros(3, np.int32), None, r"candidate: labels of shape \(3,\) for 2 points"),
        (np.zeros(2, np.int32), np.zeros(3, bool), r"candidate: core mask of shape \(3,\) for 2 points"),
        (np.array([0, -2], np.int32), None, "candidate: label -2"),
    ],
)
def test_answers_that_do_not_fit_are_refused(labels, core_mask, message):
    points = on_a_line(0, 50)
    reference = Clustering(np.zeros(2, np.int32))
    with pytest.raises(ValueError, match=message):
        check_equivalence(points, Parameters(1.0, 1), reference, Clustering(labels, core_mask))

"""Every parameter of a document, as its declaration has it, and as the command line, forms and Python offer it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import get_type_hints

import jsonschema
import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from taxi_mlops.cli.main import app
from taxi_mlops.cli.options import flag
from taxi_mlops.clustering import Cluster, ClusterParameters, Prediction, PredictionParameters
from taxi_mlops.data.request import DatasetParameters, LoadRequest
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.flows.forms import form, values_from_text
from taxi_mlops.parameters import parameters_of, with_signature
from taxi_mlops.specification import ComparisonParameters, Specification
from taxi_mlops.sweep import Sweep
from taxi_mlops.training import Train, TrainParameters, Tune, TuneParameters

DOCUMENTS = {"compare": Specification, "sweep": Sweep}

# A value of each parameter as the shell gives it, what the document holds then, and a value that it refuses.
VALUES = {
    "data": ("trips.csv", "trips.csv", 3),
    "points": ("dropoff", "dropoff", "middle"),
    "lat": ("north", "north", 3),
    "lon": ("east", "east", 3),
    "crs": ("epsg:32719", "EPSG:32719", "UTM"),
    "month": ("2016-06", "2016-06", "June"),
    "zones": ("zones.zip", "zones.zip", 3),
    "bbox": ("-34,-71.5,-33,-70", (-34.0, -71.5, -33.0, -70.0), "-33,-71,-34,-70"),
    "sample": ("2000", 2000, 0),
    "adapters": ("grid, sklearn", ("grid", "sklearn"), "grid,../x"),
    "adapter_file": ("turf,mine.toml", ("turf", "mine.toml"), "mine.exe"),
    "reference": ("grid", "grid", "../x"),
    "repeats": ("0", 0, 1001),
    "timeout": ("0.5", 0.5, 0),
    "memory_limit": ("8GB", 8_000_000_000, 0),
    "threads": ("2", 2, 0),
    "seed": ("7", 7, -1),
    "quality": ("stability", "stability", "beauty"),
}
IN_COMPARE = {
    "eps": ("50.5", 50.5, "-50"),
    "min_samples": ("5", 5, 0),
    "sizes": ("1000,10000,all", (1000, 10000, "all"), "some"),
}
IN_SWEEP = {
    "eps": ("50,100.5", (50.0, 100.5), "50,-1"),
    "min_samples": ("5,10", (5, 10), "5,0"),
    "sizes": ('[1000, "all"]', (1000, "all"), "some"),
}
IN_TUNE = {
    "objective": ("noise,unseen", ("noise", "unseen"), "beauty"),
    "noise": ("0.1,0.4", (0.1, 0.4), "0.4,0.1"),
    "trials": ("20", 20, 0),
    "timeout": ("10m", 600.0, "soon"),
    "eps": ("20,500", (20.0, 500.0), "500,20"),
    "min_samples": ("5,200", (5, 200), "5"),
    "sampler": ("random", "random", "luck"),
}
EVERY = [
    pytest.param(
        document, name, *({**VALUES, **own}.get(name, ("missing from the values above",) * 3)), id=f"{what}-{name}"
    )
    for (what, document), own in zip(DOCUMENTS.items(), (IN_COMPARE, IN_SWEEP), strict=True)
    for name in parameters_of(document)
]


def value_at(document, place):
    for key in place:
        document = getattr(document, key)
    return document


@pytest.mark.parametrize(("document", "name", "text", "value", "wrong"), EVERY)
def test_text_goes_to_the_places_of_a_parameter(document, name, text, value, wrong):
    parameter = parameters_of(document)[name]
    assert value != parameter.default
    changed = document().with_parameters({name: text})
    assert [value_at(changed, place) for place in parameter.places] == [value] * len(parameter.places)
    assert document().with_parameters({name: value}) == changed
    assert document().with_parameters({name: None}) == document()
    assert [value_at(document(), place) for place in parameter.places] == [parameter.default] * len(parameter.places)


@pytest.mark.parametrize(("document", "name", "text", "value", "wrong"), EVERY)
def test_a_wrong_value_is_named_as_the_caller_names_it(document, name, text, value, wrong):
    for spelled, called in ((str, name), (flag, f"--{name.replace('_', '-')}")):
        with pytest.raises(UsageError) as caught:
            document().with_parameters({name: wrong}, spelled)
        assert str(caught.value).startswith(f"{called} = ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("command", "document"), DOCUMENTS.items())
def test_the_command_line_offers_every_parameter_with_its_description_and_default(command, document):
    shown = " ".join(CliRunner().invoke(app, [command, "--help"], terminal_width=80).stdout.split())
    for parameter in parameters_of(document).values():
        default = f" [default: {parameter.default_text}]" if parameter.default_text else ""
        spelled = "DATA <str>" if parameter.name == "data" else f"{flag(parameter.name)} {parameter.named.metavar}"
        assert f" {spelled} {parameter.description}{default} " in shown


@pytest.mark.parametrize("command", [*DOCUMENTS, "data inspect"])
def test_help_fits_a_terminal(command):
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "80"}).stdout
    assert max(map(len, shown.splitlines())) <= 80


def form_of(document):
    """A flow that returns its parameters, and the JSON schemas of its fields."""

    @form(document)
    def flow(given: dict, own: int = 0) -> dict:
        """A flow.

        Args:
            own: Its own parameter.
        """
        return given

    fields = inspect.signature(flow).parameters
    return flow, {name: TypeAdapter(field.annotation).json_schema() for name, field in fields.items()}


def bounds(schema):
    """What limits values and their kind, wherever it stands in the schema; a missing value has none."""
    if isinstance(schema, list):
        return [bounds(one) for one in schema if one != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    schema = {key: bounds(value) for key, value in schema.items()}
    return schema["anyOf"][0] if len(schema.get("anyOf", ())) == 1 else schema


@pytest.mark.parametrize("document", DOCUMENTS.values())
def test_a_form_has_every_parameter_with_its_bounds_and_description(document):
    flow, schemas = form_of(document)
    parameters = parameters_of(document)
    assert list(schemas) == [*parameters, "own"]
    described = inspect.getdoc(flow)
    for name, parameter in parameters.items():
        ours, declared = bounds(schemas[name]), bounds(parameter.json_schema())
        if ours == {"type": "string"}:  # empty for none
            assert declared["type"] == "string" if "type" in declared else {"type": "string"} in declared["anyOf"]
        elif parameter.default is None:
            assert ours == {key: value for key, value in declared.items() if key != "minItems"}
        else:
            assert ours == declared
        assert f"\n    {name}: {parameter.description}" in described
        if parameter.default is None and parameter.named.default:
            assert f"{parameter.description} Empty: {parameter.named.default}.\n" in described
    assert described.endswith("    own: Its own parameter.")


@pytest.mark.parametrize("document", DOCUMENTS.values())
def test_a_form_left_as_it_is_asks_for_the_defaults(document):
    flow, schemas = form_of(document)
    filled = {name: field.default for name, field in inspect.signature(flow).parameters.items()}
    for name, value in filled.items():
        jsonschema.validate(value, schemas[name])
    assert json.loads(json.dumps(filled)) == filled
    assert document().with_parameters(flow(**filled)) == document()


@pytest.mark.parametrize(("document", "name", "text", "value", "wrong"), EVERY)
def test_text_for_a_field_of_a_form_is_what_the_command_line_takes(document, name, text, value, wrong):
    flow, schemas = form_of(document)
    values = values_from_text(document, {name: text})
    jsonschema.validate(values[name], schemas[name])
    assert json.loads(json.dumps(values)) == values
    assert document().with_parameters(flow(**values)) == document().with_parameters({name: text})
    with pytest.raises(UsageError, match=f"^{name} = "):
        values_from_text(document, {name: wrong})


@pytest.mark.parametrize("document", DOCUMENTS.values())
def test_an_empty_field_of_a_form_is_the_default(document):
    flow, _ = form_of(document)
    empty = {name: "" for name, parameter in parameters_of(document).items() if parameter.default is None}
    assert document().with_parameters(flow(**values_from_text(document, empty))) == document()


def test_errors_of_a_flow_name_fields_of_its_form():
    @form(Specification)
    def flow(given: dict) -> None:
        raise DataError("give --lat NAME, --memory-limit or --resume DIR")

    with pytest.raises(DataError, match=r"^give lat NAME, memory_limit or --resume DIR$"):
        flow()


@pytest.mark.parametrize(
    ("keywords", "document", "given_otherwise"),
    [
        (DatasetParameters, LoadRequest, ["data"]),
        (ComparisonParameters, Specification, ["data"]),
        (ClusterParameters, Cluster, ["data"]),
        (TrainParameters, Train, ["data"]),
        (TuneParameters, Tune, ["data"]),
        (PredictionParameters, Prediction, ["data", "model", "bbox"]),  # rows outside of a box would seem to be noise
    ],
)
def test_python_has_every_parameter_as_a_keyword_argument_of_its_type(keywords, document, given_otherwise):
    types = get_type_hints(keywords)
    parameters = parameters_of(document, without=given_otherwise)
    assert set(types) == set(parameters)
    values = {**VALUES, **IN_COMPARE, "adapter": ("sklearn", "sklearn", "../x"), "on": ("tiles", "tiles", "nowhere")}
    values |= {"name": ("city", "city", "a b"), "time": ("at", "at", 3), "holdout": ("0.1", 0.1, 2)}
    values["places"] = ("places.geojson", "places.geojson", 3)
    if document is Tune:
        values |= IN_TUNE
    for name, parameter in parameters.items():
        text, value, _ = values[name]
        for one in (value, parameter.default):
            TypeAdapter(types[name]).validate_python(one, strict=True)
        assert document().with_parameters({name: value}) == document().with_parameters({name: text})


@pytest.mark.parametrize("name", IN_TUNE)
def test_the_command_line_and_python_give_a_tuning_the_same_values(name):
    text, value, wrong = IN_TUNE[name]
    (place,) = parameters_of(Tune)[name].places
    assert value_at(Tune().with_parameters({name: text}), place) == value
    assert value_at(Tune().with_parameters({name: value}), place) == value
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')} = "):
        Tune().with_parameters({name: wrong}, flag)


def test_every_parameter_says_what_it_is():
    for document in DOCUMENTS.values():
        assert all(one.description.endswith(".") for one in parameters_of(document).values())


def test_a_parameter_with_several_places_is_declared_alike_in_each():
    for model in (Specification, Sweep):
        seeds = [section.model_fields["seed"] for section in (LoadRequest, model.model_fields["trials"].annotation)]
        assert seeds[0].description == seeds[1].description
        assert seeds[0].metadata == seeds[1].metadata


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adaptors", "there is no parameter '--adaptors'; did you mean '--adapters'?"),
        ("timeout_seconds", "there is no parameter '--timeout-seconds'; did you mean '--timeout'?"),
        ("epsilon", "there is no parameter '--epsilon'; did you mean '--eps'?"),
        ("latitude", "there is no parameter '--latitude'; did you mean '--lat'?"),
        ("colour", "there is no parameter '--colour'; available: --data, --points"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, message):
    with pytest.raises(UsageError) as caught:
        Specification().with_parameters({name: 3}, flag)
    assert str(caught.value).startswith(message)


def test_a_sweep_has_no_sample_since_its_sizes_are_samples():
    assert "sample" not in parameters_of(Sweep)
    with pytest.raises(UsageError, match="no parameter 'sample'"):
        Sweep().with_parameters({"sample": 3})


def test_a_function_takes_parameters_by_name_in_place_of_its_mapping():
    def function(given: dict, own: int = 1) -> tuple:
        """Its text."""
        return given, own

    changed = with_signature(function, [inspect.Parameter("new", inspect.Parameter.KEYWORD_ONLY, default=2)])
    assert list(inspect.signature(changed).parameters) == ["new", "own"]
    assert changed(new=3, own=4) == ({"new": 3}, 4)
    assert changed() == ({}, 1)
    assert changed.__doc__ == "Its text."


def test_the_help_of_a_command_imports_no_more_than_its_document():
    heavy = ("numpy", "sklearn", "pyarrow", "scipy", "httpx")
    program = (
        "import sys; from taxi_mlops.cli.main import app; app(['compare', '--help'], standalone_mode=False); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "[]"

"""Each kind of trip file is known by its columns, and an unknown one is answered with the flags to use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.data.schema_choice import choose_schema
from taxi_mlops.data.schemas import SCHEMAS, Coordinates, Polyline, TripSchema, Zone
from taxi_mlops.errors import DataError

YELLOW = (
    "vendor_id,pickup_datetime,dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,"
    "rate_code,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,surcharge,mta_tax,"
    "tip_amount,tolls_amount,total_amount"
)
HEADERS = {
    "yellow-2009": (
        "vendor_name,Trip_Pickup_DateTime,Trip_Dropoff_DateTime,Passenger_Count,Trip_Distance,Start_Lon,Start_Lat,"
        "Rate_Code,store_and_forward,End_Lon,End_Lat,Payment_Type,Fare_Amt,surcharge,mta_tax,Tip_Amt,Tolls_Amt,"
        "Total_Amt"
    ),
    "yellow-2010-2013": YELLOW,
    "yellow-2014": YELLOW.replace(",", ", "),
    "yellow-2015-2016": (
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,pickup_longitude,"
        "pickup_latitude,RateCodeID,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount"
    ),
    "green": (
        "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Store_and_fwd_flag,RateCodeID,Pickup_longitude,"
        "Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,Trip_distance,Fare_amount"
    ),
    "zones-fhv": "dispatching_base_num,pickup_datetime,dropOff_datetime,PUlocationID,DOlocationID,SR_Flag",
    "zones": "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,PULocationID,DOLocationID,extra",
    "kaggle-trip-duration": (
        "id,vendor_id,pickup_datetime,dropoff_datetime,passenger_count,pickup_longitude,pickup_latitude,"
        "dropoff_longitude,dropoff_latitude,store_and_fwd_flag,trip_duration"
    ),
    "kaggle-fare": (
        "key,fare_amount,pickup_datetime,pickup_longitude,pickup_latitude,dropoff_longitude,dropoff_latitude,"
        "passenger_count"
    ),
    "chicago": (
        "pickup_community_area,fare,trip_start_timestamp,pickup_latitude,pickup_longitude,dropoff_latitude,"
        "dropoff_longitude,trip_miles,company"
    ),
    "chicago-portal": (
        "Trip ID,Taxi ID,Trip Start Timestamp,Pickup Centroid Latitude,Pickup Centroid Longitude,"
        "Pickup Centroid Location,Dropoff Centroid Latitude,Dropoff Centroid Longitude"
    ),
    "porto": "TRIP_ID,CALL_TYPE,ORIGIN_CALL,ORIGIN_STAND,TAXI_ID,TIMESTAMP,DAY_TYPE,MISSING_DATA,POLYLINE",
    "santiago": "origin_latitude,origin_longitude,destination_latitude,destination_longitude",
    "synthetic": ("synthetic_trip,pickup_time,pickup_latitude,pickup_longitude,dropoff_latitude,dropoff_longitude"),
}
PLACES = {
    "yellow-2009": Coordinates("Start_Lat", "Start_Lon"),
    "yellow-2014": Coordinates(" pickup_latitude", " pickup_longitude"),
    "green": Coordinates("Pickup_latitude", "Pickup_longitude"),
    "zones": Zone("PULocationID"),
    "porto": Polyline("POLYLINE", "first"),
    "santiago": Coordinates("origin_latitude", "origin_longitude"),
}


def choose(header: str, **named: str | bool) -> TripSchema:
    return choose_schema(header.split(","), where="trips.csv", **named)


def test_every_declared_schema_has_a_header_here():
    assert set(HEADERS) == {schema.name for schema in SCHEMAS}


@pytest.mark.parametrize("name", HEADERS)
def test_finds_the_schema_by_its_columns(name):
    schema = choose(HEADERS[name])
    assert schema.name == name
    if name in PLACES:
        assert schema.place("pickup") == PLACES[name]
    assert set(schema.place("dropoff").columns) <= set(HEADERS[name].split(","))


@given(st.sampled_from(sorted(HEADERS)), st.randoms(use_true_random=False), st.lists(st.text("xyz", min_size=1)))
def test_neither_the_order_of_columns_nor_others_among_them_matter(name, random, others):
    columns = HEADERS[name].split(",") + [f"other {other}" for other in others]
    random.shuffle(columns)
    assert choose_schema(columns, where="trips.csv").name == name


def test_other_letter_case_is_found_by_its_names():
    schema = choose(HEADERS["santiago"].upper(), points="dropoff")
    assert schema.place("dropoff") == Coordinates("DESTINATION_LATITUDE", "DESTINATION_LONGITUDE")
    assert schema.title == "Columns DESTINATION_LATITUDE and DESTINATION_LONGITUDE, found by their names"


def test_an_unknown_file_is_answered_with_its_columns_and_the_flags():
    with pytest.raises(DataError) as raised:
        choose("platform,start lat,start lon_code")
    assert str(raised.value) == (
        "trips.csv: the columns fit no known kind of trips; columns: 'platform', 'start lat', 'start lon_code'; "
        'say which ones hold degrees with --lat "start lat" --lon "start lon_code"'
    )


def test_dropoff_goes_without_named_columns():
    with pytest.raises(DataError, match="--points dropoff goes without --lat and --lon"):
        choose("a,lat,lon", latitude_column="lat", longitude_column="lon", points="dropoff")


def test_columns_may_be_named_by_number():
    schema = choose("1,2,3,4", latitude_column="4", longitude_column="3")
    assert schema.place("pickup") == Coordinates("4", "3")
    assert choose("id,b,a", latitude_column="2", longitude_column="3").place("pickup") == Coordinates("b", "a")
    with pytest.raises(DataError, match="no column '4'"):
        choose("id,b,a", latitude_column="4", longitude_column="3")


def test_two_candidates_are_refused_with_both():
    with pytest.raises(DataError) as raised:
        choose("lat,lon,gps_lat,gps_lon")
    assert "several pairs" in str(raised.value)
    assert "--lat lat --lon lon or" in str(raised.value)
    assert "--lat gps_lat --lon gps_lon" in str(raised.value)


def test_points_of_the_other_end_alone_are_answered_with_the_flag():
    with pytest.raises(
        DataError, match=r"no pickup points, but dropoff points in end_lat and end_lng: .*--points dropoff"
    ):
        choose("id,end_lat,end_lng")
    assert choose("id,end_lat,end_lng", points="dropoff").place("dropoff") == Coordinates("end_lat", "end_lng")


def test_an_ambiguous_file_names_the_candidates():
    both = f"{HEADERS['santiago']},{HEADERS['zones']}"
    with pytest.raises(DataError, match=r"several kinds of trips \(zones, santiago\).*--lat origin_latitude"):
        choose(both)
    assert choose(both, zones=True).name == "zones"


def test_named_columns_win_over_detection():
    schema = choose(HEADERS["santiago"], latitude_column="origin_longitude", longitude_column="origin_latitude")
    assert schema.place("pickup") == Coordinates("origin_longitude", "origin_latitude")
    assert schema.place("dropoff") == schema.place("pickup")


def test_blanks_around_a_named_column_need_not_be_typed():
    schema = choose("a, y, x", latitude_column="y", longitude_column="x")
    assert schema.place("pickup") == Coordinates(" y", " x")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"latitude_column": "y"}, "longitude column is not named"),
        ({"longitude_column": "x"}, "latitude column is not named"),
        ({"latitude_column": "y", "longitude_column": "z"}, "no column 'z'"),
        ({"latitude_column": "y", "longitude_column": "y"}, "same column"),
        ({"latitude_column": "y", "longitude_column": "x", "zones": True}, "cannot be combined"),
        ({"zones": True}, "leave out --zones"),
    ],
)
def test_says_what_is_wrong_with_the_flags(named, said):
    with pytest.raises(DataError, match=said):
        choose("y,x", **named)


def test_a_needed_column_that_appears_twice_is_refused():
    with pytest.raises(DataError, match="'x' appears more than once"):
        choose("y,x,x", latitude_column="y", longitude_column="x")

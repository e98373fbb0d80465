"""Headers of public trip files, and the columns that hold their points."""

from __future__ import annotations

import pytest

from taxi_mlops.data.coordinate_names import CoordinatePair, candidates, longitude_stands_first, plane_candidates

# header, pickup pair, dropoff pair, where such a header is published
PUBLIC = {
    "Citi Bike, Divvy, Bay Wheels, Capital Bikeshare since 2020/21 (s3.amazonaws.com/tripdata)": (
        "ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,end_station_name,"
        "end_station_id,start_lat,start_lng,end_lat,end_lng,member_casual",
        ("start_lat", "start_lng"),
        ("end_lat", "end_lng"),
    ),
    "Citi Bike until January 2021 (s3.amazonaws.com/tripdata)": (
        "tripduration,starttime,stoptime,start station id,start station name,start station latitude,"
        "start station longitude,end station id,end station name,end station latitude,end station longitude,bikeid",
        ("start station latitude", "start station longitude"),
        ("end station latitude", "end station longitude"),
    ),
    "Bay Wheels and Ford GoBike, 2017-2020 (s3.amazonaws.com/baywheels-data)": (
        "duration_sec,start_time,end_time,start_station_id,start_station_name,start_station_latitude,"
        "start_station_longitude,end_station_id,end_station_name,end_station_latitude,end_station_longitude,bike_id",
        ("start_station_latitude", "start_station_longitude"),
        ("end_station_latitude", "end_station_longitude"),
    ),
    "BIXI Montreal since 2022 (bixi.com/en/open-data)": (
        "STARTSTATIONNAME,STARTSTATIONARRONDISSEMENT,STARTSTATIONLATITUDE,STARTSTATIONLONGITUDE,ENDSTATIONNAME,"
        "ENDSTATIONARRONDISSEMENT,ENDSTATIONLATITUDE,ENDSTATIONLONGITUDE,STARTTIMEMS,ENDTIMEMS",
        ("STARTSTATIONLATITUDE", "STARTSTATIONLONGITUDE"),
        ("ENDSTATIONLATITUDE", "ENDSTATIONLONGITUDE"),
    ),
    "Metro Bike Share Los Angeles, Indego Philadelphia (bikeshare.metro.net/about/data)": (
        "trip_id,duration,start_time,end_time,start_station,start_lat,start_lon,end_station,end_lat,end_lon,bike_id",
        ("start_lat", "start_lon"),
        ("end_lat", "end_lon"),
    ),
    "Uber pickups in New York, 2014 (github.com/fivethirtyeight/uber-tlc-foil-response)": (
        "Date/Time,Lat,Lon,Base",
        ("Lat", "Lon"),
        ("Lat", "Lon"),
    ),
    "Uber fares (Kaggle)": (
        "key,fare_amount,pickup_datetime,pickup_longitude,pickup_latitude,dropoff_longitude,dropoff_latitude",
        ("pickup_latitude", "pickup_longitude"),
        ("dropoff_latitude", "dropoff_longitude"),
    ),
    "Chicago transportation network providers (data.cityofchicago.org m6dm-c72p)": (
        "Trip ID,Trip Start Timestamp,Pickup Centroid Latitude,Pickup Centroid Longitude,Pickup Centroid Location,"
        "Dropoff Centroid Latitude,Dropoff Centroid Longitude",
        ("Pickup Centroid Latitude", "Pickup Centroid Longitude"),
        ("Dropoff Centroid Latitude", "Dropoff Centroid Longitude"),
    ),
    "Food delivery (Kaggle: Zomato delivery operations)": (
        "ID,Delivery_person_ID,Restaurant_latitude,Restaurant_longitude,Delivery_location_latitude,"
        "Delivery_location_longitude,Order_Date",
        ("Restaurant_latitude", "Restaurant_longitude"),
        ("Delivery_location_latitude", "Delivery_location_longitude"),
    ),
    "Amazon delivery (Kaggle)": (
        "Order_ID,Agent_Age,Store_Latitude,Store_Longitude,Drop_Latitude,Drop_Longitude,Order_Date",
        ("Store_Latitude", "Store_Longitude"),
        ("Drop_Latitude", "Drop_Longitude"),
    ),
    "Scooters of Louisville (data.louisvilleky.gov)": (
        "TripID,StartDate,StartTime,EndDate,EndTime,StartLatitude,StartLongitude,EndLatitude,EndLongitude,DayOfWeek",
        ("StartLatitude", "StartLongitude"),
        ("EndLatitude", "EndLongitude"),
    ),
    "Scooters of Chicago (data.cityofchicago.org 2kfw-zvte)": (
        "Trip ID,Start Time,End Time,Trip Distance,Trip Duration,Vendor,Start Community Area Number,"
        "End Community Area Number,Start Centroid Latitude,Start Centroid Longitude,Start Centroid Location,"
        "End Centroid Latitude,End Centroid Longitude,End Centroid Location",
        ("Start Centroid Latitude", "Start Centroid Longitude"),
        ("End Centroid Latitude", "End Centroid Longitude"),
    ),
    "Oslo, Bergen and Trondheim Bysykkel, Edinburgh Just Eat Cycles (oslobysykkel.no/en/open-data)": (
        "started_at,ended_at,duration,start_station_id,start_station_name,start_station_description,"
        "start_station_latitude,start_station_longitude,end_station_id,end_station_name,end_station_description,"
        "end_station_latitude,end_station_longitude",
        ("start_station_latitude", "start_station_longitude"),
        ("end_station_latitude", "end_station_longitude"),
    ),
    "Ecobici Buenos Aires (data.buenosaires.gob.ar/dataset/bicicletas-publicas)": (
        "Id_recorrido,duracion_recorrido,fecha_origen_recorrido,id_estacion_origen,nombre_estacion_origen,"
        "direccion_estacion_origen,long_estacion_origen,lat_estacion_origen,fecha_destino_recorrido,"
        "id_estacion_destino,nombre_estacion_destino,direccion_estacion_destino,long_estacion_destino,"
        "lat_estacion_destino,id_usuario,modelo_bicicleta,genero",
        ("lat_estacion_origen", "long_estacion_origen"),
        ("lat_estacion_destino", "long_estacion_destino"),
    ),
    "Stations of Bay Area Bike Share, Pronto and Hubway (Kaggle)": (
        "station_id,name,lat,long,dockcount,landmark,installation",
        ("lat", "long"),
        ("lat", "long"),
    ),
    "Taxis of Washington, DC (opendata.dc.gov, taxi trips by month)": (
        "OBJECTID,TRIPTYPE,PROVIDER,TOTALAMOUNT,PAYMENTTYPE,ORIGINCITY,ORIGINZIP,DESTINATIONCITY,MILEAGE,DURATION,"
        "ORIGIN_BLOCK_LATITUDE,ORIGIN_BLOCK_LONGITUDE,ORIGIN_BLOCKNAME,DESTINATION_BLOCK_LAT,DESTINATION_BLOCK_LONG,"
        "DESTINATION_BLOCKNAME,AIRPORT,ORIGINDATETIME_TR,DESTINATIONDATETIME_TR",
        ("ORIGIN_BLOCK_LATITUDE", "ORIGIN_BLOCK_LONGITUDE"),
        ("DESTINATION_BLOCK_LAT", "DESTINATION_BLOCK_LONG"),
    ),
    "Taxis of San Francisco (data.sf.gov m8hk-2ipk)": (
        "start_time_local,end_time_local,trip_distance_meters,pickup_location_latitude,pickup_location_longitude,"
        "dropoff_location_latitude,dropoff_location_longitude,total_fare_amount",
        ("pickup_location_latitude", "pickup_location_longitude"),
        ("dropoff_location_latitude", "dropoff_location_longitude"),
    ),
    "RideAustin (data.world/ride-austin)": (
        "ride_id,started_on,completed_on,distance_travelled,end_location_lat,end_location_long,active_driver_id,"
        "start_location_long,start_location_lat,rider_id",
        ("start_location_lat", "start_location_long"),
        ("end_location_lat", "end_location_long"),
    ),
    "Rapido and Ola ride requests of Bangalore (Kaggle)": (
        "ts,number,pick_lat,pick_lng,drop_lat,drop_lng",
        ("pick_lat", "pick_lng"),
        ("drop_lat", "drop_lng"),
    ),
    "Yassir ride-hailing (zindi.africa, ETA prediction)": (
        "ID,Timestamp,Origin_lat,Origin_lon,Destination_lat,Destination_lon,Trip_distance,ETA",
        ("Origin_lat", "Origin_lon"),
        ("Destination_lat", "Destination_lon"),
    ),
    "Sendy deliveries (zindi.africa, logistics)": (
        "Order No,User Id,Vehicle Type,Distance (KM),Pickup Lat,Pickup Long,Destination Lat,Destination Long,Rider Id",
        ("Pickup Lat", "Pickup Long"),
        ("Destination Lat", "Destination Long"),
    ),
    "Grab-Posisi (Grab, trajectories of Singapore and Jakarta)": (
        "trj_id,driving_mode,osname,pingtimestamp,rawlat,rawlng,speed,bearing,accuracy",
        ("rawlat", "rawlng"),
        ("rawlat", "rawlng"),
    ),
    "Olist (Kaggle, Brazilian deliveries)": (
        "geolocation_zip_code_prefix,geolocation_lat,geolocation_lng,geolocation_city,geolocation_state",
        ("geolocation_lat", "geolocation_lng"),
        ("geolocation_lat", "geolocation_lng"),
    ),
    "LaDe pickups (Cainiao, huggingface.co/datasets/Cainiao-AI/LaDe)": (
        "package_id,time_window_start,lng,lat,city,aoi_id,courier_id,accept_time,accept_gps_lng,accept_gps_lat,"
        "pickup_time,pickup_gps_time,pickup_gps_lng,pickup_gps_lat,ds",
        ("pickup_gps_lat", "pickup_gps_lng"),
        None,
    ),
    "Events of taxis of the Flink training (training.data-artisans.com)": (
        "rideId,isStart,startTime,endTime,startLon,startLat,endLon,endLat,passengerCnt,taxiId,driverId",
        ("startLat", "startLon"),
        ("endLat", "endLon"),
    ),
}


@pytest.mark.parametrize("source", PUBLIC)
def test_public_headers(source):
    header, pickup, dropoff = PUBLIC[source]
    columns = header.split(",")
    for end, expected in (("pickup", pickup), ("dropoff", dropoff)):
        found = [(pair.latitude, pair.longitude) for pair in candidates(columns, end)]
        assert found == [expected] if expected else len(found) != 1


@pytest.mark.parametrize(
    ("latitude", "longitude", "end"),
    [
        ("lat", "lon", None),
        ("LAT", "LNG", None),
        ("latitud", "longitud", None),
        ("Latitudine", "Longitudine", None),
        ("Breitengrad", "Längengrad", None),
        ("PickupLat", "PickupLng", "pickup"),
        ("pickupLatitude", "pickupLongitude", "pickup"),
        ("startlat", "startlng", "pickup"),
        ("origin.lat", "origin.lng", "pickup"),
        ("From Latitude", "From Longitude", "pickup"),
        ("pick_up_lat", "pick_up_lon", "pickup"),
        ("drop_off_lat", "drop_off_long", "dropoff"),
        ("dest (lat)", "dest (lon)", "dropoff"),
        ("to_latitude", "to_longitude", "dropoff"),
        (" latitude", " longitude", None),
        ("stop_lat", "stop_lon", "dropoff"),
        ("storelat", "storelon", "pickup"),
        ("custlat", "custlng", None),
        ("gpslat", "gpslon", None),
    ],
)
def test_names_of_a_pair(latitude, longitude, end):
    pair = CoordinatePair(latitude, longitude, end)
    for columns in ([latitude, longitude, "platform", "alongside", "flat_rate"], ["belong", longitude, latitude]):
        assert candidates(columns, end or "pickup") == (pair,)
        assert candidates(columns, end or "dropoff") == (pair,)


@pytest.mark.parametrize(
    "columns",
    [
        ["lat", "lat_lon"],
        ["start_lat", "end_lon"],
        ["pickup_latitude", "dropoff_longitude"],
        ["origin_lat", "dest_lng", "lat_of_depot"],
        ["platform", "longest"],
        ["y", "x"],
        [],
    ],
)
def test_what_is_no_pair(columns):
    assert candidates(columns, "pickup") == ()


def test_the_other_end_alone_is_no_candidate():
    assert candidates(["dropoff_lat", "dropoff_lon"], "pickup") == ()


def test_pairs_are_of_the_same_words():
    columns = ["start_lat", "start_lng", "pickup_lat", "pickup_lng"]
    assert candidates(columns, "pickup") == (
        CoordinatePair("start_lat", "start_lng", "pickup"),
        CoordinatePair("pickup_lat", "pickup_lng", "pickup"),
    )
    assert candidates(["pick_up_lat", "pickup_lon"], "pickup") == (
        CoordinatePair("pick_up_lat", "pickup_lon", "pickup"),
    )


def test_parts_of_degrees_are_seen_in_the_names():
    assert candidates(["latitudeE7", "longitudeE7"], "pickup") == (
        CoordinatePair("latitudeE7", "longitudeE7", None, 1e7),
    )
    assert candidates(["end_lat_e6", "end_lon_e6"], "dropoff")[0].divisor == 1e6
    assert candidates(["late7", "lone7", "lat7", "lon7"], "pickup")[0].divisor == 1


def test_y_and_x_are_candidates_of_their_own():
    columns = ["y", "x", "start_x", "start_y", "POINT_X", "POINT_Y"]
    assert candidates(columns, "pickup") == ()
    assert plane_candidates(columns, "pickup") == (CoordinatePair("start_y", "start_x", "pickup"),)
    assert len(plane_candidates(columns, "dropoff")) == 2


@pytest.mark.parametrize(
    ("column", "first"),
    [("lnglat", True), ("long_lat", True), ("pickupLatLng", False), ("latitude, longitude", False), ("where", None)],
)
def test_a_name_says_which_coordinate_stands_first(column, first):
    assert longitude_stands_first(column) is first


def test_two_pairs_are_two_candidates():
    assert len(candidates(["lat", "lon", "station_lat", "station_lon"], "pickup")) == 2


def test_another_spelling_of_an_axis_is_a_pair_only_without_a_better_partner():
    assert [
        (pair.latitude, pair.longitude) for pair in candidates(["lat", "lon", "latitude", "longitude"], "pickup")
    ] == [
        ("lat", "lon"),
        ("latitude", "longitude"),
    ]
    assert candidates(["start_lat", "start_longitude"], "pickup")[0].longitude == "start_longitude"
    assert len(candidates(["lat", "lng", "lon"], "pickup")) == 2

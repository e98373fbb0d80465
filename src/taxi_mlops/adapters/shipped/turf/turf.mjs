// Turf's clustersDbscan behind the protocol of taxi-mlops.
import { readFileSync } from "node:fs";
import { clustersDbscan } from "@turf/clusters-dbscan";
import { earthRadius, featureCollection, point } from "@turf/helpers";
import { serve } from "./program.mjs";

const { version } = JSON.parse(
  readFileSync(new URL("./node_modules/@turf/clusters-dbscan/package.json", import.meta.url)),
);

function prepare(values, request) {
  const features = [];
  for (let i = 0; i < request.n; i++) features.push(point([values[2 * i + 1], values[2 * i]]));
  return {
    points: featureCollection(features),
    // Turf's sphere has another radius: keep the angle.
    kilometres: ((request.eps_metres / request.earth_radius_metres) * earthRadius) / 1000,
    minPoints: request.min_samples,
  };
}

function fit({ points, kilometres, minPoints }) {
  // Without `mutate`, a copy of all features would be timed too.
  clustersDbscan(points, kilometres, { units: "kilometers", minPoints, mutate: true });
  const labels = points.features.map(({ properties }) => (properties.dbscan === "noise" ? -1 : properties.cluster));
  return { labels };
}

await serve({ version, prepare, fit });

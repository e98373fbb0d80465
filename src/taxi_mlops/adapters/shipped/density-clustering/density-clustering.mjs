// The DBSCAN of npm's density-clustering behind the protocol of taxi-mlops.
import { createRequire } from "node:module";
import { serve } from "./program.mjs";

const require = createRequire(import.meta.url);
const { DBSCAN } = require("density-clustering");
const { version } = require("density-clustering/package.json");

function prepare(values, request) {
  const radians = Float64Array.from(values, (degrees) => (degrees * Math.PI) / 180);
  const places = [];
  for (let i = 0; i < request.n; i++) {
    places.push([radians[2 * i], radians[2 * i + 1], Math.cos(radians[2 * i]), i]);
  }
  const eps = request.eps_metres / request.earth_radius_metres;
  return { places, eps, minSamples: request.min_samples };
}

function haversine(one, other) {
  const north = Math.sin((one[0] - other[0]) / 2);
  const east = Math.sin((one[1] - other[1]) / 2);
  return 2 * Math.asin(Math.min(1, Math.sqrt(north * north + one[2] * other[2] * east * east)));
}

function fit({ places, eps, minSamples }) {
  // It does not report core points, but it asks once for each point, the first argument, how far all others are.
  const near = new Uint32Array(places.length);
  const counted = (point, other) => {
    const distance = haversine(point, other);
    near[point[3]] += distance <= eps;
    return distance;
  };
  // Its eps is exclusive: take the next number.
  const clusters = new DBSCAN().run(places, eps * (1 + Number.EPSILON), minSamples, counted);
  const labels = new Int32Array(places.length).fill(-1);
  clusters.forEach((cluster, number) => cluster.forEach((index) => (labels[index] = number)));
  return { labels, core: Uint8Array.from(near, (count) => Number(count >= minSamples)) };
}

await serve({ version, prepare, fit });

// Turf's clustersDbscan behind the protocol of taxi-mlops: lines of JSON on standard input and output.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { clustersDbscan } from "@turf/clusters-dbscan";
import { earthRadius, featureCollection, point } from "@turf/helpers";

const { version } = JSON.parse(
  readFileSync(new URL("./node_modules/@turf/clusters-dbscan/package.json", import.meta.url)),
);
let problem = null;

function prepare(request) {
  const bytes = readFileSync(request.points);
  const values = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 16 * request.n));
  const features = [];
  for (let i = 0; i < request.n; i++) features.push(point([values[2 * i + 1], values[2 * i]]));
  problem = {
    points: featureCollection(features),
    // Turf's sphere has another radius: keep the angle.
    kilometres: ((request.eps_metres / request.earth_radius_metres) * earthRadius) / 1000,
    minPoints: request.min_samples,
  };
  return { is: "ready" };
}

function fit(request) {
  const { points, kilometres, minPoints } = problem;
  // Without `mutate`, a copy of all features would be timed too.
  clustersDbscan(points, kilometres, { units: "kilometers", minPoints, mutate: true });
  const labels = Int32Array.from(points.features, ({ properties }) =>
    properties.dbscan === "noise" ? -1 : properties.cluster,
  );
  writeFileSync(request.labels, Buffer.from(labels.buffer));
  return { is: "done" };
}

const answers = { hello: () => ({ is: "hello", protocol: 1, version }), prepare, fit };

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = answers[request.do](request);
  } catch (error) {
    console.error(error);
    answer = { is: "error", message: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}

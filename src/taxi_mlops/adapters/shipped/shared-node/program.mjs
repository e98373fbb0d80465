// A library in JavaScript behind the protocol of taxi-mlops: lines of JSON on standard input and output.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

// Serve a library. prepare gets pairs of latitude and longitude in degrees and the request, and returns what fit gets;
// fit returns { labels, core }: -1 for noise, and flags of core points or nothing. Neither is called for no points.
export async function serve({ version, prepare, fit }) {
  let problem = null;
  const answers = {
    hello: () => ({ is: "hello", protocol: 1, version }),
    prepare(request) {
      const bytes = readFileSync(request.points);
      const values = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 16 * request.n));
      problem = request.n ? prepare(values, request) : null;
      return { is: "ready" };
    },
    fit(request) {
      const { labels, core } = problem === null ? { labels: [] } : fit(problem);
      writeFileSync(request.labels, Buffer.from(Int32Array.from(labels).buffer));
      if (core) writeFileSync(request.core, core);
      return { is: "done", core: Boolean(core) };
    },
  };
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
}

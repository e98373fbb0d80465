"use strict";
/* The page of the A/B test: what `taxi ab status` prints, read again every few seconds. */
(() => {
  const byId = (id) => document.getElementById(id);
  const EVERY_MILLISECONDS = 10000;
  const VERDICTS = {
    challenger_better: "The challenger is better.",
    champion_better: "The champion is better.",
    undecided: "Not decided: the interval contains 0.",
    guard_rail: "A guard rail stopped the challenger.",
    wrong_sample_ratio: "The sample ratio is wrong, so the comparison cannot be trusted.",
  };
  let asked = 0;

  const number = (value) => value.toLocaleString("en");
  const share = (value) => value === null ? "–" : `${(100 * value).toFixed(2)} %`;
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

  function row(arm) {
    const made = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row";
    head.textContent = `${arm.role}, ${arm.version}`;
    made.append(head);
    for (const text of [number(arm.keys), number(arm.outcomes), number(arm.hits), share(arm.hit_rate),
      share(arm.area_share), share(arm.corrected_hit_rate), share(arm.noise_share)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      made.append(cell);
    }
    return made;
  }

  function draw({ value, low, high }) {
    const space = "http://www.w3.org/2000/svg", most = Math.max(Math.abs(low), Math.abs(high), 0.01) * 1.1;
    const at = (difference) => 100 + 100 * Math.max(-1, Math.min(1, difference / most));
    const shape = (name, attributes) => {
      const made = document.createElementNS(space, name);
      for (const [key, text] of Object.entries(attributes)) made.setAttribute(key, text);
      return made;
    };
    byId("interval").replaceChildren(
      shape("line", { class: "zero", x1: 100, x2: 100, y1: 0, y2: 20 }),
      shape("line", { class: "range", x1: at(low), x2: at(high), y1: 10, y2: 10 }),
      shape("circle", { cx: at(value), cy: 10, r: 3 }),
    );
  }

  function show(test) {
    const ended = test.ended_at ? `${test.decision} ${test.ended_at.slice(0, 16).replace("T", " ")}` : "running";
    byId("model").textContent = `${test.name}: version ${test.challenger.version} against ${test.champion.version}, ${ended}`;
    byId("verdict").textContent = [test.reason ?? VERDICTS[test.verdict], test.guard_rail].filter(Boolean).join(" ");
    byId("arms").replaceChildren(row(test.champion), row(test.challenger));
    const { value, low, high } = test.corrected_difference;
    byId("difference").textContent = `${signed(value)}, from ${signed(low)} to ${signed(high)}; p = ${test.p_value.toPrecision(2)}`;
    draw(test.corrected_difference);
    const shadow = test.shadow && test.shadow.points
      ? ` Shadow answers: ${share(test.shadow.agreed / test.shadow.points)} of ${number(test.shadow.points)} points in the same hotspot.` : "";
    byId("more").textContent = `${share(test.share)} of the keys get the challenger; sample ratio p = ${test.sample_ratio_p_value.toPrecision(2)}.${shadow}`;
    byId("test").hidden = false;
    byId("error").textContent = "";
  }

  async function load() {
    const key = byId("key").value, mine = ++asked;
    const answer = await fetch("/v1/ab", key ? { headers: { Authorization: `Bearer ${key}` } } : {});
    const content = await answer.json();
    if (mine !== asked) return;
    if (answer.status === 401) byId("filter").hidden = false;
    if (!answer.ok) throw new Error(content.detail);
    show(content);
  }

  const failed = (error) => {
    if (byId("test").hidden) byId("model").textContent = "";
    byId("error").textContent = error.message;
  };
  const again = () => load().catch(failed);
  byId("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    again();
  });
  again();
  setInterval(again, EVERY_MILLISECONDS);
})();

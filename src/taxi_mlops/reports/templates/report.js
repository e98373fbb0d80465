"use strict";
// The map: Bokeh draws it; here it gets the page's colours and buttons.
(async () => {
  const source = document.getElementById("map-document");
  if (source === null) return;
  const page = document.documentElement;
  page.classList.add("map-ready");
  await Bokeh.embed.embed_item(JSON.parse(source.textContent), "map-canvas");
  const model = (name) => Bokeh.documents[0].get_model_by_name(name);
  const plot = model("map");
  const clusters = model("clusters");

  const paint = () => {
    const colour = (name) => getComputedStyle(page).getPropertyValue(name).trim();
    const numbers = model("numbers").glyph;
    numbers.text_color = { value: colour("--ink") };
    numbers.background_fill_color = { value: colour("--card") };
    model("scale").label_text_color = colour("--ink");
    const examples = model("examples");
    if (examples !== null) examples.glyph.line_color = { value: colour("--ink") };
  };
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  // What is round on the ground is round on the map, whatever the shape of the window.
  const evened = (west, east, south, north) => {
    const half = Math.max((east - west) / plot.inner_width, (north - south) / plot.inner_height) / 2;
    const [x, y] = [(west + east) / 2, (south + north) / 2];
    const [across, up] = [half * plot.inner_width, half * plot.inner_height];
    return [[x - across, x + across], [y - up, y + up]];
  };
  const look = (...box) => {
    const [x, y] = evened(...box);
    plot.x_range.setv({ start: x[0], end: x[1] });
    plot.y_range.setv({ start: y[0], end: y[1] });
  };
  const { x_range: eastward, y_range: northward } = plot;
  const home = [eastward.start, eastward.end, northward.start, northward.end];
  let width = 0;
  const resize = () => {
    if (!plot.inner_width || !plot.inner_height) return;
    const [x, y] = evened(...home);
    eastward.setv({ reset_start: x[0], reset_end: x[1] });
    northward.setv({ reset_start: y[0], reset_end: y[1] });
    if (width === 0) {
      look(...home);
    } else {
      const metres = (eastward.end - eastward.start) / width / 2;
      const [middle, centre] = [(eastward.start + eastward.end) / 2, (northward.start + northward.end) / 2];
      const [across, up] = [metres * plot.inner_width, metres * plot.inner_height];
      look(middle - across, middle + across, centre - up, centre + up);
    }
    width = plot.inner_width;
  };
  resize();
  for (const side of ["inner_width", "inner_height"]) plot.properties[side].change.connect(resize);

  // With a mouse the wheel scrolls the page, as everywhere, and zooms with Ctrl; fingers zoom by pinching.
  if (matchMedia("(hover: hover)").matches) model("wheel").modifiers = { ctrl: true };

  const details = document.getElementById("map-details");
  const buttons = [...document.querySelectorAll("button.show")];
  const say = (row) => {
    const data = clusters.data;
    const title = document.createElement("strong");
    title.textContent = `Cluster #${data.rank[row]} of the largest: ${data.size[row]} points`;
    details.replaceChildren(title, `${data.area[row]} · ${data.density[row]} · ${data.place[row]}`);
  };
  const hint = details.textContent;
  clusters.selected.properties.indices.change.connect(() => {
    // Where outlines lie over each other, the smallest cluster under the finger is meant.
    const rows = clusters.selected.indices;
    if (rows.length > 1) {
      clusters.selected.indices = [Math.max(...rows)];
      return;
    }
    if (rows.length === 1) say(rows[0]);
    else details.textContent = hint;
    for (const button of buttons) button.setAttribute("aria-pressed", String(Number(button.value) === rows[0]));
  });

  const show = (row) => {
    const xs = clusters.data.xs[row];
    const ys = clusters.data.ys[row];
    const [west, east] = [Math.min(...xs), Math.max(...xs)];
    const [south, north] = [Math.min(...ys), Math.max(...ys)];
    const reach = Math.max(east - west, north - south, 200);
    const [x, y] = [(west + east) / 2, (south + north) / 2];
    look(x - reach, x + reach, y - reach, y + reach);
    clusters.selected.indices = [row];
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      show(Number(button.value));
      document.getElementById("map-figure").scrollIntoView({ block: "nearest" });
    });
  }
  page.classList.add("map-drawn");
})();

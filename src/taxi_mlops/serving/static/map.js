"use strict";
/* The map page: hotspots on a canvas, without a base map, since nothing is loaded from elsewhere. */
(() => {
  const byId = (id) => document.getElementById(id);
  const canvas = byId("map"), context = canvas.getContext("2d");
  const METRES_PER_DEGREE = 111195.08, LISTED = 10, CLICK_PIXELS = 5;
  let hotspots = [], chosen = null, mark = null, origin = { latitude: 0, longitude: 0 };
  let view = { x: 0, y: 0, scale: 1 };  // metres of the middle, pixels per metre
  let asked = 0, loads = 0;  // numbers of the last questions, so that late answers are dropped

  const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits });
  const wrapped = (degrees) => ((degrees % 360) + 540) % 360 - 180;
  const toMetres = (longitude, latitude) => [
    wrapped(longitude - origin.longitude) * METRES_PER_DEGREE * Math.cos(origin.latitude * Math.PI / 180),
    (latitude - origin.latitude) * METRES_PER_DEGREE,
  ];
  const toDegrees = (x, y) => ({
    latitude: Math.max(-90, Math.min(90, origin.latitude + y / METRES_PER_DEGREE)),
    longitude: wrapped(origin.longitude + x / METRES_PER_DEGREE / Math.cos(origin.latitude * Math.PI / 180)),
  });
  const title = ({ id, properties }) => properties.name ? `${properties.name} (hotspot ${id})` : `Hotspot ${id}`;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

  async function fetched(path) {
    const key = byId("key").value;
    const answer = await fetch(path, key ? { headers: { Authorization: `Bearer ${key}` } } : {});
    const content = await answer.json();
    if (answer.status === 401) byId("key-label").hidden = false;
    if (!answer.ok) throw new Error(content.detail);
    return content;
  }

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function fail(error) { byId("details").replaceChildren(element("p", error.message, { class: "error" })); }

  /* Load the hotspots that the form asks for, and draw them. */
  async function load() {
    const query = new URLSearchParams();
    if (byId("day").value !== "") query.set("hour", 24 * Number(byId("day").value) + Number(byId("hour").value));
    if (byId("least").value) query.set("min_points", byId("least").value);
    const mine = ++loads;
    const found = await fetched(`/v1/hotspots?${query}`);
    if (mine !== loads) return;
    const first = hotspots.length === 0;
    hotspots = found.features;
    byId("model").textContent = `${found.model}, version ${found.version}: ${number(hotspots.length)} hotspots`;
    if (first && hotspots.length) {
      origin = { latitude: hotspots[0].properties.latitude, longitude: hotspots[0].properties.longitude };
    }
    for (const hotspot of hotspots) hotspot.rings = rings(hotspot.geometry);
    list();
    if (first) showAll(); else draw();
  }

  function rings(geometry) {
    const { type, coordinates } = geometry;
    const parts = { Polygon: () => [coordinates], MultiPolygon: () => coordinates, LineString: () => [[coordinates]],
      Point: () => [[[coordinates]]], GeometryCollection: () => [] }[type]?.() ?? [];
    return parts.flatMap((part) => part.map((ring) => ring.map(([longitude, latitude]) => toMetres(longitude, latitude))));
  }

  function list() {
    byId("largest").replaceChildren(...hotspots.slice(0, LISTED).map((hotspot) => {
      const button = element("button", `${title(hotspot)}: ${number(hotspot.properties.points)} trips`,
        { type: "button", "aria-pressed": String(hotspot.id === chosen) });
      button.addEventListener("click", () => {
        mark = null;
        show(hotspot.id, true).catch(fail);
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
  }

  /* Show a hotspot in the panel. centred: whether the map moves there. */
  async function show(id, centred, said = "") {
    const mine = ++asked;
    const hotspot = await fetched(`/v1/hotspots/${id}`);
    if (mine !== asked) return;
    const { points, area_km2: area, density_per_km2: density, latitude, longitude, hours } = hotspot.properties;
    chosen = id;
    const facts = document.createElement("dl");
    const rows = [["trips", number(points)], ["area", `${number(area, 4)} km²`],
      ["density", density === null ? "–" : `${number(density)} per km²`], ["middle", `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`]];
    for (const [name, value] of rows) facts.append(element("dt", name), element("dd", value));
    const parts = [element("h2", title(hotspot)), ...(said ? [element("p", said)] : []), facts];
    byId("details").replaceChildren(...parts, ...(hours ? [chart(hours)] : []));
    if (centred) [view.x, view.y] = toMetres(longitude, latitude);
    list();
    draw();
  }

  function chart(hours) {
    const space = "http://www.w3.org/2000/svg", most = Math.max(1, ...hours);
    const picture = document.createElementNS(space, "svg");
    const busiest = hours.indexOf(Math.max(...hours));
    const day = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"][Math.floor(busiest / 24)];
    picture.setAttribute("viewBox", "0 0 168 40");
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("class", "hours");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `Trips by hour of the week; most on ${day} at ${busiest % 24}:00.`);
    hours.forEach((count, hour) => {
      const bar = document.createElementNS(space, "rect");
      const height = 40 * count / most;
      for (const [key, value] of Object.entries({ x: hour, y: 40 - height, width: 0.9, height })) bar.setAttribute(key, value);
      picture.append(bar);
    });
    const figure = document.createElement("figure");
    figure.style.margin = "0";
    figure.append(picture, element("figcaption", `Monday to Sunday; most on ${day} at ${busiest % 24}:00`));
    return figure;
  }

  /* Ask which hotspot a place belongs to. */
  async function ask(place) {
    mark = place;
    draw();
    const mine = ++asked;
    const query = new URLSearchParams({ latitude: place.latitude.toFixed(7), longitude: place.longitude.toFixed(7) });
    const found = await fetched(`/v1/hotspots/nearest?${query}`);
    if (mine !== asked) return;
    const where = `${place.latitude.toFixed(5)}, ${place.longitude.toFixed(5)}`;
    const distance = `${number(found.metres)} m from the nearest place of many trips`;
    await show(found.hotspot, false, found.inside ? `${where} is inside, ${distance}.` : `${where} is outside, ${distance}, which is in:`);
  }

  function showAll() {
    resize();
    const xs = [], ys = [];
    for (const hotspot of hotspots) {
      const [x, y] = toMetres(hotspot.properties.longitude, hotspot.properties.latitude);
      xs.push(x);
      ys.push(y);
    }
    if (!xs.length) return draw();
    const ends = (values) => {
      values.sort((one, other) => one - other);
      const cut = Math.floor(values.length / 50);  // a few far away would make all others tiny
      return [values[cut], values[values.length - 1 - cut]];
    };
    const [west, east] = ends(xs), [south, north] = ends(ys);
    view = { x: (west + east) / 2, y: (south + north) / 2, scale: 0.85 * Math.min(canvas.width / Math.max(east - west, 1000), canvas.height / Math.max(north - south, 1000)) };
    draw();
  }

  const onCanvas = ([x, y]) => [canvas.width / 2 + (x - view.x) * view.scale, canvas.height / 2 - (y - view.y) * view.scale];

  function draw() {
    const accent = colour("--accent"), marked = colour("--mark"), ratio = devicePixelRatio || 1;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const hotspot of hotspots) {
      context.beginPath();
      for (const ring of hotspot.rings) {
        ring.forEach((corner, index) => context[index ? "lineTo" : "moveTo"](...onCanvas(corner)));
        context.closePath();
      }
      context.fillStyle = context.strokeStyle = hotspot.id === chosen ? marked : accent;
      context.globalAlpha = 0.45;
      context.fill("evenodd");
      context.globalAlpha = 1;
      context.lineWidth = ratio * (hotspot.id === chosen ? 2.5 : 1);
      context.stroke();
    }
    if (mark) {
      const [x, y] = onCanvas(toMetres(mark.longitude, mark.latitude));
      context.fillStyle = marked;
      context.beginPath();
      context.arc(x, y, 5 * ratio, 0, 7);
      context.fill();
    }
    const metres = 100 * ratio / view.scale, power = 10 ** Math.floor(Math.log10(metres));
    const round = [5, 2, 1].map((step) => step * power).find((step) => step <= metres) ?? power;
    byId("scale").style.width = `${round * view.scale / ratio}px`;
    byId("scale").textContent = round >= 1000 ? `${round / 1000} km` : `${round} m`;
  }

  function resize() {
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  }

  function zoom(factor, clientX, clientY) {
    const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    const dx = ((clientX ?? box.left + box.width / 2) - box.left) * ratio - canvas.width / 2;
    const dy = ((clientY ?? box.top + box.height / 2) - box.top) * ratio - canvas.height / 2;
    const scale = Math.max(1e-6, Math.min(10, view.scale * factor));
    view = { x: view.x + dx / view.scale - dx / scale, y: view.y - dy / view.scale + dy / scale, scale };
    draw();
  }

  const pointers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (!pointers.size) moved = 0;
    pointers.set(event.pointerId, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const ratio = devicePixelRatio || 1, others = [...pointers.values()].filter((one) => one.pointerId !== event.pointerId);
    moved += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
    pointers.set(event.pointerId, event);
    if (others.length) {
      const [other] = others, apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      zoom(apart(event) / Math.max(apart(before), 1), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
    } else {
      view.x -= (event.clientX - before.clientX) * ratio / view.scale;
      view.y += (event.clientY - before.clientY) * ratio / view.scale;
      draw();
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    const alone = pointers.size === 1;
    pointers.delete(event.pointerId);
    if (!alone || moved > CLICK_PIXELS) return;
    const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    const x = view.x + ((event.clientX - box.left) * ratio - canvas.width / 2) / view.scale;
    const y = view.y - ((event.clientY - box.top) * ratio - canvas.height / 2) / view.scale;
    ask(toDegrees(x, y)).catch(fail);
  });
  canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
  }, { passive: false });
  byId("closer").addEventListener("click", () => zoom(1.5));
  byId("farther").addEventListener("click", () => zoom(1 / 1.5));
  byId("all").addEventListener("click", showAll);
  byId("day").addEventListener("change", () => { byId("hour").disabled = byId("day").value === ""; });
  byId("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    load().catch(fail);
  });
  new ResizeObserver(() => { resize(); draw(); }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  load().catch((error) => {
    byId("model").textContent = "";
    fail(error);
  });
})();

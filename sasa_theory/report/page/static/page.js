"use strict";
(() => {
  const root = document.documentElement;
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const data = (element) => JSON.parse(element.textContent);
  // plotly takes some tags as markup
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  // Themes: as the system has it, until somebody chooses.
  const themed = [];
  const themeButton = document.getElementById("theme");
  function setTheme(dark) {
    root.classList.toggle("dark", dark);
    themeButton.setAttribute("aria-pressed", String(dark));
    themed.forEach((draw) => draw());
  }
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  setTheme(preferred.matches);
  preferred.addEventListener("change", (event) => setTheme(event.matches));
  themeButton.addEventListener("click", () => setTheme(!root.classList.contains("dark")));

  function themedLayout(layout) {
    const text = colour("--text"), line = colour("--line");
    const full = {
      margin: { l: 62, r: 16, t: 16, b: 56 }, hovermode: "closest", ...layout,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 13, color: text },
    };
    for (const name of ["xaxis", "yaxis"]) {
      if (layout[name]) full[name] = { automargin: true, gridcolor: line, linecolor: line, zerolinecolor: line, ...layout[name] };
    }
    return full;
  }

  // A chart is drawn when it comes into sight: a page may hold many.
  function drawn(element, make) {
    const height = element.offsetHeight;
    const draw = () => {
      const { data, layout } = make();
      // room for the legend, so that many names do not squeeze the chart
      const names = layout.scene || data.length < 2 ? [] : data.map((trace) => String(trace.name));
      const wide = 60 + 7 * Math.max(0, ...names.map((name) => name.length));
      const abreast = Math.max(1, Math.floor(element.clientWidth / wide));
      element.style.height = `${height + 21 * Math.max(0, Math.ceil(names.length / abreast) - 1)}px`;
      return Plotly.react(element, data, themedLayout(layout), config);
    };
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      themed.push(draw);
      draw().then(() => element.classList.add("drawn"));
    }, { rootMargin: "200px" });
    seen.observe(element);
    return draw;
  }

  for (const source of document.querySelectorAll("script[data-for]")) {
    const element = document.getElementById(source.dataset.for);
    const figure = data(source);
    drawn(element, () => ({ data: figure.data, layout: figure.layout }));
    const button = element.parentElement.querySelector(".turn");
    if (button) turning(element, button);
  }

  // Scenes turn by a button, by T, and by the arrow keys.
  function turning(element, button) {
    const scenes = () => Object.keys(element._fullLayout || {}).filter((name) => /^scene\d*$/.test(name));
    function turn(across, up) {
      const change = {};
      for (const name of scenes()) {
        const eye = element._fullLayout[name].camera.eye;
        const flat = Math.hypot(eye.x, eye.y), angle = Math.atan2(eye.y, eye.x) + across;
        const tilt = Math.min(1.45, Math.max(-1.45, Math.atan2(eye.z, flat) + up)), far = Math.hypot(flat, eye.z);
        change[`${name}.camera.eye`] = {
          x: far * Math.cos(tilt) * Math.cos(angle), y: far * Math.cos(tilt) * Math.sin(angle), z: far * Math.sin(tilt),
        };
      }
      return Plotly.relayout(element, change);
    }
    let on = false;
    async function go() {
      while (on) {
        await turn(0.02, 0);
        await new Promise(requestAnimationFrame);
      }
    }
    function toggle() {
      on = !on;
      button.setAttribute("aria-pressed", String(on));
      if (still && on) { turn(0.5, 0); on = false; button.setAttribute("aria-pressed", "false"); return; }
      if (on) go();
    }
    button.addEventListener("click", toggle);
    const keys = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    element.addEventListener("keydown", (event) => {
      if (event.key === "t" || event.key === "T") toggle();
      else if (keys[event.key]) { event.preventDefault(); turn(...keys[event.key]); }
    });
  }

  // The explorer.
  const points = document.getElementById("points");
  if (points) explore(data(points));

  function explore({ axes, points }) {
    const form = document.getElementById("controls"), element = document.getElementById("scatter");
    const field = form.elements, about = document.getElementById("axes");
    const known = new Map(axes.map((axis) => [axis.name, axis]));
    const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7a00", "#888888"];
    const symbols = ["circle", "square", "diamond", "triangle-up", "x", "cross", "star", "triangle-down", "pentagon", "hexagram"];
    const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
    for (const name of ["x", "y"]) field[name].append(...axes.map((axis) => option(axis.name, axis.title)));
    field.world.append(...[...new Set(points.map((point) => point.world))].map((world) => option(world, world)));
    field.y.value = axes[0].name;
    field.x.value = known.has("units_90") && axes[0].name !== "units_90" ? "units_90" : (axes[1] || axes[0]).name;

    const range = (values) => [Math.min(...values), Math.max(...values)];
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    function placed(point, x, y, positive) {
      const both = (point.values[x] || []).map((a, k) => [a, (point.values[y] || [])[k], point.seeds[k]]);
      return both.filter(([a, b]) => a !== null && b != null && !(positive.x && a <= 0) && !(positive.y && b <= 0));
    }
    function make() {
      const x = field.x.value, y = field.y.value, by = field.by.value, mode = field.seeds.value;
      const log = { x: field.logx.checked, y: field.logy.checked };
      const keys = [...new Set(points.map((point) => point[by]))];
      const groups = new Map();
      let left = 0;
      for (const point of points) {
        if (field.world.value && point.world !== field.world.value) continue;
        if (!field.references.checked && point.family === "references") continue;
        const pairs = placed(point, x, y, log);
        if (!pairs.length) { left += 1; continue; }
        if (!groups.has(point[by])) groups.set(point[by], []);
        groups.get(point[by]).push({ point, pairs });
      }
      const traces = [...groups].map(([key, members]) => {
        const k = keys.indexOf(key), marker = { color: palette[k % palette.length], symbol: symbols[k % symbols.length], size: 10 };
        const trace = { type: "scatter", mode: "markers", name: plain(key), marker, x: [], y: [], text: [] };
        const band = { x: { array: [], arrayminus: [] }, y: { array: [], arrayminus: [] } };
        for (const { point, pairs } of members) {
          const label = `${plain(point.design)}<br>${plain(point.world)}`;
          if (mode === "each") {
            for (const [a, b, seed] of pairs) { trace.x.push(a); trace.y.push(b); trace.text.push(`${label}<br>seed ${seed}`); }
            continue;
          }
          const centre = [mean(pairs.map((pair) => pair[0])), mean(pairs.map((pair) => pair[1]))];
          trace.x.push(centre[0]); trace.y.push(centre[1]);
          trace.text.push(`${label}<br>${pairs.length} seed${pairs.length > 1 ? "s" : ""}`);
          for (const [name, place] of [["x", 0], ["y", 1]]) {
            const [low, high] = range(pairs.map((pair) => pair[place]));
            band[name].array.push(high - centre[place]); band[name].arrayminus.push(centre[place] - low);
          }
        }
        if (mode === "each") { trace.marker.opacity = 0.6; trace.marker.size = 7; }
        if (mode === "band") {
          for (const name of ["x", "y"]) {
            trace[`error_${name}`] = { type: "data", symmetric: false, thickness: 1.2, width: 3, color: marker.color, ...band[name] };
          }
        }
        trace.hovertemplate = "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>";
        return trace;
      });
      const title = (axis) => plain(axis.unit ? `${axis.title} (${axis.unit})` : axis.title);
      const layout = {
        xaxis: { title: { text: title(known.get(x)) }, type: log.x ? "log" : "linear" },
        yaxis: { title: { text: title(known.get(y)) }, type: log.y ? "log" : "linear" },
        showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      };
      const missing = left ? ` ${left} point${left > 1 ? "s" : ""} without a value on both axes.` : "";
      about.textContent = `Across, ${known.get(x).title}: ${known.get(x).about} Up, ${known.get(y).title}: ${known.get(y).about}${missing}`;
      element.setAttribute("aria-label", `Scatter plot: ${known.get(y).title} against ${known.get(x).title}`);
      return { data: traces, layout };
    }
    const draw = drawn(element, make);
    form.addEventListener("change", draw);
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  // Links to a design open its page.
  function open() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }
  addEventListener("hashchange", open);
  open();

  // Tables sort and filter by DataTables, a module that is had under an address of its own.
  const source = document.getElementById("datatables");
  const address = URL.createObjectURL(new Blob([atob(source.textContent)], { type: "text/javascript" }));
  import(address).then(({ default: DataTable }) => {
    URL.revokeObjectURL(address);
    for (const table of document.querySelectorAll("table.sortable")) {
      new DataTable(table, {
        paging: false, info: false, order: [], autoWidth: false,
        layout: { topStart: { search: { text: "_INPUT_", placeholder: "filter designs" } }, topEnd: null, bottomStart: null, bottomEnd: null },
      });
      const box = table.closest(".dt-container").querySelector("input");
      box.setAttribute("aria-label", table.dataset.filter);
    }
    root.classList.add("ready");
  });
})();

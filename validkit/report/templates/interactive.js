"use strict";
(() => {
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const minus = (words) => words.replace("-", "\u2212");
  const percent = (x) => Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : "\u2013";
  const expit = (x) => x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
  const asked = new URLSearchParams(location.hash.slice(1));

  const calculator = (box, data) => {
    const inputs = new Map();
    const rows = make("tbody");
    const told = make("p", { class: "small", role: "status" });
    const scaled = (term, value) => {
      if (!term.logit) return value;
      const p = Math.min(Math.max(value, term.clip), 1 - term.clip);
      return Math.log(p / (1 - p));
    };
    const levelOf = (term, words) => term.levels.find((level) => level.value === words) ?? term.levels[0];
    const points = (term, field) => {
      if (term.levels) {
        const least = Math.min(...term.levels.map((level) => level.beta));
        return data.per * (levelOf(term, field.value).beta - least);
      }
      const origin = term.beta >= 0 ? term.range[0] : term.range[1];
      return data.per * term.beta * (scaled(term, Number(field.value)) - scaled(term, origin));
    };
    const beyond = (term, field) => {
      if (term.levels) return false;
      const value = Number(field.value);
      return value < Math.max(term.range[0], term.covered[0]) || value > Math.min(term.range[1], term.covered[1]);
    };

    for (const term of data.terms) {
      const id = `calculator-${inputs.size}`;
      const words = term.unit ? `${term.label} (${term.unit})` : term.label;
      let field, slider = null, hint = "";
      const choices = term.levels ?? term.choices;
      if (choices.length) {
        field = make("select", { id }, ...choices.map((one) => {
          const option = make("option", { value: String(one.value) });
          option.textContent = one.label;
          return option;
        }));
      } else {
        const [low, high] = term.range;
        field = make("input", { id, type: "number", step: "any", value: String(term.start) });
        slider = make("input", { type: "range", min: low, max: high, step: (high - low) / 1000, value: String(term.start), "aria-label": words });
        hint = `developed on ${term.covered.map((end) => minus(String(Number(end.toPrecision(4))))).join(" to ")}`;
        slider.addEventListener("input", () => { field.value = slider.value; show(); });
      }
      if (!term.levels && choices.length) field.value = String(term.start);
      const preset = asked.get(`calculator.${term.name}`);
      if (preset !== null) field.value = preset;
      if (slider) slider.value = field.value;
      field.addEventListener("input", () => { if (slider) slider.value = field.value; show(); });
      const caption = make("label", { for: id });
      caption.textContent = words;
      const small = make("span", { class: "sub" });
      small.textContent = hint;
      const at = make("td", { class: "number" });
      rows.append(make("tr", {}, make("th", { scope: "row" }, caption, small), make("td", {}, make("div", { class: "fields" }, field, ...(slider ? [slider] : []))), at));
      inputs.set(term, { field, at, small, hint });
    }

    const show = () => {
      const values = { "(intercept)": 1 };
      let eta = data.intercept, total = 0, outside = [], complete = true;
      for (const [term, { field, at, small, hint }] of inputs) {
        if (field.value.trim() === "" || (!term.levels && !Number.isFinite(Number(field.value)))) complete = false;
        const own = points(term, field);
        total += own;
        at.textContent = Number.isFinite(own) ? minus(own.toFixed(1)) : "\u2013";
        if (term.levels) {
          const level = levelOf(term, field.value);
          eta += level.beta;
          if (level.column) values[level.column] = 1;
        } else {
          const x = scaled(term, Number(field.value));
          eta += term.beta * x;
          values[term.column] = x;
        }
        const far = beyond(term, field);
        small.textContent = far ? `${hint}: this value lies beyond` : hint;
        small.classList.toggle("far", far);
        if (far) outside.push(term.label);
      }
      const names = data.covariance.terms;
      let variance = 0;
      names.forEach((a, i) => names.forEach((b, j) => {
        const x = i === 0 ? 1 : values[a] ?? 0, y = j === 0 ? 1 : values[b] ?? 0;
        variance += x * y * data.covariance.matrix[i][j];
      }));
      const half = data.z * Math.sqrt(Math.max(variance, 0));
      const risk = (linear) => expit(data.platt.intercept + data.platt.slope * linear);
      const ends = [risk(eta - half), risk(eta + half)].sort((a, b) => a - b);
      const value = complete ? risk(eta) : NaN;
      result.textContent = percent(value);
      result.dataset.risk = String(value);
      result.dataset.low = String(complete ? ends[0] : NaN);
      result.dataset.high = String(complete ? ends[1] : NaN);
      interval.textContent = complete ? `${percent(ends[0])} to ${percent(ends[1])} (${(100 * data.level).toFixed(0)} %), ${minus(total.toFixed(1))} points` : "fill in every field";
      told.textContent = outside.length ? `Extrapolated: ${outside.join(", ")} lies beyond what patients of development covered.` : "";
    };
    const result = make("p", { class: "value", "aria-live": "polite" });
    const interval = make("p", { class: "interval" });
    const what = make("p", { class: "label" });
    what.textContent = `Risk of ${data.outcome}`;
    const note = make("p", { class: "behind" });
    note.textContent = "The interval is of the regression's coefficients; the fusion score and the Platt scaling are taken as known.";
    const heads = make("thead", {}, make("tr", {}, ...["Term", "Value", "Points"].map((words) => {
      const head = make("th", { scope: "col" });
      head.textContent = words;
      return head;
    })));
    box.append(make("div", { class: "calculator" }, make("table", {}, heads, rows), make("div", { class: "card" }, what, result, interval, note, told)));
    show();
  };

  const threshold = (box, data) => {
    const grid = data.models[0].thresholds;
    const usable = grid.map((t, i) => [t, i]).filter(([t]) => t > 0 && t < 1);
    const pick = make("select", { id: "threshold-model" }, ...data.models.map((model) => {
      const option = make("option", { value: model.name });
      option.textContent = model.label;
      return option;
    }));
    pick.value = asked.get("threshold.model") ?? data.first;
    const wanted = Number(asked.get("threshold") ?? data.start ?? 0.5);
    const nearest = usable.reduce((best, [t], k) => Math.abs(t - wanted) < Math.abs(usable[best][0] - wanted) ? k : best, 0);
    const slider = make("input", { id: "threshold-at", type: "range", min: 0, max: usable.length - 1, step: 1, value: String(nearest) });
    const shown = make("output", { for: "threshold-at" });
    const body = make("tbody");
    const label = (words, id) => {
      const node = make("label", { for: id });
      node.textContent = words;
      return node;
    };
    const wilson = (k, n) => {
      if (n === 0) return [NaN, NaN];
      const z2 = data.z ** 2, p = k / n, middle = (p + z2 / (2 * n)) / (1 + z2 / n);
      const half = data.z * Math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
      return [Math.max(middle - half, 0), Math.min(middle + half, 1)];
    };
    const row = (name, words, value, text, ends = [NaN, NaN]) => {
      const head = make("th", { scope: "row" }), cell = make("td", { class: "number", "data-name": name, "data-value": String(value), "data-low": String(ends[0]), "data-high": String(ends[1]) });
      head.textContent = words;
      cell.textContent = text;
      body.append(make("tr", {}, head, cell));
    };
    const note = make("p", { class: "small" });
    const show = () => {
      const [t, i] = usable[Number(slider.value)];
      const model = data.models.find((one) => one.name === pick.value) ?? data.models[0];
      const { n, events } = model, tp = model.event[i], fp = model.no_event[i], fn = events - tp, tn = n - events - fp;
      const w = t / (1 - t), benefit = (tp - w * fp) / n, everybody = (events - w * (n - events)) / n;
      const se = Math.sqrt(Math.max((tp + w * w * fp) / n - benefit * benefit, 0) / (n - 1));
      shown.textContent = `${(100 * t).toFixed(1).replace(/\.0$/, "")} %`;
      body.replaceChildren();
      note.textContent = `From ${n} patients, ${events} with ${data.outcome}. ${(100 * data.level).toFixed(0)} % intervals: Wilson for shares, normal for net benefit. Counts are per ${data.per} patients of this prevalence.`;
      const per = (k) => (data.per * k / n).toFixed(0);
      const share = (k, m) => {
        const [low, high] = wilson(k, m);
        return m === 0 ? "undefined: nobody" : `${percent(k / m)} [${percent(low)}, ${percent(high)}]`;
      };
      row("tp", `Treated, with ${data.outcome}, per ${data.per}`, tp, per(tp));
      row("fp", `Treated, with ${data.other}, per ${data.per}`, fp, per(fp));
      row("fn", `Not treated, with ${data.outcome}, per ${data.per}`, fn, per(fn));
      row("tn", `Not treated, with ${data.other}, per ${data.per}`, tn, per(tn));
      row("sensitivity", "Sensitivity", tp / events, share(tp, events));
      row("specificity", "Specificity", tn / (n - events), share(tn, n - events));
      row("ppv", "Positive predictive value", tp / (tp + fp), share(tp, tp + fp));
      row("npv", "Negative predictive value", tn / (tn + fn), share(tn, tn + fn));
      const ends = se > 0 ? [benefit - data.z * se, benefit + data.z * se] : [NaN, NaN];
      const sure = se > 0 ? `[${ends.map((end) => minus(end.toFixed(3))).join(", ")}]` : "(no interval: everyone is alike here)";
      row("net_benefit", "Net benefit", benefit, `${minus(benefit.toFixed(3))} ${sure}`, ends);
      row("treat_all", "Net benefit of treating everybody", everybody, minus(everybody.toFixed(3)));
    };
    slider.addEventListener("input", show);
    pick.addEventListener("input", show);
    box.append(
      make("p", { class: "fields" }, label("Model", "threshold-model"), pick, label("Treat from a risk of", "threshold-at"), slider, shown),
      make("table", { class: "threshold" }, body), note,
    );
    show();
  };

  const curves = (box, data) => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const colour = (words) => ({ ink: token("--ink"), soft: token("--soft"), wash: dark.matches ? "rgba(124,192,244,.13)" : "rgba(10,92,151,.08)", band: dark.matches ? "rgba(230,234,239,.14)" : "rgba(27,31,36,.10)" })[words] ?? words;
    const painted = (trace) => ({ ...trace, visible: trace.meta === undefined || on[trace.meta].checked, line: { ...trace.line, color: colour(trace.line.color) }, ...(trace.fillcolor ? { fillcolor: colour(trace.fillcolor) } : {}) });
    const styled = (layout) => {
      const axis = (one) => ({ ...one, gridcolor: token("--line"), linecolor: token("--soft"), tickcolor: token("--soft") });
      return { ...layout, font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: token("--ink") }, paper_bgcolor: token("--card"), plot_bgcolor: token("--card"), hoverlabel: { bgcolor: token("--paper"), bordercolor: token("--soft"), font: { color: token("--ink") } }, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis), shapes: (layout.shapes ?? []).map((shape) => ({ ...shape, fillcolor: colour(shape.fillcolor) })) };
    };
    const pick = make("select", { id: "curves-set" }, ...data.sets.map((one) => {
      const option = make("option", { value: one.name });
      option.textContent = one.label;
      return option;
    }));
    pick.value = data.first;
    const told = data.models.map(() => make("span", { class: "sub" }));
    const on = data.models.map((model, i) => make("input", { type: "checkbox", id: `curves-model-${i}`, "data-model": model.name }));
    const marks = data.models.map(() => make("span", { class: "swatch", "aria-hidden": "true" }));
    const labels = data.models.map((model, i) => {
      const node = make("label", { for: `curves-model-${i}` });
      const name = make("span");
      name.textContent = model.label;
      node.append(on[i], marks[i], name, told[i]);
      return node;
    });
    const legend = make("legend");
    legend.textContent = "Models";
    const plots = data.kinds.map((kind) => make("div", { class: "plot", role: "img", "aria-label": kind.title, "data-plot": kind.name }));
    const printed = make("input", { type: "checkbox", id: "curves-printed" });
    const statics = data.replaces.flatMap((name) => [...document.querySelectorAll("figure[data-plate]")].filter((one) => one.dataset.plate === name));
    const show = () => {
      const set = data.sets.find((one) => one.name === pick.value);
      data.models.forEach((model, i) => {
        told[i].textContent = set.plots.told[model.name];
        marks[i].style.backgroundColor = colour(model.colour);
      });
      data.kinds.forEach((kind, k) => {
        const plot = set.plots[kind.name];
        plots[k].hidden = plot.data.length === 0;
        const seen = data.models.filter((_, i) => on[i].checked).map((model) => `${model.label}: ${set.plots.told[model.name]}`);
        plots[k].setAttribute("aria-label", `${kind.title}, ${set.label}. ${seen.join("; ") || "no model is shown"}`);
        if (plot.data.length) Plotly.react(plots[k], plot.data.map(painted), styled(plot.layout), { responsive: true, displayModeBar: false });
      });
    };
    const give = () => statics.forEach((one) => one.classList.toggle("printed", !printed.checked));
    for (const input of on) { input.checked = true; input.addEventListener("change", show); }
    pick.addEventListener("change", show);
    dark.addEventListener("change", show);
    printed.addEventListener("change", give);
    const which = make("label", { for: "curves-set" });
    which.textContent = "Patients";
    const also = make("label", { for: "curves-printed" });
    also.append(printed, "Show the printed figures too");
    box.append(
      make("fieldset", { class: "models" }, legend, ...labels),
      make("p", { class: "fields" }, ...(data.sets.length > 1 ? [which, pick] : []), ...(statics.length ? [also] : [])),
      make("div", { class: "plots" }, ...plots),
    );
    box.hidden = false;
    give();
    show();
  };

  const builders = { calculator, threshold, curves };
  for (const box of document.querySelectorAll("[data-widget]")) {
    builders[box.dataset.widget](box, JSON.parse(box.querySelector("script").textContent));
    box.hidden = false;
  }
  const cellValue = (row, column) => row.cells[column]?.textContent.trim().replace("\u2212", "-") ?? "";
  for (const table of document.querySelectorAll("table:not(.calculator table):not(.threshold)")) {
    const body = table.tBodies[0];
    if (!table.tHead || !body || body.rows.length < 3 || body.querySelector("[rowspan], .level")) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = make("button", { type: "button", class: "sort" });
      button.textContent = head.textContent;
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const upward = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", upward ? "ascending" : "descending");
        const sorted = [...body.rows].sort((a, b) => {
          const [x, y] = [cellValue(a, column), cellValue(b, column)], [p, q] = [parseFloat(x), parseFloat(y)];
          const order = Number.isNaN(p) || Number.isNaN(q) ? Number.isNaN(p) - Number.isNaN(q) || x.localeCompare(y) : p - q;
          return upward ? order : -order;
        });
        body.append(...sorted);
      });
    });
  }
})();

"use strict";
(() => {
  const root = document.documentElement;

  // The theme: that of the system until the button is pressed.
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const label = () => (button.textContent = isDark() ? "Light theme" : "Dark theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  system.addEventListener("change", label);
  label();

  const element = (tag, text = "", name = "") => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(text);
    return made;
  };

  // Numbers, percentages, dates and durations sort by their size; empty cells come last.
  const UNITS = { day: 86400, days: 86400, s: 1 };
  const size = (text) => {
    const cell = text.replace(/<[^>]*>.*|^[+<>]|&[lg]t;/g, "").replace("∞", "Infinity").trim();
    if (cell === "") return -Infinity;
    const plain = Number(cell.replace(/,/g, ""));
    if (!Number.isNaN(plain)) return plain;
    const date = /^(\d{4}-\d\d-\d\d)(?: (.*))?$/.exec(cell);
    if (date) return Date.parse(`${date[1]}T${date[2] ?? "00:00:00"}Z`) / 1000;
    const parts = /^(-?\d+) days?, (\d+):(\d+):(\d+)$/.exec(cell) ?? /^()(\d+):(\d+):(\d+)/.exec(cell);
    if (parts) return parts[1] * UNITS.day + parts[2] * 3600 + parts[3] * 60 + +parts[4];
    return parseFloat(cell.replace(/,/g, "")) || 0;
  };

  DataTable.type("size", { order: { pre: size } });

  const headings = (table) => Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent.trim());

  // What a row shows when it is opened: its drawing, larger, and all of its numbers.
  const details = (row, names) => {
    const box = element("div");
    const picture = row.querySelector("svg");
    if (picture) {
      const figure = element("figure");
      const caption = element("figcaption");
      const legend = row.closest("table").dataset.legend;
      if (legend) caption.append(legend);
      else
        caption.append(
          element("span", "Upper axis: values. ", "raw"),
          element("span", "Lower axis: normalized values. ", "normalized"),
          "Dashed: the quantiles 1 %, 25 %, 50 %, 75 % and 99 %.",
        );
      figure.append(picture.cloneNode(true), caption);
      box.append(figure);
    }
    const list = element("dl");
    const add = (name, value) =>
      value.trim() && list.append(element("dt", name), element("dd", value));
    const [first, third] = (row.dataset.quartiles ?? "|").split("|");
    names.forEach((name, index) => {
      const cell = row.cells[index];
      if (cell.tagName === "TH" || cell.querySelector("svg, p") || name === "Remarks") return;
      if (name === "Median") add("25 %", first);
      const interval = cell.querySelector("small");
      add(name, interval ? `${cell.firstChild.textContent}(${interval.textContent})` : cell.textContent);
      if (name === "Median") add("75 %", third);
    });
    box.append(list);
    if (row.dataset.values) {
      const values = element("dl");
      values.append(element("dt", "Value"), element("dd", "Count"));
      for (const pair of row.dataset.values.split("|")) {
        const place = pair.lastIndexOf("=");
        values.append(element("dt", pair.slice(0, place)), element("dd", pair.slice(place + 1)));
      }
      box.append(values);
    }
    return box;
  };

  for (const table of document.querySelectorAll("table.report")) {
    const rows = table.tBodies[0].rows.length;
    const names = headings(table);
    // The button of a row is made when the row is first shown.
    const openable = (row) => {
      const cell = row.querySelector("th");
      if (cell.querySelector("button")) return;
      const open = element("button", cell.firstChild ?? "", "open");
      open.type = "button";
      open.setAttribute("aria-expanded", "false");
      cell.prepend(open);
    };
    const phone = matchMedia("(max-width: 45rem)");
    const labelled = () => {
      if (!phone.matches || table.classList.contains("cards")) return;
      table.classList.add("cards");
      for (const node of api.rows().nodes().toArray())
        Array.from(node.cells, (cell, index) => cell.tagName === "TD" && (cell.dataset.label = names[index]));
    };
    // Changes of a table outside of the document compute no styles.
    const place = document.createComment("");
    table.replaceWith(place);
    const outside = element("div");
    outside.append(table);
    // DataTables copies the text of each cell: not that of the drawings.
    const drawings = [];
    for (const drawing of table.querySelectorAll("svg")) {
      drawings.push([drawing.parentNode, drawing]);
      drawing.remove();
    }
    const isMany = rows > 100;
    const api = new DataTable(table, {
      order: [],
      rowCallback: openable,
      autoWidth: false,
      paging: isMany,
      info: isMany,
      pageLength: 100,
      lengthMenu: [100, 500, -1],
      language: {
        search: "Search",
        lengthMenu: "_MENU_ per page",
        info: "_START_ to _END_ of _TOTAL_ columns",
        infoFiltered: "(of _MAX_)",
        infoEmpty: "no column",
        zeroRecords: "No column matches.",
      },
      columnDefs: [
        { targets: "number", type: "size", searchable: false },
        { targets: "text", type: "html" },
        { targets: "picture", type: "string", orderable: false, searchable: false },
      ],
    });
    for (const [cell, drawing] of drawings) cell.append(drawing);
    place.replaceWith(...outside.childNodes);
    phone.addEventListener("change", labelled);
    labelled();
    table.tBodies[0].addEventListener("click", (event) => {
      const open = event.target.closest("button.open");
      if (!open) return;
      const row = api.row(open.closest("tr"));
      const shown = row.child.isShown();
      if (shown) row.child.hide();
      else row.child(details(row.node(), names), "opened").show();
      open.setAttribute("aria-expanded", String(!shown));
    });
  }
  root.classList.remove("starting");
})();

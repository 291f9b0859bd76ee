// Returns what makes the page hard to use for somebody: by keyboard, with a screen
// reader, with weak eyes, on a phone. Returns null while the page is loading.
(() => {
  if (document.readyState !== "complete") return null; // half a page says nothing
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const name = (e) => e.outerHTML.slice(0, 120).replace(/\s+/g, " ");
  const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
  const label = (e) => (e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent).join("") || e.textContent).trim();

  if (document.documentElement.lang !== "en") faults.push("no language");
  if (!/ · roster$/.test(document.title)) faults.push(`title is ${document.title}`);
  if (all("main").length !== 1) faults.push("not one main");
  const headings = all("h1, h2, h3, h4, h5, h6").map((h) => +h.tagName[1]);
  if (headings.filter((level) => level === 1).length !== 1 || headings[0] !== 1) faults.push(`headings begin with ${headings}`);
  headings.forEach((level, i) => { if (i > 0 && level > headings[i - 1] + 1) faults.push(`headings skip a level: ${headings}`); });

  const ids = all("[id]").map((e) => e.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => faults.push(`id ${id} stands twice`));
  for (const attribute of ["aria-describedby", "aria-labelledby", "data-copy"]) {
    all(`[${attribute}]`).forEach((e) => e.getAttribute(attribute).split(" ").forEach((id) => {
      if (!document.getElementById(id)) faults.push(`${attribute} names ${id}, which is not there`);
    }));
  }
  all("input:not([type=hidden]), textarea, select").filter(shown).forEach((e) => { if (!e.labels.length) faults.push(`no label: ${name(e)}`); });
  all("a, button, summary").forEach((e) => { if (!label(e)) faults.push(`no name: ${name(e)}`); });
  all("a").forEach((e) => { if (!e.hasAttribute("href")) faults.push(`no address: ${name(e)}`); });
  all("th").forEach((e) => { if (!e.scope) faults.push(`no scope: ${name(e)}`); });
  all("[tabindex]").forEach((e) => { if (e.tabIndex > 0) faults.push(`order of focus is changed: ${name(e)}`); });
  all("*").forEach((e) => {
    for (const a of e.attributes) if (/^on/.test(a.name) || a.name === "style") faults.push(`inline ${a.name}: ${name(e)}`);
  });
  all("script:not([src]), style").forEach((e) => faults.push(`inline: ${name(e)}`));
  if (document.scrollingElement.scrollWidth > innerWidth + 1) faults.push(`wider than the window: ${document.scrollingElement.scrollWidth} of ${innerWidth}`);

  all(".head:has(button, .button)").filter((e) => e.nextElementSibling && shown(e)).forEach((e) => {
    const gap = e.nextElementSibling.getBoundingClientRect().top - e.getBoundingClientRect().bottom;
    if (gap < 8) faults.push(`${gap} pixels below a button: ${name(e.nextElementSibling)}`);
  });

  // A word of a table is broken only where it is too long for any column. What may
  // end a line, such as a hyphen, is no part of a word here.
  const ruler = document.createElement("canvas").getContext("2d");
  const part = document.createRange();
  all("td").filter(shown).forEach((cell) => {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); ) {
      ruler.font = getComputedStyle(node.parentElement).font;
      for (const word of node.data.matchAll(/[\w.@]+/g)) {
        part.setStart(node, word.index);
        part.setEnd(node, word.index + word[0].length);
        const rows = new Set([...part.getClientRects()].map((r) => Math.round(r.bottom)));
        if (rows.size > 1 && ruler.measureText(word[0]).width < 170) faults.push(`broken: ${word[0]}`);
      }
    }
  });

  // Contrast by WCAG 2.2, 4.5 to 1 for all text.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (color) => {
    if (!known.has(color)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      known.set(color, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(color);
  };
  const luminance = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  all("body *").filter((e) => shown(e) && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).forEach((e) => {
    const [a, b] = [luminance(rgba(getComputedStyle(e).color)), luminance(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${name(e)}`);
  });
  return faults;
})();

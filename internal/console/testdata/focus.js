// Watches where the focus goes in a page, and says what makes that hard to follow for
// somebody who works by keyboard. begin returns how many stops there are, and whether
// the focus is nowhere yet; faults is asked after as many presses of Tab, and moved
// after one more.
globalThis.focusOrder = (() => {
  const name = (e) => e.outerHTML.slice(0, 120).replace(/\s+/g, " ");
  const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
  const reached = (e) => {
    if (e.tabIndex < 0 || e.disabled || !shown(e)) return false;
    if (e.type !== "radio") return true;
    const group = [...document.getElementsByName(e.name)].filter((r) => r.form === e.form);
    return e === (group.find((r) => r.checked) || group[0]); // the arrow keys reach the others
  };
  let stops = [], seen = [];

  const focused = ({ target }) => {
    if (target === seen.at(-1)?.target) return; // the window is back, with the focus where it was
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    seen.push({ target, visible: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 });
  };

  const find = () => {
    stops = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), textarea, select, summary, [tabindex]")].filter(reached);
  };
  const begin = () => {
    find();
    seen = [];
    addEventListener("focusin", focused);
    return { stops: stops.length, fresh: document.activeElement === document.body && !location.hash };
  };

  // What is read first is reached first: nothing leads up, nor back in a line.
  const unread = () => find() || stops.slice(1).flatMap((b, i) => {
    const a = stops[i], part = (e) => e.closest("header, nav, main, .menu");
    if (part(a) !== part(b)) return [];
    const [ra, rb] = [a.getClientRects()[0], b.getClientRects()[0]];
    const above = rb.bottom <= ra.top + 1;
    const before = !above && rb.top < ra.bottom - 1 && rb.right <= ra.left + 1;
    return above || before ? [`the focus goes back from ${name(a)} to ${name(b)}`] : [];
  });

  const faults = () => {
    const found = stops[0]?.matches(".skip") ? [] : ["the first stop is no way to the content"];
    seen.filter((s) => !s.visible).forEach((s) => found.push(`the focus is not seen on ${name(s.target)}`));
    const wrong = stops.findIndex((want, i) => seen[i]?.target !== want);
    if (wrong >= 0) found.push(`stop ${wrong} is ${seen[wrong] ? name(seen[wrong].target) : "missing"}, not ${name(stops[wrong])}`);
    return found;
  };
  const moved = () => document.activeElement !== stops.at(-1);
  return { begin, unread, faults, moved };
})();

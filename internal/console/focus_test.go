package console_test

import (
	_ "embed"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

//go:embed testdata/focus.js
var focusOrder string

// press presses keys, wherever the focus is.
func (b *tab) press(keys string) {
	b.Helper()
	b.must(chromedp.Do(b.within(), chromedp.KeyEvent(keys)))
}

// tab presses Tab n times.
func (b *tab) tab(n int) {
	b.Helper()
	key := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9}
	for range n {
		_, err := chromedp.Call(b.within(), input.DispatchKeyEvent, key)
		b.must(err)
	}
}

// inOrder checks that what can be used stands in the order that Tab goes, as the page
// is seen now.
func (b *tab) inOrder() {
	b.Helper()
	b.faulty(ask[[]string](b, focusOrder+`focusOrder.unread()`))
}

func (b *tab) faulty(faults []string) {
	b.Helper()
	for _, fault := range faults {
		b.Errorf("%s: %s", ask[string](b, `location.pathname`), fault)
	}
}

// tabThrough presses Tab from the beginning of the page to its end: it stops at
// whatever can be used, once at each, in order, and is seen there; see focus.js. The
// first stop leads to the content.
func (b *tab) tabThrough() {
	b.Helper()
	at := ask[struct {
		Stops int
		Fresh bool
	}](b, focusOrder+`focusOrder.begin()`)
	if at.Fresh {
		b.tab(1)
	} else {
		ask[bool](b, `document.querySelector(".skip").focus() === undefined`)
	}
	b.tab(at.Stops - 1)
	b.faulty(ask[[]string](b, `focusOrder.faults()`))
	b.tab(1)
	if !ask[bool](b, `focusOrder.moved()`) {
		b.faulty([]string{"the focus cannot leave the last stop"})
	}
	ask[bool](b, `document.querySelector(".skip").focus() === undefined`)
	b.press(kb.Enter)
	b.tab(1)
	if !ask[bool](b, `document.activeElement.closest("main") !== null || !document.querySelector("main :is(a, button, input:not([type=hidden]), textarea, summary)")`) {
		b.faulty([]string{"the way to the content leads to " + ask[string](b, `document.activeElement.outerHTML`)})
	}
}

// menuByKeys opens the menu, goes through it and closes it, by keys alone.
func (b *tab) menuByKeys() {
	b.Helper()
	toSummary := func() {
		ask[bool](b, `document.querySelector(".person summary").focus() === undefined`)
		b.press(kb.Enter)
	}
	toSummary()
	b.tabThrough()
	toSummary()
	b.tab(1)
	b.press(kb.Escape)
	if !ask[bool](b, `document.activeElement.matches(".person:not([open]) summary")`) {
		b.Error("Escape does not close the menu, or loses the focus")
	}
}

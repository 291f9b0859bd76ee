package console_test

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"roster/internal/rostertest"
)

// theBrowser is one Chromium for all tests of the package, each with a context of
// its own in it: cookies are not shared.
var theBrowser struct {
	once  sync.Once
	ctx   context.Context //nolint:containedctx // it is the handle of the browser
	close func()
	err   error
}

func closeBrowser() {
	if theBrowser.close != nil {
		theBrowser.close()
	}
}

func browser(t *testing.T) context.Context {
	t.Helper()
	theBrowser.once.Do(func() {
		path := ""
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if found, err := exec.LookPath(name); err == nil {
				path = found
				break
			}
		}
		if path == "" {
			theBrowser.err = errors.New("no Chromium on the PATH: 'make deps' installs it")
			return
		}
		dir, err := os.MkdirTemp("", "roster-browser") //nolint:usetesting // it outlives the test that comes first
		if err != nil {
			theBrowser.err = err
			return
		}
		allocator, stop := chromedp.NewExecAllocator(context.Background(),
			chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
			chromedp.UserDataDir(dir), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
		ctx, cancel := chromedp.NewContext(allocator)
		theBrowser.ctx = ctx //nolint:fatcontext // set once
		theBrowser.err = chromedp.Do(ctx)
		theBrowser.close = func() {
			cancel()
			stop()
			_ = os.RemoveAll(dir)
		}
	})
	if theBrowser.err != nil {
		t.Fatalf("start Chromium: %v", theBrowser.err)
	}
	return theBrowser.ctx
}

// tab is a page in the browser. Every page that it shows is checked; see checks.js.
type tab struct {
	*testing.T
	ctx  context.Context //nolint:containedctx // of the tab
	base string

	mu      sync.Mutex
	strange []string // what no page may do
}

// stepTimeout is that of a click with all that it asks of a busy machine, such as the
// import of ten thousand users under the race detector.
const stepTimeout = 2 * time.Minute

// open opens a tab in a browser context of its own.
func open(t *testing.T, s *rostertest.Server) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx, base: s.URL}
	b.must(chromedp.Do(ctx))
	_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // whichever tab is in front
	b.must(err)
	watch(b, network.RequestWillBeSent, func(e network.EventRequestWillBeSent) string {
		if strings.HasPrefix(e.Request.URL, s.URL+"/") || e.Request.URL == s.URL {
			return ""
		}
		return "a request to " + e.Request.URL
	})
	watch(b, runtime.ExceptionThrown, func(e runtime.EventExceptionThrown) string { return "an exception: " + e.ExceptionDetails.Text })
	watch(b, runtime.ConsoleAPICalled, func(e runtime.EventConsoleAPICalled) string { return "a message: " + string(e.Type) })
	watch(b, log.EntryAdded, func(e log.EventEntryAdded) string {
		if e.Entry.Source == log.EntrySourceNetwork { // a page that answers 4xx, as it should
			return ""
		}
		if strings.HasPrefix(e.Entry.Text, "Autofocus processing was blocked") { // somebody types already
			return ""
		}
		return "a log entry: " + e.Entry.Text
	})
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, what := range b.strange {
			t.Errorf("a page made %s", what)
		}
	})
	return b
}

// watch notes each event of a kind that is strange.
func watch[E any](b *tab, kind cdp.Event[E], strange func(E) string) {
	events := chromedp.Events(b.ctx, kind)
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			if what := strange(e); what != "" {
				b.mu.Lock()
				b.strange = append(b.strange, what)
				b.mu.Unlock()
			}
		}
	}()
}

func (b *tab) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// within bounds a step.
func (b *tab) within() context.Context {
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	b.Cleanup(cancel)
	return ctx
}

// visit opens a page and checks it.
func (b *tab) visit(path string) {
	b.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.base + path
	}
	b.must(chromedp.Do(b.within(), chromedp.Navigate(path)))
	b.check()
}

// click follows a link or sends a form, by the element's selector, and checks the
// page that comes.
func (b *tab) click(selector string) {
	b.Helper()
	if _, err := chromedp.RunResponse(b.within(), chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.Fatalf("click %s: %v", selector, err)
	}
	b.check()
}

// fill types into a field by its id.
func (b *tab) fill(id, text string) {
	b.Helper()
	b.must(chromedp.Do(b.within(), chromedp.SendKeys(chromedp.CSS("#"+id), text)))
}

// text is what the page shows of an element.
func (b *tab) text(selector string) string {
	b.Helper()
	text, err := chromedp.Run(b.within(), chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.Fatalf("read %s: %v", selector, err)
	}
	return text
}

// wantText fails unless the element shows the text, among others.
func (b *tab) wantText(selector, want string) {
	b.Helper()
	if got := b.text(selector); !strings.Contains(got, want) {
		b.Errorf("%s shows %q, want %q in it", selector, got, want)
	}
}

// ask asks the page.
func ask[T any](b *tab, expression string) T {
	b.Helper()
	value, err := chromedp.Run(b.within(), chromedp.Evaluate[T](expression))
	b.must(err)
	return value
}

//go:embed testdata/checks.js
var checks string

// check looks for what makes a page hard to use; see checks.js.
func (b *tab) check() {
	b.Helper()
	var faults *[]string
	for deadline := time.Now().Add(stepTimeout); faults == nil; faults = ask[*[]string](b, checks) {
		if time.Now().After(deadline) {
			b.Fatalf("%s does not finish loading", ask[string](b, `location.href`))
		}
	}
	for _, fault := range *faults {
		b.Errorf("%s: %s", ask[string](b, `location.href`), fault)
	}
}

// look sets how the page is looked at: width in pixels, dark or light. Nothing moves,
// so a page is as it will be at once.
func (b *tab) look(width, height int64, dark bool) {
	b.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.must(chromedp.Do(b.within(), chromedp.EmulateViewport(width, height)))
	_, err := chromedp.Call(b.within(), emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	b.must(err)
}

// picture takes a picture of the page as it is seen.
func (b *tab) picture(file string) {
	b.Helper()
	png, err := chromedp.Run(b.within(), chromedp.CaptureScreenshot())
	b.must(err)
	b.must(os.WriteFile(file, png, 0o644))
}

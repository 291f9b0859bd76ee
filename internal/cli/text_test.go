package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"roster/internal/directory"
	"roster/internal/roster"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Zoë O'Hara 日本":           "Zoë O'Hara 日本",
		"\x1b[31mred\x07\x9b":     "\ufffd[31mred\ufffd\ufffd",
		"a\r\nb\tc":               "a\ufffd\ufffdb\ufffdc",
		"\u202egro.elpmaxe\u200b": "\ufffdgro.elpmaxe\ufffd",
		"\xff":                    "\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
	if got := printableLines("a\r\nb\tc\x1b"); got != "a\ufffd\nb\tc\ufffd" {
		t.Errorf("%q", got)
	}
}

// What a person pastes into a shell stays one word.
func TestShellWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://users.example.com:8443/a_b-c": "https://users.example.com:8443/a_b-c",
		"":                                     "''",
		"a b":                                  "'a b'",
		"$(x)`y`;":                             "'$(x)`y`;'",
		"it's":                                 `'it'\''s'`,
		"http://[::1]:80":                      "'http://[::1]:80'",
		"é\x1b":                                "'é\ufffd'",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}

// Columns are aligned as a terminal shows them, and hostile texts stay in theirs.
func TestTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name  string
		width int
		rows  [][]string
		want  string
	}{
		{"no row", 80, nil, "A  B\n"},
		{"narrower than its header", 80, [][]string{{"", ""}}, "A  B\n   \n"},
		{
			"wide and combining characters", 80,
			[][]string{{"東京", "one"}, {"e\u0301", "two"}, {"abc", "three"}},
			"A     B\n東京  one\ne\u0301     two\nabc   three\n",
		},
		{
			"control characters and line ends", 80,
			[][]string{{"a\nb", "\x1b[2Jc"}, {"longer", "d"}},
			"A       B\na\ufffdb     \ufffd[2Jc\nlonger  d\n",
		},
		{
			"cut to fit", 40,
			[][]string{{long, "a short reason"}, {"ann@example.com", "b"}},
			"A                         B\n" + strings.Repeat("x", 23) + "…  a short reason\nann@example.com           b\n",
		},
		{
			"a long last column is cut at its bound, and the others are not cut away", 40,
			[][]string{{long, long}},
			"A                         B\n" + strings.Repeat("x", 23) + "…  " + strings.Repeat("x", 99) + "…\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			writeTable(&out, c.width, []string{"A", "B"}, c.rows)
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A text of characters that take no room cannot fill the terminal either.
func TestCellBoundsCharacters(t *testing.T) {
	t.Parallel()
	got := cell("a"+strings.Repeat("\u0301", 100_000), maxCell)
	if n := len([]rune(got)); n > 4*maxCell+1 || runewidth.StringWidth(got) > maxCell {
		t.Errorf("%d characters", n)
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	start := time.Date(2031, 7, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	for _, c := range []struct {
		done int
		last float64 // when that was
		now  float64
		over bool
		want string
	}{
		{0, 0, 3.2, false, "  3s"},
		{0, 0, 3.2, true, "  3s"},
		{400, 8, 8, false, "  50/s  12s left"},
		{400, 8, 10, false, "  50/s  10s left"}, // the next step is under way
		{400, 8, 60, false, "  50/s  0s left"},  // and late
		{4, 8, 8, false, "  0.5/s  33m12s left"},
		{1000, 20.04, 25, true, "  50/s in 20s"},
		{1000, 0, 0, true, "  1000000/s in 0s"},
	} {
		p := &progress{total: 1000, start: start, done: c.done, last: at(c.last)}
		if got := p.pace(c.over, at(c.now)); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// A bar that is given up stays where it was, and the terminal is free again.
func TestProgressEndsWhereItWas(t *testing.T) {
	t.Parallel()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 10, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		var all strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := ptmx.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				shown <- all.String()
				return
			}
			if strings.Contains(all.String(), "4 / 10") {
				select {
				case shown <- all.String():
				default:
				}
			}
		}
	}()
	e := &env{err: tty}
	p := e.progress("Reading lines", 10)
	p.at(4)
	<-shown
	p.end()
	p.at(5) // too late
	tty.Close()
	if got := <-shown; !strings.Contains(got, "Reading lines 4 / 10  [") || !strings.HasSuffix(got, "\r\n") || strings.Contains(got, "5 / 10") {
		t.Errorf("the terminal shows %q", got)
	}
	if (&env{err: tty, json: true}).progress("x", 1) != nil || (&env{err: &strings.Builder{}}).spinner("x") != nil {
		t.Error("there is a bar where there should be none")
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("x", 39)
	for text, want := range map[string]string{
		"":                                "",
		"a, b":                            "a, b",
		word + " " + word + "x" + " b":    word + " " + word + "x\nb",
		word + " " + word + "xx" + " b":   word + "\n" + word + "xx b",
		strings.Repeat("y", 90) + " b, c": strings.Repeat("y", 90) + "\nb, c",
	} {
		if got := wrap(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}

// An app that is deleted has no live secret, so it has no table of them.
func TestDeletedAppHasNoEmptyTable(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	app := roster.AppDetails{Keys: []directory.AppKey{{Number: 1, Created: now}}}
	for _, test := range []struct {
		retired time.Time
		table   bool
	}{{time.Time{}, true}, {now, false}} {
		app.Keys[0].Retired = test.retired
		var out strings.Builder
		writeApp(&out, 80, app)
		if got := strings.Contains(out.String(), "SECRET "); got != test.table {
			t.Errorf("retired %v: a table %v, not %v\n%s", test.retired, got, test.table, out.String())
		}
	}
}

func TestLimitsText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"off": "no rate limit", "60/m,5/s": "the rate limit 60/m,5/s"} {
		limits, err := directory.ParseRateLimits(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := limitsText(&limits); got != want {
			t.Errorf("%s is %q, not %q", text, got, want)
		}
	}
	if got := limitsText(nil); got != "the rate limit of the server" {
		t.Errorf("none is %q", got)
	}
}

package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/cupwriter"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"roster/internal/config"
)

// progressDelay is how long work goes on before its progress is shown: what is
// over at once needs none.
const progressDelay = 200 * time.Millisecond

// progress shows on standard error how far some work has come. A nil progress
// shows nothing.
type progress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	delay     *time.Timer

	total int
	step  int // smaller steps are not passed on to the bar
	start time.Time

	mu   sync.Mutex
	base int // what was done before it began
	done int
	last time.Time // when done was reached
}

// progress begins to show how much of total is done, with the rate and the time
// left. It is for people: nil where standard error is no terminal that can move
// its cursor, and with --json.
func (e *env) progress(what string, total int) *progress {
	return e.startProgress(total, mpb.BarStyle(), func(p *progress) []mpb.BarOption {
		return []mpb.BarOption{
			mpb.PrependDecorators(decor.Name(what+" "), decor.CountersNoUnit("%d / %d ")),
			mpb.AppendDecorators(decor.Percentage(), decor.Any(func(s decor.Statistics) string { return p.pace(s.Completed || s.Aborted, time.Now()) })),
		}
	})
}

// progressFrom is progress of work of which some was done before.
func (e *env) progressFrom(what string, base, total int) *progress {
	p := e.progress(what, total)
	if p != nil && base > 0 {
		p.mu.Lock()
		p.base, p.done, p.last = base, base, p.start
		p.mu.Unlock()
		p.bar.SetCurrent(int64(base))
	}
	return p
}

// spinner begins to show that work goes on which tells nothing before its end.
// It is nil where progress is.
func (e *env) spinner(what string) *progress {
	style := mpb.SpinnerStyle("-", "\\", "|", "/").PositionLeft()
	return e.startProgress(0, style, func(p *progress) []mpb.BarOption {
		return []mpb.BarOption{
			mpb.BarWidth(1),
			mpb.BarFillerClearOnAbort(),
			mpb.PrependDecorators(decor.Name(what + " ")),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)),
		}
	})
}

func (e *env) startProgress(total int, style mpb.BarFillerBuilder, options func(*progress) []mpb.BarOption) *progress {
	terminal, ok := e.err.(*os.File)
	if !ok || e.json || !isTerminal(terminal) || config.DumbTerminal() {
		return nil
	}
	console := cupwriter.New(fromLeft{terminal}, false)
	console.SetTermFd(int(terminal.Fd()))
	show := make(chan any)
	p := &progress{
		container: mpb.New(mpb.WithConsoleWriter(console), mpb.WithRenderDelay(show), mpb.WithDebugOutput(io.Discard)),
		delay:     time.AfterFunc(progressDelay, func() { close(show) }),
		total:     total,
		step:      max(1, total/500),
		start:     time.Now(),
	}
	p.bar = p.container.New(int64(total), style, options(p)...)
	return p
}

// fromLeft writes each picture from the left edge, wherever the echo of a key,
// such as the ^C of an interruption, has left the cursor.
type fromLeft struct{ w io.Writer }

// Write implements io.Writer.
func (f fromLeft) Write(p []byte) (int, error) {
	n, err := f.w.Write(append([]byte{'\r'}, p...))
	return max(n-1, 0), err
}

// at says that n of the total are done.
func (p *progress) at(n int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	if n < p.total && n-p.done < p.step {
		p.mu.Unlock()
		return
	}
	p.done, p.last = n, time.Now()
	p.mu.Unlock()
	p.bar.SetCurrent(int64(n))
}

// end leaves the line as it is and the terminal to others.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.delay.Stop()
	p.bar.Abort(false) // unless it is complete
	p.container.Wait()
}

// pace is the rate so far and the time left at that rate; before there is a
// rate it is the time that has gone by. Between two steps the time left runs
// down.
func (p *progress) pace(over bool, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == p.base {
		return fmt.Sprintf("  %v", now.Sub(p.start).Round(time.Second))
	}
	took := max(p.last.Sub(p.start), time.Millisecond)
	rate := fmt.Sprintf("  %s/s", rounded(float64(p.done-p.base)/took.Seconds()))
	if over {
		return fmt.Sprintf("%s in %v", rate, took.Round(100*time.Millisecond))
	}
	left := time.Duration(float64(took)/float64(p.done-p.base)*float64(p.total-p.done)) - now.Sub(p.last)
	return fmt.Sprintf("%s  %v left", rate, max(left, 0).Round(time.Second))
}

// rounded has a digit behind the point where there are few before it.
func rounded(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}

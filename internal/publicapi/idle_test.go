package publicapi_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// descriptors is how many files the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// affordable is how many connections with both their ends this process may
// open, n at most. The runtime has raised its limit as far as it goes.
func affordable(t *testing.T, n int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	const others = 200 // databases, other connections
	if room := (int(limit.Cur) - descriptors(t) - others) / 2; room < n {
		t.Logf("%d connections in place of %d: the process may open %d files", room, n, limit.Cur)
		return room
	}
	return n
}

// inUse is how many bytes live on the heap and on the stacks.
func inUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestIdleConnections opens many connections, each of which has had an answer and
// asks for nothing more: calls are served meanwhile, and a connection costs little.
// The server closes an idle connection when its time is over, and has its file back.
// The long form opens ten thousand connections.
//
// It measures the whole process, so it does not run in parallel.
func TestIdleConnections(t *testing.T) {
	n, timeouts := 500, unhurried()
	if storetest.Long() {
		n = 10_000
	}
	timeouts.Idle = time.Hour // they stay for as long as the test takes
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: timeouts})
	w.compare(w.Remove(w.app, emails(bob)), http.StatusOK, removed, nil) // opens what it opens once
	n = affordable(t, n)
	files, before := descriptors(t), inUse()
	idle := make([]net.Conn, n)
	for i := range idle {
		idle[i] = w.idle()
	}
	each := (inUse() - before) / n
	// Of both ends, most of it the server's: a goroutine and two buffers of 4 KiB.
	const most = 32 << 10
	if t.Logf("%d connections, %d bytes for each", n, each); each > most {
		t.Errorf("a connection costs %d bytes, want at most %d", each, most)
	}
	w.compare(w.Remove(w.app, emails(ann)), http.StatusOK, removed, nil)
	if open := descriptors(t) - files; open < 2*n {
		t.Fatalf("only %d files are open, want %d: the connections are not idle together", open, 2*n)
	}
	for _, c := range idle {
		c.Close()
	}
	eventually(t, "the files of the connections", func() bool { return descriptors(t) <= files+2 })

	timeouts.Idle = 10 * time.Millisecond
	w = start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: timeouts})
	if _, err := w.idle().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection ends by %v", err)
	}
}

// idle is a connection that has had its answer.
func (w *world) idle() net.Conn {
	w.T.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(3 * time.Minute)) // nothing may hang
	io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: roster\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		w.T.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return c
}

// Package server puts the program together: it opens the directory, builds the
// tree of handlers from the doors, and starts and stops them in order. It has
// no rules of its own.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"roster/internal/console"
	"roster/internal/job"
	"roster/internal/publicapi"
	"roster/internal/roster"
	"roster/internal/web"
)

// Config says how to serve.
type Config struct {
	// Addr is where to listen, host:port. Port 0 takes a free one.
	Addr string
	// MetricsAddr is where to listen for whoever collects metrics; empty for nowhere.
	MetricsAddr string
	// TLSCert and TLSKey are the files of a certificate chain and its key, in
	// PEM; both or neither. With them the server speaks TLS alone, and reads
	// them again when they change.
	TLSCert, TLSKey string
	// Roster says which directory to open.
	Roster roster.Options
	Limits publicapi.Limits
	// Timeouts are those of DefaultTimeouts, unless they are set.
	Timeouts Timeouts
	// Checkpoints of the audit log are written to a file, if one is named.
	Checkpoints Checkpoints
	// Erasures is the file of the list of erasures; empty for none.
	Erasures string
	Log      *slog.Logger
}

// Checkpoints say where and how often the end of the audit log is written down.
type Checkpoints struct {
	File  string // empty for nowhere
	Every time.Duration
}

// Timeouts bound how long a connection may wait for its client; see
// docs/operations.md.
type Timeouts struct {
	Header time.Duration // a request's header
	Body   time.Duration // a request, its body included
	Idle   time.Duration // the next request
	web.Timeouts
}

// DefaultTimeouts are those of a server in use. Tests have no time for them.
var DefaultTimeouts = Timeouts{
	Header:   10 * time.Second,
	Body:     2 * time.Minute,
	Idle:     2 * time.Minute,
	Timeouts: web.Timeouts{Answer: 2 * time.Minute, Drain: 5 * time.Second},
}

const (
	stopTimeout = 5 * time.Minute // as long as a call may take
	maxHeader   = 64 << 10
)

// Server is an open directory with its doors, listening.
type Server struct {
	roster   *roster.Roster
	listener net.Listener
	http     *http.Server
	secure   bool // HTTPS
	log      *slog.Logger
	routes   []string
	metrics  *metrics // nil without Config.MetricsAddr
	stopping atomic.Bool

	checkpoints Checkpoints
	erasures    string
}

// New opens the directory, migrates it where needed, and listens. The port is
// taken first, so that a second server does not touch the database.
func New(ctx context.Context, cfg Config) (*Server, error) {
	var secure *tls.Config // none for plain HTTP
	if cfg.TLSCert != "" || cfg.TLSKey != "" {
		pair, err := loadKeyPair(cfg.TLSCert, cfg.TLSKey, cfg.Log)
		if err != nil {
			return nil, err
		}
		secure = pair.config()
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w (choose another address with --addr)", err)
	}
	metrics, err := listenMetrics(ctx, cfg.MetricsAddr)
	if err != nil {
		listener.Close()
		return nil, err
	}
	cfg.Roster.Secrets = true
	cfg.Roster.Serve = true
	cfg.Roster.Migration = roster.MigrateAll
	r, err := roster.Open(ctx, cfg.Roster)
	if err != nil {
		listener.Close()
		_ = metrics.close()
		return nil, err
	}
	if cfg.Timeouts == (Timeouts{}) {
		cfg.Timeouts = DefaultTimeouts
	}
	s := &Server{roster: r, listener: listener, log: cfg.Log, secure: secure != nil, metrics: metrics, checkpoints: cfg.Checkpoints, erasures: cfg.Erasures}
	s.http = &http.Server{
		Handler:           s.handler(cfg),
		TLSConfig:         secure,
		ReadHeaderTimeout: cfg.Timeouts.Header,
		ReadTimeout:       cfg.Timeouts.Body,
		IdleTimeout:       cfg.Timeouts.Idle,
		MaxHeaderBytes:    maxHeader,
		// OPTIONS * is a path that we do not know, like any other.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// handler is the tree of all routes. Paths are matched as they come: a path
// that would have to be cleaned or unescaped first is unknown, and nobody is
// redirected. A proxy in front that guards a path then sees what we see.
func (s *Server) handler(cfg Config) http.Handler {
	api := publicapi.New(s.roster, cfg.Log, cfg.Limits)
	people := console.New(s.roster, cfg.Log, console.Options{
		Proxies: cfg.Limits.Proxies, Failures: cfg.Limits.Failures,
		CallTimeout: cmp.Or(cfg.Limits.CallTimeout, publicapi.DefaultCallTimeout),
	})
	// The pages beside the doors, which are read by GET and HEAD.
	pages := map[string]http.HandlerFunc{
		"/healthz":      healthy,
		"/readyz":       s.ready,
		"/openapi.yaml": publicapi.ServeDocument,
	}
	s.routes = api.Routes()
	for path := range pages {
		s.routes = append(s.routes, http.MethodGet+" "+path, http.MethodHead+" "+path)
	}
	slices.Sort(s.routes)
	return web.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.EscapedPath(), "/api/public/") {
			api.ServeHTTP(w, r)
			return
		}
		if console.Has(r.URL.EscapedPath()) {
			people.ServeHTTP(w, r)
			return
		}
		page, ok := pages[r.URL.EscapedPath()]
		if !ok || !isRead(r) {
			publicapi.NotFound(w, r)
			return
		}
		web.SetRoute(r.Context(), r.URL.EscapedPath())
		page(w, r)
	}), cfg.Log, cfg.Timeouts.Timeouts, onPanic, s.metrics.observe())
}

// onPanic answers after a panic in the words of the door that it was in.
func onPanic(w http.ResponseWriter, r *http.Request) {
	if console.Has(r.URL.EscapedPath()) {
		console.OnPanic(w, r)
		return
	}
	publicapi.OnPanic(w, r)
}

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// healthy says that the process serves.
func healthy(w http.ResponseWriter, _ *http.Request) { status(w, http.StatusOK, "ok") }

// ready says whether calls can be served: not while stopping, nor without the
// database.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	err := s.roster.Ready(ctx)
	switch {
	case s.stopping.Load():
		status(w, http.StatusServiceUnavailable, "stopping")
	case err != nil:
		web.SetWhy(r.Context(), err.Error())
		status(w, http.StatusServiceUnavailable, "database unavailable")
	default:
		status(w, http.StatusOK, "ready")
	}
}

func status(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n") // the client is gone
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// MetricsAddr is the address that metrics are served at, empty for none.
func (s *Server) MetricsAddr() string {
	if s.metrics == nil {
		return ""
	}
	return s.metrics.listener.Addr().String()
}

// URL is where a client on this machine finds the server.
func (s *Server) URL() string {
	if s.secure {
		return "https://" + s.Addr()
	}
	return "http://" + s.Addr()
}

// LocalURL is where a browser on this machine finds the server, also when it
// listens on all addresses.
func (s *Server) LocalURL() string {
	addr, ok := s.listener.Addr().(*net.TCPAddr)
	if ok && addr.IP.IsUnspecified() {
		return strings.TrimSuffix(s.URL(), s.Addr()) + net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.Port))
	}
	return s.URL()
}

// LinkPath is the path of the page on which a password is set by a link.
func LinkPath(token string) string { return console.Root + "/link/" + token }

// Routes lists what the server answers to programs, as "METHOD /path", sorted.
// Every other method and path is refused before anybody looks at the token. What
// is at and below console.Root is for people.
func (s *Server) Routes() []string { return slices.Clone(s.routes) }

// Roster is the open directory, for whoever acts beside the doors.
func (s *Server) Roster() *roster.Roster { return s.roster }

// serve takes connections until the server stops.
func (s *Server) serve() error {
	if s.secure {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

// Run serves until ctx ends or the listener fails, then takes no new connection,
// finishes what was accepted and closes the database. It returns nil after an orderly
// stop.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	workers.Go(func() { job.Purge(background, s.roster, s.log) })
	workers.Go(func() { job.ForgetCalls(background, s.roster, s.log) })
	workers.Go(func() { job.Removals(background, s.roster, s.log) })
	workers.Go(func() { job.SweepSpools(background, s.roster, s.log) })
	workers.Go(func() { job.ForgetSignIns(background, s.roster, s.log) })
	workers.Go(func() { job.Notes(background, s.roster, s.log) })
	if s.checkpoints.File != "" {
		workers.Go(func() {
			job.Checkpoints(background, s.roster, s.checkpoints.File, s.checkpoints.Every, s.log)
		})
	}
	if s.erasures != "" {
		workers.Go(func() { job.Erasures(background, s.roster, s.erasures, s.log) })
	}
	s.metrics.start(s.roster, s.log)
	s.log.Info("serving", "addr", s.Addr(), "tls", s.secure, "database", s.roster.Engine())
	if !s.secure && reachable(s.listener.Addr()) {
		s.log.Warn("no TLS on an address that other machines can reach: tokens can be overheard", "addr", s.Addr())
	}

	var err error
	select {
	case err = <-served: // the listener failed
	case <-ctx.Done():
	}
	s.log.Info("stopping")
	s.stopping.Store(true)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if e := s.http.Shutdown(stop); e != nil {
		err = errors.Join(err, fmt.Errorf("stop: calls were still running after %v: %w", stopTimeout, e))
	}
	stopBackground()
	workers.Wait()
	err = errors.Join(err, s.metrics.close(), s.roster.Close())
	s.log.Info("stopped")
	return err
}

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"roster/internal/roster"
	"roster/internal/web"
)

// metrics are the server's numbers in the form of Prometheus, on a listener of
// their own, which the clients of the API need not reach. Labels name routes,
// statuses and reasons, of which there are few, and never an app or a person.
// A nil metrics counts and serves nothing.
type metrics struct {
	listener net.Listener
	http     *http.Server
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// listenMetrics takes the port; start serves it.
func listenMetrics(ctx context.Context, addr string) (*metrics, error) {
	if addr == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for metrics: %w (choose another address with --metrics-addr)", err)
	}
	return &metrics{
		listener: listener,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "roster_http_requests_total", Help: "Requests that were answered.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "roster_http_request_duration_seconds", Help: "Time from a request's headers to the end of its answer.",
			// A removal of one user takes milliseconds, one of 100,000 many seconds.
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"route"}),
	}, nil
}

// observe is what web.Wrap tells of each request.
func (m *metrics) observe() web.Observe {
	if m == nil {
		return nil
	}
	return func(method, route string, status int, took time.Duration) {
		if route == "" {
			route = "unknown"
		}
		m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		m.duration.WithLabelValues(route).Observe(took.Seconds())
	}
}

// start serves /metrics until stop.
func (m *metrics) start(r *roster.Roster, log *slog.Logger) {
	if m == nil {
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		m.requests, m.duration, rosterCollector{r},
		collectors.NewBuildInfoCollector(), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4,
	}))
	m.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: DefaultTimeouts.Header,
		ReadTimeout:       DefaultTimeouts.Header,
		WriteTimeout:      DefaultTimeouts.Body,
		IdleTimeout:       DefaultTimeouts.Idle,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("serving metrics", "addr", m.listener.Addr().String())
	go func() {
		if err := m.http.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are served no more", "error", err)
		}
	}()
}

// close ends the listener, whether or not it was served.
func (m *metrics) close() error {
	if m == nil {
		return nil
	}
	if m.http == nil {
		return m.listener.Close()
	}
	return m.http.Close()
}

// rosterCollector turns the counts of the directory into metrics when somebody asks.
type rosterCollector struct{ roster *roster.Roster }

var (
	refusedTokens = prometheus.NewDesc("roster_refused_tokens_total", "Calls that were refused because of their token, by reason.", []string{"reason"}, nil)
	usersRemoved  = prometheus.NewDesc("roster_users_removed_total", "Users who were removed.", nil, nil)
	usersRefused  = prometheus.NewDesc("roster_users_refused_total", "Users who were named in a removal and not removed.", nil, nil)
	jobsOpen      = prometheus.NewDesc("roster_jobs_unfinished", "Removal jobs of all servers that were not over when this one looked last.", nil, nil)
	jobChunks     = prometheus.NewDesc("roster_job_chunks_total", "Chunks of removal jobs that were done.", nil, nil)
	jobsEnded     = prometheus.NewDesc("roster_jobs_ended_total", "Removal jobs that came to their end, by how.", []string{"state"}, nil)
	purgeWaiting  = prometheus.NewDesc("roster_purge_waiting", "1 while the purge of this server erases nobody because its clock may be wrong, and 0 otherwise.", nil, nil)
	usersRestored = prometheus.NewDesc("roster_users_restored_total", "Removed users who were restored.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c rosterCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- refusedTokens
	ch <- usersRemoved
	ch <- usersRefused
	ch <- usersRestored
	ch <- purgeWaiting
	ch <- jobsOpen
	ch <- jobChunks
	ch <- jobsEnded
}

// Collect implements prometheus.Collector.
func (c rosterCollector) Collect(ch chan<- prometheus.Metric) {
	counts := c.roster.Counts()
	for reason, n := range counts.RefusedTokens {
		ch <- prometheus.MustNewConstMetric(refusedTokens, prometheus.CounterValue, float64(n), string(reason))
	}
	ch <- prometheus.MustNewConstMetric(usersRemoved, prometheus.CounterValue, float64(counts.UsersRemoved))
	ch <- prometheus.MustNewConstMetric(usersRefused, prometheus.CounterValue, float64(counts.UsersRefused))
	ch <- prometheus.MustNewConstMetric(usersRestored, prometheus.CounterValue, float64(counts.UsersRestored))
	waiting := 0.0
	if c.roster.PurgeWait().Waiting() {
		waiting = 1
	}
	ch <- prometheus.MustNewConstMetric(purgeWaiting, prometheus.GaugeValue, waiting)
	ch <- prometheus.MustNewConstMetric(jobsOpen, prometheus.GaugeValue, float64(counts.JobsOpen))
	ch <- prometheus.MustNewConstMetric(jobChunks, prometheus.CounterValue, float64(counts.JobChunks))
	for state, n := range counts.JobsEnded {
		ch <- prometheus.MustNewConstMetric(jobsEnded, prometheus.CounterValue, float64(n), string(state))
	}
}

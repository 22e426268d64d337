package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ottla.dev/core"
	"ottla.dev/node/disk"
	"ottla.dev/node/run"
	"ottla.dev/node/server"
)

// Metrics is the registry of one broker.
type Metrics struct {
	registry *prometheus.Registry
	server   *http.Server
}

// New returns the counters of a broker that has not started: it observes the disk's syncs from then on.
//
// offline counts the log directories that have failed.
func New(e *run.Engine, d *disk.Disk, s *server.Server, offline func() int64) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	m.counter("machine_steps_total", "Inputs that the broker's machines have taken.", e.Steps.Load)

	for name, role := range map[string]core.Role{"control": core.RoleControl, "shard": core.RoleShard,
		"session": core.RoleSession} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace,
			Name: "longest_step_seconds", Help: "The longest that a machine took for a step, since the start.",
			ConstLabels: prometheus.Labels{"machine": name}},
			func() float64 { return e.LongestStep(role).Seconds() }))
	}

	m.counter("connections_accepted_total", "Connections taken.", s.Accepted.Load)
	m.counter("connections_refused_total", "Connections closed at once for a limit.", s.Refused.Load)
	m.gauge("connections", "Open connections.", func() int64 { return int64(s.Connections()) })
	m.counter("requests_received_total", "Requests read.", s.FramesIn.Load)
	m.counter("answers_sent_total", "Answers that have left whole.", s.FramesOut.Load)
	m.counter("received_bytes_total", "Bytes read from clients.", s.BytesIn.Load)
	const sent = "Bytes sent to clients, by the way they took."
	for i, by := range server.SentBy() {
		m.labelled("sent_bytes_total", sent, "by", by, s.Sent[i].Load)
	}
	m.gauge("queued_request_bytes", "Bytes of large requests in memory.", s.QueuedBytes)

	m.gauge("offline_log_directory_count", "Log directories that have failed and are not used any more.", offline)
	m.counter("disk_written_bytes_total", "Bytes written to logs and indexes.", d.Written.Load)
	m.counter("disk_writes_total", "System calls for that.", d.Writes.Load)
	m.gauge("disk_open_files", "Open files of logs.", func() int64 { return int64(d.OpenFiles()) })
	m.counter("disk_sync_rounds_total", "Rounds of the committers.",
		func() int64 { n, _, _ := d.SyncStats(); return n })
	m.counter("disk_synced_files_total", "Files in those rounds.",
		func() int64 { _, n, _ := d.SyncStats(); return n })
	m.counter("disk_syncfs_total", "Rounds that synced the file system as a whole.",
		func() int64 { _, _, n := d.SyncStats(); return n })
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "disk_sync_seconds",
		Help: "Duration of a committer's round.", Buckets: prometheus.ExponentialBuckets(50e-6, 2, 18)})
	m.registry.MustRegister(seconds)
	d.ObserveSyncs(func(took time.Duration) { seconds.Observe(took.Seconds()) })
	return m
}

const namespace = "ottla"

func (m *Metrics) counter(name, help string, read func() int64) { m.labelled(name, help, "", "", read) }

func (m *Metrics) labelled(name, help, label, value string, read func() int64) {
	opts := prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
	if label != "" {
		opts.ConstLabels = prometheus.Labels{label: value}
	}
	m.registry.MustRegister(prometheus.NewCounterFunc(opts, func() float64 { return float64(read()) }))
}

func (m *Metrics) gauge(name, help string, read func() int64) {
	opts := prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
	m.registry.MustRegister(prometheus.NewGaugeFunc(opts, func() float64 { return float64(read()) }))
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// headerTimeout bounds how long a scraper may take to send its request.
const headerTimeout = 5 * time.Second

// Listen serves the metrics under /metrics at address and returns the address in use.
func (m *Metrics) Listen(address string) (net.Addr, error) {
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot serve metrics on %s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	go func() {
		if err := m.server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			socket.Close()
		}
	}()
	return socket.Addr(), nil
}

// Close ends Listen.
func (m *Metrics) Close(ctx context.Context) {
	if m.server != nil {
		m.server.Shutdown(ctx)
	}
}

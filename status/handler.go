package status

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
	"sigs.k8s.io/yaml"
)

// maxScrapes bounds how many scrapes are answered at a time, whoever asks.
const maxScrapes = 8

// auditTimeout bounds how long somebody waits for an audit: a pass that is under way is ended first. It is less than answerTimeout.
const auditTimeout = 50 * time.Second

// driftHeader has the number of statements that an audit found changed by somebody's hand.
const driftHeader = "Fairlead-Drift"

// handler serves what anyone may read: /metrics, /healthz and /readyz, and /debug/pprof where it is asked for. With local it
// serves /status too, which names the objects of all namespaces.
func handler(b *Board, c Config, local bool, log logrus.FieldLogger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(b), promhttp.HandlerOpts{
		ErrorLog:            log,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	}))
	mux.HandleFunc("GET /healthz", health("healthz", b, liveness))
	mux.HandleFunc("GET /readyz", health("readyz", b, readiness))
	if c.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	if local {
		mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { serve(w, r, b.State()) })
		mux.HandleFunc("POST /audit", func(w http.ResponseWriter, r *http.Request) { serveAudit(w, r, b) })
		for name, question := range c.Questions {
			mux.HandleFunc("GET /ask/"+name, serveQuestion(question))
		}
	}
	return mux
}

// registry holds what /metrics tells: the State, the process and Go's runtime.
func registry(b *Board) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		newCollector(b),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// serveAudit has an audit made, and answers with it in either form. Its failure is a 503 that says why.
func serveAudit(w http.ResponseWriter, r *http.Request, b *Board) {
	ctx, cancel := context.WithTimeout(r.Context(), auditTimeout)
	defer cancel()
	audit, err := b.MakeAudit(ctx)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set(driftHeader, strconv.Itoa(audit.Drift()))
	answer(w, r, audit, audit.Print)
}

// serve answers with s, in either form.
func serve(w http.ResponseWriter, r *http.Request, s *State) { answer(w, r, s, s.Print) }

// answer answers with value as JSON, or as YAML or with the page for people where output=yaml or output=table asks for it.
func answer(w http.ResponseWriter, r *http.Request, value any, page func(io.Writer, time.Time) error) {
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Query().Get("output") == "table" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_ = page(w, time.Now())
		return
	}
	if r.URL.Query().Get("output") == "yaml" {
		text, err := yaml.Marshal(value)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value)
}

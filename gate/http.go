package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/plumbline-dev/plumbline"
)

var runRule = regexp.MustCompile(`^[a-z2-7]{26}$`)

// Handler serves everything that people and controllers may ask over HTTP. Errors are {"error":"one line"}, except to
// Flagger, which shows plain text.
func (g *Gate) Handler() http.Handler {
	mux := http.NewServeMux()
	route(mux, http.MethodGet, "/v1/gates/{service}/{color}", g.secured(RoleGate, g.serveGate))
	route(mux, http.MethodPost, "/v1/gates/{service}/{color}/confirm", g.serveConfirm)
	route(mux, http.MethodPost, "/v1/gates/{service}/{color}/rollback", g.serveRollback)
	route(mux, http.MethodGet, "/v1/runs/{run}", g.secured("", g.serveRun))
	route(mux, http.MethodGet, "/v1/services", g.secured("", g.serveServices))
	route(mux, http.MethodGet, "/v1/services/{service}", g.secured("", g.serveService))
	route(mux, http.MethodGet, "/livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "alive") })
	route(mux, http.MethodGet, "/readyz", g.serveReady)
	route(mux, http.MethodGet, "/metrics", g.secured("", promhttp.HandlerFor(g.Registry, promhttp.HandlerOpts{}).ServeHTTP))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, fmt.Errorf("nothing is served at %q", r.URL.Path))
	})
	return g.fromHere(mux)
}

// route serves one method of a path, and says so to all others. GET serves HEAD, too.
func route(mux *http.ServeMux, method, path string, h http.HandlerFunc) {
	mux.HandleFunc(method+" "+path, h)
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", method)
		writeError(w, http.StatusMethodNotAllowed, fmt.Errorf("%s isn't served here, want %s", r.Method, method))
	})
}

// secured serves only who may ask.
func (g *Gate) secured(role string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := g.allowed(secretOf(r), role); err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="plumbline"`)
			writeError(w, authStatus(err), err)
			return
		}
		h(w, r)
	}
}

func (g *Gate) serveGate(w http.ResponseWriter, r *http.Request) {
	pairs, err := fromQuery(r.URL.RawQuery)
	if err != nil {
		writeError(w, httpStatus(err), err)
		return
	}
	asked, err := question(pairs)
	if err != nil {
		writeError(w, httpStatus(err), err)
		return
	}
	doc, err := g.Answer(r.PathValue("service"), plumbline.Color(r.PathValue("color")), asked)
	if err != nil {
		writeError(w, httpStatus(err), err)
		return
	}
	writeJSON(w, http.StatusOK, doc)
}

func (g *Gate) serveRun(w http.ResponseWriter, r *http.Request) {
	run := r.PathValue("run")
	if g.Run == nil || !runRule.MatchString(run) {
		writeError(w, http.StatusNotFound, fmt.Errorf("%q is no run: want 26 letters and digits", run))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), CutOffAfter) // a bus that is away is waited for without end
	defer cancel()
	verdict, found, err := g.Run(ctx, run)
	switch {
	case err != nil:
		writeError(w, http.StatusServiceUnavailable, fmt.Errorf("the verdict of run %s can't be read: %w", run, err))
	case !found:
		writeError(w, http.StatusNotFound, fmt.Errorf("run %s has no verdict", run))
	default:
		write(w, http.StatusOK, "application/json", verdict)
	}
}

func (g *Gate) serveReady(w http.ResponseWriter, _ *http.Request) {
	err := g.cutOff()
	if err == nil && g.Ready != nil {
		err = g.Ready()
	}
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	writeText(w, http.StatusOK, "ready")
}

func httpStatus(err error) int {
	switch {
	case errors.Is(err, ErrQuestion):
		return http.StatusBadRequest
	case errors.Is(err, ErrUnknown):
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, document any) {
	body, err := json.Marshal(document)
	if err != nil { // no document of ours does this: the answer must not be an open gate cut short
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer can't be written as JSON"}`)
	}
	write(w, status, "application/json", append(body, '\n'))
}

func writeText(w http.ResponseWriter, status int, text string) {
	write(w, status, "text/plain; charset=utf-8", []byte(text+"\n"))
}

func write(w http.ResponseWriter, status int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // #nosec G705 -- JSON or text, sent as such with nosniff; who went away needs no answer
}

// Server is an HTTP server that nobody can hold up. The caller listens, serves and shuts it down.
func Server(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: handler,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

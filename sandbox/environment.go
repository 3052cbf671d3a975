package sandbox

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// ColorHeader names, in every answer of an environment, the color that gave it.
const ColorHeader = "Plum-Color"

const maxBody = 1 << 20

// An Environment is one color of Plum. It serves while its condition changes: a request sees one condition to its end.
type Environment struct {
	color     plumbline.Color
	store     *store
	providers *providers
	client    Client
	catalogue []product
	handler   http.Handler
	calls     map[string]operation

	mu        sync.Mutex
	condition Condition
}

// A Client is who may log in: an id and its secret.
type Client struct{ ID, Secret string }

func newEnvironment(color plumbline.Color, release plumbline.Release, s *store, p *providers, client Client) *Environment {
	e := &Environment{color: color, store: s, providers: p, client: client, catalogue: newCatalogue(),
		condition: Condition{Release: release}}
	e.calls = e.operations()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", e.healthz)
	mux.HandleFunc("GET /version", e.version)
	mux.HandleFunc("GET /integrations/{provider}/health", e.integration)
	mux.HandleFunc("POST /chef/v1/oauth/token", e.login)
	mux.HandleFunc("GET /chef/v1/oauth/token", e.bearer(e.token))
	mux.HandleFunc("POST /chef/v1/oauth/api", e.bearer(e.dispatch))
	mux.HandleFunc("POST /chef/v1/oauth/api/generateLink", e.bearer(e.generateLink))
	mux.HandleFunc("POST /chef/v1/links/{code}/redeem", e.bearer(e.redeem))
	mux.HandleFunc("GET /chef/v1/admin/{list}", e.bearer(e.admin))
	mux.HandleFunc("POST /chef/v1/admin/webhook-test", e.bearer(e.webhookTest))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		e.refuse(w, unknown("there is no %s %.80s", r.Method, r.URL.Path))
	})
	e.handler = mux
	return e
}

// Color tells which of the two it is.
func (e *Environment) Color() plumbline.Color { return e.color }

// Condition is how the color is at the moment.
func (e *Environment) Condition() Condition {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.condition
}

// Deploy makes the color run a release, with these faults. Requests under way end under the former condition.
func (e *Environment) Deploy(release plumbline.Release, faults Faults) error {
	return e.change(change{Version: &release.Version, Digest: &release.Digest, Faults: &faults})
}

// SetFaults leaves the release as it is.
func (e *Environment) SetFaults(faults Faults) error { return e.change(change{Faults: &faults}) }

// SetConfig sets the color up otherwise.
func (e *Environment) SetConfig(config Config) error { return e.change(change{Config: &config}) }

// SetCredentials replaces what the color presents to its providers.
func (e *Environment) SetCredentials(credentials Credentials) error {
	return e.change(change{Credentials: &credentials})
}

func (e *Environment) change(c change) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	next, err := c.apply(e.condition)
	if err != nil {
		return err
	}
	if broken := next.Faults.BrokenWorkdayCredential; broken != e.condition.Faults.BrokenWorkdayCredential {
		fault := ""
		if broken {
			fault = workdayCredential
		}
		if err := e.providers.simulators.set("workday", e.color, fault); err != nil {
			return err
		}
	}
	e.condition = next
	return nil
}

type conditionKey struct{}

// conditionOf is the condition under which a request is answered.
func conditionOf(r *http.Request) Condition {
	c, _ := r.Context().Value(conditionKey{}).(Condition)
	return c
}

// ServeHTTP answers as Plum does. The faults of the color concern the API alone: the process itself is up.
func (e *Environment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	condition := e.Condition()
	r = r.WithContext(context.WithValue(r.Context(), conditionKey{}, condition))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	w.Header().Set(ColorHeader, string(e.color))
	if strings.HasPrefix(r.URL.Path, "/chef/") {
		if wait(r.Context(), time.Duration(condition.Faults.Slow)) != nil {
			return // the caller left
		}
		if condition.Faults.Errors {
			e.refuse(w, errInternal)
			return
		}
	}
	e.handler.ServeHTTP(w, r)
}

// wait is a sleep that ends with ctx.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (e *Environment) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (e *Environment) version(w http.ResponseWriter, r *http.Request) {
	reported := conditionOf(r).reported()
	writeJSON(w, http.StatusOK, map[string]any{"service": "plum", "color": e.color,
		"version": reported.Version, "digest": reported.Digest})
}

func (e *Environment) integration(w http.ResponseWriter, r *http.Request) {
	provider := r.PathValue("provider")
	if !slices.Contains(Providers(), provider) {
		e.refuse(w, unknown("%v", unknownName("provider", provider, Providers())))
		return
	}
	condition := conditionOf(r)
	credential := condition.Credentials[provider] // "" is its own
	if provider == "workday" && condition.Faults.BrokenWorkdayCredential {
		credential = "revoked"
	}
	writeJSON(w, http.StatusOK, e.providers.health(r.Context(), provider, e.color, credential))
}

// refuse answers with a refusal, and with the error of the store otherwise.
func (e *Environment) refuse(w http.ResponseWriter, err error) {
	r, ok := err.(*refusal)
	if !ok {
		r = errInternal
	}
	id, err := e.store.rand.hex(8)
	if err != nil {
		id = "none"
	}
	r.write(w, id)
}

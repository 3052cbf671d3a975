package checks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// A secretAddress is a connection whose whole URL is its secret, and every check that asks it.
type secretAddress struct {
	path       string
	connection func(origin string) checks.Connection
	checks     []string
}

var secretAddresses = map[string]secretAddress{
	"slack": {"/services/T0/B0/s3cretpath", func(origin string) checks.Connection {
		address := secretly(origin + "/services/T0/B0/s3cretpath")
		return checks.Connection{Name: "a", Kind: "slack", Secret: address, Origins: []string{origin}, Provider: &checks.Slack{Webhook: address}}
	}, []string{"slack: a"}},
	"teams": {"/workflows/s3cretflow/triggers/manual/paths/invoke", func(origin string) checks.Connection {
		address := secretly(origin + "/workflows/s3cretflow/triggers/manual/paths/invoke?sv=1.0&sig=s3cret%2Bs1g")
		return checks.Connection{Name: "a", Kind: "teams", Secret: address, Provider: &checks.Teams{Workflow: address, Origin: origin}}
	}, []string{"teams: a", "teams: {connection: a, mode: canary}"}},
	"webhook": {"/hooks/s3cretpath", func(origin string) checks.Connection {
		address := secretly(origin + "/hooks/s3cretpath?key=s3cret%2Bkey")
		return checks.Connection{Name: "a", Kind: "webhook", Secret: secretly("s3cretsigner"), Provider: &checks.Webhook{Address: address, Signature: "slack"}}
	}, []string{"webhook: a", "webhook: {connection: a, mode: canary}"}},
}

func (s secretAddress) each(t *testing.T, origin string, budget checks.Budget, test func(t *testing.T, check checks.Compiled)) {
	t.Helper()
	for _, text := range s.checks {
		t.Run(text, func(t *testing.T) {
			clients := clientsOf(t)
			connection := s.connection(origin)
			connection.Budget = budget
			clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
			test(t, compile(t, clients, text))
		})
	}
}

// told is everything that comes out of a check.
func told(answer plumbline.Answer, err error) string {
	text := answer.Detail + strings.Join(answer.Warnings, " ")
	if err != nil {
		text += err.Error()
	}
	return text
}

func TestASecretAddressIsNeverTold(t *testing.T) {
	secrets := []string{"s3cretpath", "s3cretflow", "s3cret+s1g", "s3cret+key", "s3cretsigner"}
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent elsewhere", r.Method, r.URL) })
	for name, handler := range map[string]http.HandlerFunc{
		"repeated": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte(`{"error":{"code":"` + r.URL.String() + `","message":"` + r.URL.Path + " " + r.URL.Query().Get("sig") + r.URL.Query().Get("key") + `"}}`))
		},
		"redirected": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		},
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"nobody":  nil,
	} {
		origin := "http://127.0.0.1:1"
		if handler != nil {
			origin = serve(t, handler)
		}
		for kind, s := range secretAddresses {
			t.Run(name+" "+kind, func(t *testing.T) {
				s.each(t, origin, checks.Budget{}, func(t *testing.T, check checks.Compiled) {
					answer, err := probe(t, check.Prober, askOf(origin))
					if leak := redact.Leaks(told(answer, err), secrets...); err == nil || leak != "" {
						t.Errorf("%s: %v, %q", leak, err, answer.Detail)
					}
				})
			})
		}
	}
}

// Whoever has no credential but the address stays within the budget of the connection, too.
func TestASecretAddressHasABudget(t *testing.T) {
	url := serve(t, answering(http.StatusUnauthorized, "application/json", `{}`))
	for kind, s := range secretAddresses {
		t.Run(kind, func(t *testing.T) {
			s.each(t, url, checks.Budget{PerSecond: 0.001, Burst: 1}, func(t *testing.T, check checks.Compiled) {
				if _, err := probe(t, check.Prober, askOf(url)); !errors.Is(err, plumbline.ErrFailed) {
					t.Fatalf("the first is within the budget: %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // the next has its turn much later
				defer cancel()
				if _, err := check.Probe(ctx, askOf(url)); err == nil || !strings.Contains(err.Error(), "its rate of 0.001 a second has no room") {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// The bound per host is that of the address, of which nothing else is told.
func TestTheHostOfASecretAddress(t *testing.T) {
	for kind, s := range secretAddresses {
		t.Run(kind, func(t *testing.T) {
			s.each(t, "https://hooks.test:8443", checks.Budget{}, func(t *testing.T, check checks.Compiled) {
				host := check.Prober.(interface {
					Host(plumbline.Site) string
				}).Host(askOf("http://green.plum").Site)
				if host != "hooks.test:8443" {
					t.Errorf("got %q", host)
				}
			})
		})
	}
}

// What a connection can't be asked is refused, instead of being left out in silence.
func TestWhatAConnectionCannotBeAsked(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was asked", r.Method, r.URL) })
	graph := graphConnection(url)
	graph.Name = "a"
	for check, connection := range map[string]checks.Connection{
		"slack: {connection: a, scopes: [chat:write]}":        secretAddresses["slack"].connection(url),
		"slack: {connection: a, channel: C02, mode: canary}":  secretAddresses["slack"].connection(url),
		"slack: {connection: a, data: users.list}":            secretAddresses["slack"].connection(url),
		"teams: {connection: a, roles: [Team.ReadBasic.All]}": secretAddresses["teams"].connection(url),
		"teams: {connection: a, team: t1, mode: canary}":      secretAddresses["teams"].connection(url),
		"teams: {connection: a, mode: reach}":                 graph,
		"teams: {connection: a, mode: canary}":                graph,
	} {
		clients := clientsOf(t)
		clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
		answer, err := probe(t, compile(t, clients, check).Prober, askOf(url))
		if !errors.Is(err, plumbline.ErrFailed) || answer.Class != plumbline.ClassMisconfig {
			t.Errorf("%s: %q, %v", check, answer.Class, err)
		}
	}
}

package checks_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clientsOf are clients over a transport that ends with the test.
func clientsOf(t testing.TB) checks.Clients {
	transport := checks.NewTransport(64)
	t.Cleanup(transport.CloseIdleConnections)
	return checks.Clients{Transport: transport}
}

// compile reads one check in YAML, and refuses it as a suite would.
func compile(t testing.TB, clients checks.Clients, text string) checks.Compiled {
	t.Helper()
	compiled, problems := tryCompile(t, clients, text)
	if err := problems.Err(); err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return compiled
}

func tryCompile(t testing.TB, clients checks.Clients, text string) (checks.Compiled, strictyaml.Problems) {
	t.Helper()
	compiled, err := fuzzCompile(clients, text)
	var problems strictyaml.Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatal(err)
	}
	return compiled, problems
}

// fuzzCompile reads one check; the error is Problems, and may be warnings alone.
func fuzzCompile(clients checks.Clients, text string) (checks.Compiled, error) {
	n, err := strictyaml.Parse("check", []byte(text))
	if err != nil {
		return checks.Compiled{}, err
	}
	kinds := checks.Kinds(clients)
	d, problems := checks.Split("check", n, kinds, []string{"name", "effect"})
	if d.Key == "" {
		return checks.Compiled{}, problems
	}
	d.Names = checks.Names{Vars: map[string]any{"page": json.Number("7"), "patience": "9s"}}
	compiled, more := kinds[d.Key].Compile(d)
	if problems = append(problems, more...); len(problems) > 0 {
		return compiled, problems
	}
	return compiled, nil
}

// serve answers at a URL until the test ends.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// answering always gives the same answer.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func askOf(url string) plumbline.Ask {
	return plumbline.Ask{
		Site: plumbline.Site{Service: "plum", Color: plumbline.Green, URL: url},
		Run:  "run1", Release: plumbline.Release{Version: "2026.11.3", Digest: "sha256:abc"},
	}
}

func probe(t testing.TB, prober plumbline.Prober, ask plumbline.Ask) (plumbline.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return prober.Probe(ctx, ask)
}

func jsonNumber(text string) json.Number { return json.Number(text) }

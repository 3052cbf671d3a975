package checks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

// A reply is what a provider answers at one path.
type reply struct {
	status int // 0 means 200
	header http.Header
	body   string
}

// A catalogueRow is one line of a provider's catalogue: literal answers, and what they must come to.
type catalogueRow struct {
	name        string
	replies     map[string]reply // by path; others are those of the base
	class       plumbline.Class  // "" wants a pass
	tier        plumbline.Tier
	reason      string // that the reason contains
	unconfirmed bool   // no document of the vendor has this answer
}

// A provided is a provider that answers from a table.
type provided struct {
	*httptest.Server
	base     map[string]reply
	replies  map[string]reply
	requests []*http.Request
	bodies   []string                                  // of the requests
	key      func(r *http.Request, body string) string // what replies go by; nil: the path
}

func provide(t *testing.T, base map[string]reply) *provided {
	p := &provided{base: base}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provided) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.requests, p.bodies = append(p.requests, r), append(p.bodies, string(body))
	key := r.URL.Path
	if p.key != nil {
		key = p.key(r, string(body))
	}
	answer, own := p.replies[key]
	if !own {
		answer = p.base[key]
	}
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	if answer.status != 0 {
		w.WriteHeader(answer.status)
	}
	_, _ = w.Write([]byte(answer.body))
}

// catalogue asks a check of every row.
func catalogue(t *testing.T, p *provided, connection checks.Connection, check string, rows []catalogueRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p.replies = row.replies
			clients := clientsOf(t)
			clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
			t.Cleanup(clients.Connections.Close)
			answer, err := probe(t, compile(t, clients, check).Prober, askOf("http://127.0.0.1:1"))
			reason := ""
			if err != nil {
				reason = err.Error()
			}
			if answer.Class != row.class || answer.Tier != row.tier || (err == nil) != (row.class == "") || !strings.Contains(reason, row.reason) {
				t.Errorf("got class %q, tier %q, reason %q\nwant class %q, tier %q, reason with %q", answer.Class, answer.Tier, reason, row.class, row.tier, row.reason)
			}
		})
	}
}

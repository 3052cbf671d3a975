package daemon_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// A reporter keeps its place in the verdicts under a name that nothing else on the bus has.
func TestReporterHasItsOwnPlace(t *testing.T) {
	heard := make(chan string, 8)
	slack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard <- string(body)
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(slack.Close)
	hook := filepath.Join(t.TempDir(), "hook")
	write(t, hook, slack.URL+"/services/T0/B0/x")
	h := build(t, "reporters: {releases: {kind: slack, webhook: {file: "+hook+"}}}\n")
	b := h.client(t)
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the reporter listens", func() bool {
		_, err := js.Consumer(t.Context(), "PLUMBLINE_VERDICTS", "reporter-releases")
		return err == nil
	})
	v := verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	select {
	case message := <-heard:
		if !strings.Contains(message, "2") || !v.Passed() {
			t.Errorf("Slack heard %s of a verdict %s", message, v.Outcome)
		}
	case <-time.After(patience):
		t.Fatal("Slack heard nothing")
	}
	select {
	case again := <-heard:
		t.Errorf("Slack heard again: %s", again)
	case <-time.After(200 * time.Millisecond):
	}
}

// A release that was put aside is told, in few messages however many there are, and not to those who want to hear of others.
func TestLostReleaseIsTold(t *testing.T) {
	heard := make(chan string, 8)
	slack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard <- r.URL.Path + string(body)
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(slack.Close)
	config := "reporters:\n"
	for name, on := range map[string]string{"all": "{}", "passes": "{outcome: [pass]}"} {
		hook := filepath.Join(t.TempDir(), "hook")
		write(t, hook, slack.URL+"/services/T0/B0/"+name)
		config += "  " + name + ": {kind: slack, webhook: {file: " + hook + "}, on: " + on + "}\n"
	}
	h := build(t, config)
	b := h.client(t)
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"all", "passes"} {
		until(t, "the reporter listens", func() bool {
			_, err := js.Consumer(t.Context(), "PLUMBLINE_DEADLETTER", "reporter-"+name+"-letters")
			return err == nil
		})
	}
	for range 3 {
		if _, err := js.Publish(t.Context(), "plumbline.event.plum", []byte(`{"oops": password=hunter2-s3cret}`)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case message := <-heard:
		if !strings.HasPrefix(message, "/services/T0/B0/all") || !strings.Contains(message, "could not be served") || !strings.Contains(message, "plumbline deadletters") ||
			strings.Contains(message, "hunter2") {
			t.Errorf("Slack heard %s", message)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Slack heard nothing")
	}
	select {
	case again := <-heard:
		t.Errorf("Slack heard again: %s", again)
	case <-time.After(200 * time.Millisecond):
	}
}

func TestEveryRouteBeyondLoopbackNeedsAToken(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "token")
	write(t, secret, "0123456789abcdef0123456789abcdef")
	h := build(t, "tokens: [{name: ci, roles: [gate], token: {file: "+secret+"}}]\n", "0.0.0.0:0")
	ask := func(method, path, token string) int {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+strings.Replace(h.Address(), "[::]", "127.0.0.1", 1)+path, strings.NewReader(confirm))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	for _, route := range []struct {
		method, path string
		open         bool
	}{
		{"GET", "/livez", true},
		{"GET", "/readyz", true},
		{"GET", "/metrics", false},
		{"GET", "/v1/gates/plum/green", false},
		{"GET", "/v1/gates/pear/green", false},
		{"GET", "/v1/gates/plum/green?version=2&verison=3", false},
		{"POST", "/v1/gates/plum/green/confirm", false},
		{"POST", "/v1/gates/plum/green/rollback", false},
		{"GET", "/v1/services", false},
		{"GET", "/v1/services/plum", false},
		{"GET", "/v1/runs/aaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	} {
		for _, token := range []string{"", "fedcba9876543210fedcba9876543210"} {
			if status := ask(route.method, route.path, token); route.open != (status == http.StatusOK) || !route.open && status != http.StatusUnauthorized {
				t.Errorf("%s %s with token %q: %d", route.method, route.path, token, status)
			}
		}
		if status := ask(route.method, route.path, "0123456789abcdef0123456789abcdef"); status == http.StatusUnauthorized {
			t.Errorf("%s %s with its token: %d", route.method, route.path, status)
		}
	}
}

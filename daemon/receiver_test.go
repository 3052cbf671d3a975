package daemon_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/daemon"
)

func free(t *testing.T) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" { // which has millions of loopback hosts: on one of its own nobody else looks for a port
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(255), 1+rand.N(254))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// notifier is an environment that posts to whatever address it is told, and tells how that was answered.
func notifier(t *testing.T) (at string, answers chan string) {
	var running sync.WaitGroup
	answers = make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ URL, Reference string }
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			return
		}
		running.Go(func() {
			answer, err := http.Post(in.URL, "application/json", strings.NewReader(fmt.Sprintf(`{"reference":%q}`, in.Reference)))
			if err != nil {
				answers <- err.Error()
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			answers <- answer.Status
		})
	}))
	t.Cleanup(func() { server.Close(); running.Wait(); http.DefaultClient.CloseIdleConnections() })
	return server.URL, answers
}

const callbackSuite = `suite: hooks
checks:
  - name: notices arrive
    callback:
      send: {post: /webhook-test, json: {url: $(callback.url), reference: $(run.id)}}
      match: {$.reference: $(run.id)}
      within: 30s
`

func TestACallbackArrivesAtAnotherDaemon(t *testing.T) {
	dir := t.TempDir()
	blue, _ := notifier(t)
	green, answers := notifier(t)
	busAt, hooksAt := free(t), free(t)
	service := func(name string) string {
		return fmt.Sprintf("  %s:\n    environments: {blue: {url: %q}, green: {url: %q}}\n    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [hooks.yaml]\n", name, blue, green)
	}
	write(t, filepath.Join(dir, "hooks.yaml"), callbackSuite)
	// One runs the checks and has no receiver, the other has the receiver and another service.
	write(t, filepath.Join(dir, "one.yaml"), fmt.Sprintf("bus: {store: bus, listen: %q}\nlisten: 127.0.0.1:0\nreceiver: {public_url: \"http://%s/hooks/\"}\nservices:\n%s", busAt, hooksAt, service("plum")))
	write(t, filepath.Join(dir, "two.yaml"), fmt.Sprintf("bus: {url: \"nats://%s\"}\nlisten: 127.0.0.1:0\nreceiver: {listen: %q}\nservices:\n%s", busAt, hooksAt, service("other")))
	one := start(t, filepath.Join(dir, "one.yaml"))
	start(t, filepath.Join(dir, "two.yaml"))
	b := (&house{Daemon: one}).client(t)
	v := verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventDeployed, Color: plumbline.Green, Release: plumbline.Release{Version: "2"}}))
	if !v.Passed() {
		t.Errorf("%s %q", v.Outcome, v.Reason)
	}
	if answer := <-answers; answer != "200 OK" || len(answers) > 0 {
		t.Errorf("the notice was answered %s, and %d more", answer, len(answers))
	}
}

func TestACallbackArrivesAtTheDaemonItself(t *testing.T) {
	dir := t.TempDir()
	blue, _ := notifier(t)
	green, _ := notifier(t)
	write(t, filepath.Join(dir, "hooks.yaml"), callbackSuite)
	write(t, filepath.Join(dir, "plumbline.yaml"), fmt.Sprintf("bus: {store: bus, listen: 127.0.0.1:0}\nlisten: 127.0.0.1:0\nreceiver: {listen: 127.0.0.1:0}\nservices:\n  plum:\n    environments: {blue: {url: %q}, green: {url: %q}}\n    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [hooks.yaml]\n", blue, green))
	d := start(t, filepath.Join(dir, "plumbline.yaml"))
	b := (&house{Daemon: d}).client(t)
	if v := verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventDeployed, Color: plumbline.Green, Release: plumbline.Release{Version: "2"}})); !v.Passed() {
		t.Errorf("%s %q", v.Outcome, v.Reason)
	}
}

// A run that began before a reload takes callbacks where they were taken when it began, though nothing is there any more.
func TestACallbackAcrossAReload(t *testing.T) {
	dir := t.TempDir()
	asked, hold := make(chan struct{}), make(chan struct{})
	told := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			close(asked)
			<-hold
			return
		}
		var in struct{ URL string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		told <- in.URL
	}))
	t.Cleanup(server.Close)
	write(t, filepath.Join(dir, "hooks.yaml"), strings.Replace(callbackSuite, "within: 30s\n", "within: 1s\n    needs: [first]\n  - {name: first, get: /first}\n", 1))
	config := filepath.Join(dir, "plumbline.yaml")
	write(t, config, fmt.Sprintf("bus: {store: bus, listen: 127.0.0.1:0}\nlisten: 127.0.0.1:0\nreceiver: {public_url: \"https://hooks.test\"}\nservices:\n  plum:\n    environments: {blue: {url: %q}, green: {url: %q}}\n    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [hooks.yaml]\n", "http://127.0.0.1:1", server.URL))
	h := &house{Daemon: start(t, config), config: config}
	b := h.client(t)
	sent := publish(t, b, plumbline.Event{Kind: plumbline.EventDeployed, Color: plumbline.Green, Release: plumbline.Release{Version: "2"}})
	<-asked
	h.rewrite(t, "plumbline.yaml", "receiver: {public_url: \"https://hooks.test\"}\n", "")
	write(t, filepath.Join(dir, "hooks.yaml"), "suite: hooks\nchecks:\n  - get: /first\n")
	h.reload(t, b, "plum")
	close(hold)
	v := verdict(t, b, sent)
	if len(told) != 1 || !strings.HasPrefix(<-told, "https://hooks.test/") {
		t.Errorf("the environment was not told where the run takes callbacks: %s %q", v.Outcome, v.Reason)
	}
}

// An environment that was told once where its notices go, and posts others' notices there, too.
func TestACallbackAtAStandingAddress(t *testing.T) {
	dir, hooksAt := t.TempDir(), free(t)
	nonce := strings.Repeat("abcd2345", 4)
	t.Setenv("HOOK", nonce)
	var running sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		order, _ := io.ReadAll(r.Body)
		running.Go(func() {
			for _, notice := range []string{`{"reference":"somebody else's"}`, string(order)} {
				if answer, err := http.Post("http://"+hooksAt+"/"+nonce, "application/json", strings.NewReader(notice)); err == nil {
					answer.Body.Close()
				}
			}
		})
	}))
	t.Cleanup(func() { server.Close(); running.Wait(); http.DefaultClient.CloseIdleConnections() })
	write(t, filepath.Join(dir, "hooks.yaml"), `suite: hooks
checks:
  - name: an order is told
    callback: {send: {post: /orders, json: {reference: $(run.id)}}, at: hook, match: {$.reference: $(run.id)}, within: 30s}
`)
	config := filepath.Join(dir, "plumbline.yaml")
	write(t, config, fmt.Sprintf("bus: {store: bus, listen: 127.0.0.1:0}\nlisten: 127.0.0.1:0\nreceiver: {listen: %q}\nsecrets: {hook: {env: HOOK, hosts: [plum]}}\nservices:\n  plum:\n    environments: {blue: {url: %q}, green: {url: %q}}\n    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [hooks.yaml]\n", hooksAt, server.URL, server.URL+"/green"))
	d := start(t, config)
	b := (&house{Daemon: d}).client(t)
	if v := verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventDeployed, Color: plumbline.Green, Release: plumbline.Release{Version: "2"}})); !v.Passed() {
		t.Errorf("%s %q", v.Outcome, v.Reason)
	}
}

func TestALocalReceiverOpensWhenItIsNeeded(t *testing.T) {
	var l daemon.LocalReceiver
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for range 2 { // it may be opened again
		callback, err := l.Open(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post(callback.URL, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		if got, err := callback.Next(t.Context()); err != nil || string(got.Body) != "hello" || got.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("got %+v, %v", got, err)
		}
		callback.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

const paritySuite = `suite: parity
triggers: [release, standby, switched]
checks:
  - name: both are the same
    parity: /version
`

func TestEachColorIsHeldAgainstTheRightOne(t *testing.T) {
	h := buildWith(t, paritySuite, "    standby: {schedule: \"* * * * * *\"}\n")
	b := h.client(t)
	reason := func(v plumbline.Verdict) string { return v.Outcome + " " + v.Reason }
	got := reason(verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventRequested, Color: plumbline.Blue})))
	if !strings.Contains(got, "nothing to compare with: this color is live, and there is no standby") {
		t.Errorf("the live color alone: %s", got)
	}
	if got := reason(verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))); !strings.Contains(got, `$.version: idle "2", live "1"`) {
		t.Errorf("the idle color: %s", got)
	}
	if got := reason(verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, Color: plumbline.Green}))); !strings.Contains(got, `$.version: live "2", standby "1"`) {
		t.Errorf("the new live color: %s", got)
	}
	until(t, "the standby is asked", func() bool {
		past, err := b.Verdicts(t.Context(), "plum", 10)
		for _, v := range past {
			if v.Trigger == plumbline.TriggerStandby {
				if got := reason(v); !strings.Contains(got, `$.version: standby "1", live "2"`) {
					t.Errorf("the standby: %s", got)
				}
				return true
			}
		}
		return err != nil
	})
}

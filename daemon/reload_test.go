package daemon_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
)

func load(t *testing.T, file string) *configs.Config {
	t.Helper()
	config, _, err := configs.Load(configs.Source{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// rewrite changes the configuration or, with another name, a file beside it.
func (h *house) rewrite(t *testing.T, name, old, new string) {
	t.Helper()
	file := filepath.Join(filepath.Dir(h.config), name)
	text := read(t, file)
	if !strings.Contains(text, old) {
		t.Fatalf("%s has no %q:\n%s", name, old, text)
	}
	write(t, file, strings.Replace(text, old, new, 1))
}

// reload is one that must work; it returns what the ledger has of it.
func (h *house) reload(t *testing.T, b *bus.Bus, service string) *plumbline.Reload {
	t.Helper()
	before := len(reloads(t, b, service))
	if err := h.Reload(t.Context(), load(t, h.config)); err != nil {
		t.Fatal(err)
	}
	recorded := reloads(t, b, service)
	if len(recorded) != before+1 || recorded[0].By != "d1" {
		t.Fatalf("the ledger of %s has %+v, want one more than %d", service, recorded, before)
	}
	return recorded[0].Reload
}

// reloads are those that the ledger of a service has, or of all, newest first. Entries about runs may come at any time
// after their verdicts.
func reloads(t *testing.T, b *bus.Bus, service string) []plumbline.Entry {
	t.Helper()
	entries, err := b.Entries(t.Context(), service, 100)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(entries, func(e plumbline.Entry) bool { return e.Kind != plumbline.EntryReload })
}

func has(lines []string, pattern string) bool {
	return slices.ContainsFunc(lines, regexp.MustCompile(pattern).MatchString)
}

// A run ends as it began; what begins after a reload is asked what is configured then.
func TestReloadIsForWhatBeginsAfterIt(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	before := h.Config().Digest()
	answer := h.green.hold(t)
	first := h.release(t, b, plumbline.Green, "2", "")
	until(t, "the checks are asked", func() bool { return h.green.asked.Load() == 2 })

	h.rewrite(t, "smoke.yaml", "  - get: /healthz\n", "  - get: /healthz\n  - get: /more\n")
	h.rewrite(t, "plumbline.yaml", "    new: true\n", "    new: true\n    deadline: 5m\n")
	recorded := h.reload(t, b, "plum")
	answer()
	if v := verdict(t, b, first); !v.Passed() || len(v.Checks) != 2 || v.ConfigDigest != before {
		t.Errorf("the run that began before: %s %q with %d checks, by %s", v.Outcome, v.Reason, len(v.Checks), v.ConfigDigest)
	}
	if recorded.From != before || recorded.To != h.Config().Digest() || before == recorded.To || len(recorded.Weaker) != 0 ||
		!has(recorded.Changes, `^services\.plum\.deadline: added: 5m$`) || !has(recorded.Changes, `^suite smoke: sha256:\w+, was sha256:\w+$`) ||
		!has(recorded.Changes, `^check smoke/GET /more: added$`) {
		t.Errorf("recorded: %+v", recorded)
	}
	until(t, "the gate wants a pass of the new suite", func() bool {
		_, g := h.gate(t, "green?version=2")
		return g.Gate == plumbline.GateWaiting && g.Because == plumbline.BecauseSuites
	})
	if v := verdict(t, b, h.release(t, b, plumbline.Green, "3", "")); !v.Passed() || len(v.Checks) != 3 || v.ConfigDigest != recorded.To {
		t.Errorf("the run that began after it: %s %q with %d checks, by %s", v.Outcome, v.Reason, len(v.Checks), v.ConfigDigest)
	}
	for _, digest := range []string{recorded.From, recorded.To} {
		if kept, err := b.Suite(t.Context(), digest); err != nil || !strings.Contains(string(kept), `"environments"`) {
			t.Errorf("the configuration %s: %q, %v", digest, kept, err)
		}
	}
	if err := h.Reload(t.Context(), load(t, h.config)); err != nil || len(reloads(t, b, "")) != 1 {
		t.Errorf("a reload of the same: %v, %d records", err, len(reloads(t, b, "")))
	}
}

// Whatever is wrong with the new one, the former is in force: all of it.
func TestReloadIsAllOrNothing(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	before := h.Config()
	for want, broken := range map[string]struct{ file, old, new string }{
		`smoke.yaml:7:5: unknown kind "gett" (did you mean "get"?)`:                                        {"smoke.yaml", "  - get: /healthz\n", "  - gett: /healthz\n"},
		"listen is 127.0.0.1:1 now and was 127.0.0.1:0 when the daemon started: only a restart changes it": {"plumbline.yaml", "listen: 127.0.0.1:0\nservices", "listen: 127.0.0.1:1\nservices"},
		"bus.store is ":        {"plumbline.yaml", "store: bus", "store: other"},
		"can't be read: no su": {"plumbline.yaml", "suites: [smoke.yaml]", "suites: [smoke.yaml, missing.yaml]"},
		"receiver.listen is ":  {"plumbline.yaml", "services:", "receiver: {listen: 127.0.0.1:1}\nservices:"},
	} {
		h.rewrite(t, "plumbline.yaml", "new: true", "new: true\n    deadline: 7m") // which is well
		h.rewrite(t, broken.file, broken.old, broken.new)
		if err := h.Reload(t.Context(), load(t, h.config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		h.rewrite(t, broken.file, broken.new, broken.old)
		h.rewrite(t, "plumbline.yaml", "\n    deadline: 7m", "")
	}
	if h.Config() != before || len(reloads(t, b, "")) != 0 {
		t.Errorf("another configuration is in force, or %d reloads are in the ledger", len(reloads(t, b, "")))
	}
	if v := verdict(t, b, h.release(t, b, plumbline.Green, "2", "")); !v.Passed() || v.ConfigDigest != before.Digest() {
		t.Errorf("after it: %s %q by %s", v.Outcome, v.Reason, v.ConfigDigest)
	}
}

// A bus that is away can't keep what a reload needs: nothing changes.
func TestReloadWithoutABus(t *testing.T) {
	h, server := apart(t)
	server.Close()
	before := h.Config()
	h.rewrite(t, "plumbline.yaml", "new: true", "new: true\n    deadline: 7m")
	done := make(chan error, 1)
	go func() { done <- h.Reload(t.Context(), load(t, h.config)) }()
	h.Finish() // who ends waits for no reload
	if err := <-done; err == nil || h.Config() != before {
		t.Errorf("the reload: %v", err)
	}
	if err := h.Reload(t.Context(), load(t, h.config)); err == nil || !strings.Contains(err.Error(), "ending") {
		t.Errorf("a reload while it ends: %v", err)
	}
}

func TestServicesComeAndGo(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	pear := "  pear:\n    environments: {blue: {url: \"" + h.blue.URL + "/\"}, green: {url: \"" + h.green.URL + "/\"}}\n    live: {color: blue, version: \"1\"}\n" +
		"    new: true\n    suites: [smoke.yaml]\n"
	send := func(version string) plumbline.Event {
		t.Helper()
		h.green.version.Store(version)
		sent, err := b.Publish(t.Context(), plumbline.Event{Kind: plumbline.EventDeployed, Service: "pear", Color: plumbline.Green,
			Source: "/test", Release: plumbline.Release{Version: version}})
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	h.rewrite(t, "plumbline.yaml", "services:\n", "services:\n"+pear)
	if recorded := h.reload(t, b, "pear"); !has(recorded.Changes, "^services.pear: added: ") || !has(recorded.Changes, "^suite smoke: added, with 2 checks$") {
		t.Errorf("recorded: %+v", recorded)
	}
	came := send("2")
	v, err := b.WaitVerdict(t.Context(), "pear", plumbline.Green, came.Run)
	if err != nil || !v.Passed() {
		t.Errorf("the new service: %s %q, %v", v.Outcome, v.Reason, err)
	}
	h.rewrite(t, "plumbline.yaml", pear, "")
	if recorded := h.reload(t, b, "pear"); !has(recorded.Weaker, "^the service is removed") {
		t.Errorf("recorded: %+v", recorded)
	}
	gone := send("3")
	letter, err := b.WaitDeadLetter(t.Context(), "pear", gone.Sequence)
	if err != nil || !strings.Contains(letter.Reason, "not configured") {
		t.Errorf("an event of the service that is gone: %+v, %v", letter, err)
	}
	if status := h.status(t, http.MethodGet, "/v1/gates/pear/green", ""); status != http.StatusNotFound {
		t.Errorf("its gate answers %d", status)
	}
	h.rewrite(t, "plumbline.yaml", "services:\n", "services:\n"+pear)
	h.reload(t, b, "pear")
	if _, _, err := b.Replay(t.Context(), letter.Number); err != nil {
		t.Fatal(err)
	}
	if v, err := b.WaitVerdict(t.Context(), "pear", plumbline.Green, gone.Run); err != nil || !v.Passed() {
		t.Errorf("once it is back: %s %q, %v", v.Outcome, v.Reason, err)
	}
}

// Who may ask and who hears of verdicts changes without a restart, and a new secret is kept as well as the former ones.
func TestTokensAndReportersComeAndGo(t *testing.T) {
	heard := make(chan string, 8)
	slack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r.URL.Path
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(slack.Close)
	dir := t.TempDir()
	token, hook := filepath.Join(dir, "token"), filepath.Join(dir, "hook")
	write(t, token, "the-first-token-of-the-gate")
	write(t, hook, slack.URL+"/services/T0/B0/first")
	h := build(t, "tokens: [{name: ci, roles: [gate], token: {file: "+token+"}}]\n", "0.0.0.0:0")
	b := h.client(t)
	ask := func(token string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+strings.Replace(h.Address(), "[::]", "127.0.0.1", 1)+"/v1/gates/plum/green", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	write(t, token, "the-second-token-of-the-gate")
	h.rewrite(t, "plumbline.yaml", "services:", "reporters: {releases: {kind: slack, webhook: {file: "+hook+"}}}\nservices:")
	if recorded := h.reload(t, b, "plum"); !has(recorded.Changes, "^reporters: added: ") || !has(recorded.Changes, "^secrets: at least one has another value$") {
		t.Errorf("recorded: %+v", recorded)
	}
	for secret, want := range map[string]int{"the-first-token-of-the-gate": http.StatusUnauthorized, "the-second-token-of-the-gate": http.StatusOK} {
		if status := ask(secret); status != want {
			t.Errorf("%s: %d, want %d", secret, status, want)
		}
	}
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the reporter listens", func() bool {
		_, err := js.Consumer(t.Context(), "PLUMBLINE_VERDICTS", "reporter-releases")
		return err == nil
	})
	hears := func(want, version string) {
		t.Helper()
		verdict(t, b, h.release(t, b, plumbline.Green, version, ""))
		select {
		case path := <-heard:
			if path != want {
				t.Errorf("%s heard, want %s", path, want)
			}
		case <-time.After(patience):
			t.Errorf("%s heard nothing", want)
		}
	}
	hears("/services/T0/B0/first", "2")
	write(t, hook, slack.URL+"/services/T0/B0/second")
	h.reload(t, b, "plum")
	hears("/services/T0/B0/second", "3")
	h.rewrite(t, "plumbline.yaml", "reporters: {releases: {kind: slack, webhook: {file: "+hook+"}}}\n", "")
	h.reload(t, b, "plum")
	verdict(t, b, h.release(t, b, plumbline.Green, "4", ""))
	select {
	case path := <-heard:
		t.Errorf("%s heard after its end", path)
	case <-time.After(100 * time.Millisecond):
	}
}

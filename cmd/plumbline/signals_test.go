package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

// newSolo is a plant whose daemon has a bus of its own.
func newSolo(t *testing.T) *plant {
	t.Helper()
	p := &plant{blue: newHouse("1"), green: newHouse("0"), bus: freeAddress(t.Fatalf), config: filepath.Join(t.TempDir(), "plumbline.yaml")}
	t.Cleanup(p.blue.Close)
	t.Cleanup(p.green.Close)
	p.configure(t, fmt.Sprintf(`{store: bus, listen: %q}`, p.bus))
	return p
}

func (p *plant) rewrite(t *testing.T, old, new string) {
	t.Helper()
	text, err := os.ReadFile(p.config)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("no %q: %v", old, err)
	}
	writeFile(t, p.config, strings.Replace(string(text), old, new, 1))
}

func (c *child) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (c *child) says(t *testing.T, text string) {
	t.Helper()
	until(t, "the daemon says "+text, func() bool { return strings.Contains(c.output.String(), text) })
}

// TestHangup: SIGHUP puts a configuration in force, or says in which place it can't be.
func TestHangup(t *testing.T) {
	t.Parallel()
	p := newSolo(t)
	d := p.serve(t)
	p.rewrite(t, "    new: true\n", "    new: true\n    dedline: 5m\n")
	d.signal(t, syscall.SIGHUP)
	d.says(t, fmt.Sprintf(`not reloaded: %s:7:5: unknown key \"dedline\" (did you mean \"deadline\"?)`, p.config))
	d.says(t, "the configuration from before stays in force")
	p.rewrite(t, "dedline", "gate: {require_digest: false, valid_for: 1h}\n    deadline")
	d.signal(t, syscall.SIGHUP)
	d.says(t, `"msg":"reloaded"`)
	d.says(t, `"msg":"weaker than before","service":"plum","what":"gate.valid_for: 1h0m0s, was 30m0s"`)
	p.green.deploy("2", "well")
	plumblineExits(t, 0, nil, "release", "plum", "green", "--version", "2", "--wait", "--config", p.config)
	d.stop(t)
}

// TestHangupDropsAService: who waits for its verdict is told that there won't be one.
func TestHangupDropsAService(t *testing.T) {
	t.Parallel()
	p := newSolo(t)
	d := p.serve(t)
	p.rewrite(t, "  plum:\n", "  pear:\n")
	d.signal(t, syscall.SIGHUP)
	d.says(t, `"msg":"reloaded"`)
	_, stderr := plumblineRuns(t, 2, nil, "release", "plum", "green", "--version", "3", "--wait", "--config", p.config)
	if !strings.Contains(stderr, "the event is a dead letter, and nothing is asked: service plum is not configured: no daemon that serves it took the event within 4.5s\nplumbline deadletters show 1 has all of it") {
		t.Errorf("told\n%s", stderr)
	}
	d.stop(t)
}

// TestTerminatedTwice: told to end, a daemon lets its run end; told again, it hands the run back and is gone.
func TestTerminatedTwice(t *testing.T) {
	slow(t)
	p := newSolo(t)
	p.rewrite(t, "services:", "shutdown_grace: 10m\nservices:")
	d := p.serve(t)
	p.green.deploy("2", "hanging")
	plumblineExits(t, 0, nil, "release", "plum", "green", "--version", "2", "--id", "build-2", "--config", p.config)
	until(t, "the checks are asked", func() bool { return p.green.askedSoFar() >= 2 })
	d.signal(t, syscall.SIGTERM)
	d.says(t, `"msg":"ending: runs under way may end`)
	answer, err := http.Get("http://" + d.listen + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready while it ends: %s", answer.Status)
	}
	d.signal(t, syscall.SIGINT)
	<-d.ended
	if d.err != nil || !strings.Contains(d.output.String(), "ending at once") {
		t.Errorf("ended with %v", d.err)
	}
	p.green.deploy("2", "well")
	p.serve(t)
	plumblineExits(t, 0, nil, "release", "plum", "green", "--version", "2", "--id", "build-2", "--wait", "--config", p.config)
	if n := newStockClient(t, p.bus).count(t, "PLUMBLINE_VERDICTS", "plumbline.verdict.>"); n != 1 {
		t.Errorf("%d verdicts, want 1", n)
	}
}

// TestTerminatedOnce: a run that was under way comes to its verdict before the daemon is gone.
func TestTerminatedOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	d := p.serve(t)
	p.green.deploy("2", "hanging")
	p.client.publish(t, "plumbline.event.plum", released("build-2", plumbline.Green, "2"))
	until(t, "the checks are asked", func() bool { return p.green.askedSoFar() >= 2 })
	d.signal(t, syscall.SIGTERM)
	d.says(t, `"msg":"ending: runs under way may end`)
	p.green.deploy("2", "well")
	<-d.ended
	if d.err != nil {
		t.Error(d.err)
	}
	if v := p.client.verdict(t, plumbline.Green, "2"); !v.Passed() || !strings.HasSuffix(v.Worker, fmt.Sprintf("-%d", d.Process.Pid)) {
		t.Errorf("verdict %s (%s) of %s", v.Outcome, v.Reason, v.Worker)
	}
}

package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// TestHangupOfARun: the terminal goes away in the middle of a run, and what it had made is undone all the same.
func TestHangupOfARun(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	sent := func() []string { mu.Lock(); defer mu.Unlock(); return asked }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method)
		mu.Unlock()
		if r.Method == http.MethodGet {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(s.Close)
	suite := filepath.Join(t.TempDir(), "s.yaml")
	writeFile(t, suite, "suite: s\nchecks:\n  - {name: made, post: /it, effect: undone, teardown: [{delete: /it/$(run.id)}]}\n  - {get: /hang, needs: [made], timeout: 1m}\n")
	c := start(t, nil, "plumbline", "run", suite, "--target", s.URL)
	until(t, "the hanging check is asked", func() bool { return len(sent()) >= 2 })
	c.signal(t, syscall.SIGHUP)
	<-c.ended
	if got := sent(); got[len(got)-1] != http.MethodDelete || c.ProcessState.ExitCode() != exitInterrupt {
		t.Errorf("asked %v, exit code %d; want a DELETE at last and %d", got, c.ProcessState.ExitCode(), exitInterrupt)
	}
}

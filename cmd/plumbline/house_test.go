package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// houses is the key of the environments of a script.
type houses struct{}

// A house is an environment that says which version it runs. It has a state: well, broken (everything is 503), or hanging
// (nothing is answered until it is well again).
type house struct {
	*httptest.Server

	mu             sync.Mutex
	version, state string
	changed        chan struct{} // closed with every change
	asked          int
}

func newHouse(version string) *house {
	s := &house{version: version, state: "well", changed: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	return s
}

func (s *house) deploy(version, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.state, s.asked = version, state, 0
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *house) askedSoFar() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *house) now() (version, state string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, s.state, s.changed
}

func (s *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	first := s.asked%2 == 1
	s.mu.Unlock()
	version, state, changed := s.now()
	for state == "hanging" {
		select {
		case <-changed:
			version, state, changed = s.now()
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if state == "broken" || state == "flaky" && first {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	switch r.URL.Path {
	case "/version":
		fmt.Fprintf(w, `{"version":%q}`, version)
	case "/healthz":
		fmt.Fprintf(w, `{"status":%q}`, state)
	case "/echo":
		_ = r.ParseForm() // whatever came goes back
		_ = json.NewEncoder(w).Encode(map[string]any{"form": r.Form.Encode(), "plain": fmt.Sprint(r.Form)})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Close lets hanging requests end first.
func (s *house) Close() {
	s.deploy("", "well")
	s.Server.Close()
}

// asked NAME N waits until an environment that hangs has been asked N times since it does.
func asked(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: asked NAME N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	h := houseOf(ts, args[0])
	for deadline := time.Now().Add(patience); h.askedSoFar() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s was asked %d times", args[0], h.askedSoFar())
		}
	}
}

func houseOf(ts *testscript.TestScript, name string) *house {
	h := ts.Value(houses{}).(map[string]*house)[name]
	if h == nil {
		ts.Fatalf("no environment %s", name)
	}
	return h
}

// site NAME VERSION starts an environment and sets $NAME to its URL and $NAMEHOST to its address.
func startHouse(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: site NAME VERSION")
	}
	s := newHouse(args[1])
	ts.Defer(s.Close)
	ts.Value(houses{}).(map[string]*house)[args[0]] = s
	ts.Setenv(strings.ToUpper(args[0]), s.URL)
	ts.Setenv(strings.ToUpper(args[0])+"HOST", strings.TrimPrefix(s.URL, "http://"))
}

// deploy NAME VERSION [STATE] changes what an environment runs.
func deploy(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: deploy NAME VERSION [well|broken|flaky|hanging]")
	}
	houseOf(ts, args[0]).deploy(args[1], append(args, "well")[2])
}

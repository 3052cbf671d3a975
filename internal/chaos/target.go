package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A target stands for both colors of every service. What it answers is decided by the version that it is asked about, so
// that the right verdict about a release is known in advance.
type target struct {
	server   *http.Server
	listener net.Listener
}

// A version says what is right about it: 17-good-300 answers well, 300 ms after it was asked; 18-bad-0 badly and at once.
type version struct {
	number int
	good   bool
	delay  time.Duration
}

func (v version) String() string {
	return fmt.Sprintf("%d-%s-%d", v.number, map[bool]string{true: "good", false: "bad"}[v.good], v.delay.Milliseconds())
}

func parseVersion(text string) (v version, err error) {
	parts := strings.Split(text, "-")
	if len(parts) != 3 || parts[1] != "good" && parts[1] != "bad" {
		return v, fmt.Errorf("version %q, want one like 17-good-300", text)
	}
	v.good = parts[1] == "good"
	if v.number, err = strconv.Atoi(parts[0]); err != nil {
		return v, err
	}
	ms, err := strconv.Atoi(parts[2])
	v.delay = time.Duration(ms) * time.Millisecond
	return v, err
}

// anyVersion draws one: most are good, some take long enough to be cut off in between.
func anyVersion(rng *rand.Rand, number int) version {
	delays := []time.Duration{0, 0, 50 * time.Millisecond, 300 * time.Millisecond, time.Second, 2500 * time.Millisecond}
	return version{number: number, good: rng.IntN(10) < 7, delay: delays[rng.IntN(len(delays))]}
}

// suite asks what the target answers. The time-out of a check is shorter than a pause of a daemon: one that wakes up must
// not take its own sleep for a failure of the release.
const suite = `suite: chaos
triggers: [release, standby, switched]
defaults: {timeout: 8s}
checks:
  - get: /first/$(release.version)
  - get: /second/$(release.version)
  - get: /third/$(release.version)
  - name: and then
    get: /fourth/$(release.version)
    needs: [GET /first/$(release.version)]
`

func newTarget(address string) (*target, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	t := &target{listener: listener, server: &http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 10 * time.Second}}
	go func() { _ = t.server.Serve(listener) }() // its end is close's
	return t, nil
}

func (t *target) close() { _ = t.server.Close() } // nobody asks any more

func answer(w http.ResponseWriter, r *http.Request) {
	v, err := parseVersion(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	select {
	case <-time.After(v.delay):
	case <-r.Context().Done():
		return
	}
	if !v.good && strings.Contains(r.URL.Path, "/second/") {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "{}")
}

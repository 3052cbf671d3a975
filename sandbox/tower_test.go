package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/sandbox"
)

// A tower answers gate questions as it is told, and hears of switches.
type tower struct {
	mu      sync.Mutex
	gates   map[string]plumbline.Gate // by "green promote 2.0"
	deaf    int                       // publishes to refuse
	heard   []string
	seen    []sandbox.Event
	asked   int
	failing error
}

func (w *tower) set(question string, gate plumbline.Gate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates == nil {
		w.gates = map[string]plumbline.Gate{}
	}
	w.gates[question] = gate
}

func (w *tower) gate(_ context.Context, c plumbline.Color, p plumbline.Purpose, version string) (plumbline.Gate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	g := w.gates[strings.TrimSpace(fmt.Sprintf("%s %s %s", c, p, version))]
	g.Release.Version = version
	return g, w.failing
}

func (w *tower) publish(_ context.Context, to plumbline.Color, reason plumbline.SwitchReason) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf > 0 {
		w.deaf--
		return errors.New("the bus is away")
	}
	w.heard = append(w.heard, fmt.Sprintf("%s %s", to, reason))
	return nil
}

func (w *tower) observe(e sandbox.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, e)
}

func (w *tower) story() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := []string{}
	for _, e := range w.seen {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.Color, e.Gate.Gate)))
	}
	return lines
}

func (w *tower) switches() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.heard)
}

func newSwitch(t *testing.T, w *tower) *sandbox.Switch {
	t.Helper()
	nowhere := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	s, err := sandbox.NewSwitch(sandbox.SwitchOptions{Live: blue, Gate: w.gate, Publish: w.publish, Observe: w.observe,
		Targets: map[plumbline.Color]*url.URL{blue: nowhere, green: nowhere}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

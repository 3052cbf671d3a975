package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// remembered is how many of a service's last releases are asked about.
const remembered = 6

// asked are the questions that a switch controller could have at the moment.
type asked struct {
	mu   sync.Mutex
	last map[string][]question
}

type question struct {
	color   plumbline.Color
	version version
}

func (a *asked) add(service string, c plumbline.Color, v version) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = map[string][]question{}
	}
	all := append(a.last[service], question{c, v})
	a.last[service] = slices.Clone(all[max(0, len(all)-remembered):])
}

func (a *asked) any(rng *rand.Rand, service string) (question, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.last[service]
	if len(all) == 0 {
		return question{}, false
	}
	return all[rng.IntN(len(all))], true
}

// A gateWatch asks the gates of all daemons all the time, as impatient switch controllers do.
type gateWatch struct {
	*stage
	asked *asked

	mu      sync.Mutex
	answers map[string]int
	accused []string
}

func (g *gateWatch) watch(ctx context.Context) {
	rng := g.rng("gates")
	for rest(ctx, 30*time.Millisecond) {
		service := g.names[rng.IntN(len(g.names))]
		slot := g.slots[rng.IntN(len(g.slots))]
		if q, there := g.asked.any(rng, service); there {
			g.ask(ctx, slot, service, q)
		}
	}
}

func (g *gateWatch) ask(ctx context.Context, slot *slot, service string, q question) {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // a paused daemon doesn't answer at all
	defer cancel()
	status, body, err := get(ctx, fmt.Sprintf("http://%s/v1/gates/%s/%s?version=%s", slot.address, service, q.color, q.version))
	if err != nil {
		g.count("none")
		return
	}
	if status != http.StatusOK {
		g.count(fmt.Sprint(status))
		return
	}
	var doc plumbline.Gate
	if err := json.Unmarshal(body, &doc); err != nil {
		g.accuse("%s answered what is no gate document: %v", slot.name, err)
		return
	}
	g.count(string(doc.Gate))
	if doc.Gate == plumbline.GateOpen && doc.Because != plumbline.BecauseAlreadyLive && !q.version.good {
		g.accuse("%s opened the gate of %s %s for %s: %s", slot.name, service, q.color, q.version, doc.Reason)
	}
}

func (g *gateWatch) count(answer string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[answer]++
}

func (g *gateWatch) accuse(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accused = append(g.accused, fmt.Sprintf(format, args...))
}

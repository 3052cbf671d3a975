package sandbox

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// Providers lists the providers that Plum asks: employees come from the first three, nudges go out through the others.
func Providers() []string {
	return []string{"workday", "darwinbox", "successfactors", "slack", "teams"}
}

// providerOutage is the failure that every provider has: it is there, and not well.
const providerOutage = "outage"

// providers are the outside world, the same for both colors but for their accounts.
type providers struct {
	simulators simulators
	client     *http.Client
	base       string
	clock      func() time.Time
}

func newProviders(base string, clock func() time.Time, random io.Reader) *providers {
	return &providers{base: base, clock: clock, client: newClient(newTransport(), askTimeout), simulators: simulators{
		"workday":        newWorkday(clock, random),
		"darwinbox":      newDarwinbox(clock, random),
		"successfactors": newSuccessFactors(clock, random),
		"slack":          newSlack(clock, random),
		"teams":          newTeams(clock, random),
	}}
}

// A health is what an environment says of one integration.
type health struct {
	Provider  string          `json:"provider"`
	State     string          `json:"state"` // ok or down
	Class     plumbline.Class `json:"class"` // of what is wrong
	LatencyMS float64         `json:"latency_ms"`
	CheckedAt string          `json:"checked_at"`
	Proof     map[string]any  `json:"proof"` // what the provider gave out
}

// health asks a provider as Plum does, with the account of a color or another credential.
func (p *providers) health(ctx context.Context, provider string, color plumbline.Color, credential string) health {
	started := p.clock()
	found := finding{class: plumbline.ClassMisconfig}
	if asks, is := p.simulators[provider].(asker); is {
		found = asks.ask(conversation{ctx, p.client, p.base}, color, credential)
	}
	ended := p.clock()
	h := health{Provider: provider, State: "ok", Class: found.class, Proof: found.proof, CheckedAt: stamp(ended),
		LatencyMS: float64(ended.Sub(started).Microseconds()) / 1000}
	if found.class != "" || len(found.proof) == 0 {
		h.State, h.Proof = "down", map[string]any{}
	}
	return h
}

// states are the failures that are on, by provider and color.
func (p *providers) states() map[string]map[plumbline.Color]string {
	states := map[string]map[plumbline.Color]string{}
	for _, name := range slices.Sorted(maps.Keys(p.simulators)) {
		states[name] = map[plumbline.Color]string{}
		for _, color := range plumbline.Colors() {
			states[name][color] = p.simulators[name].fault(color)
		}
	}
	return states
}

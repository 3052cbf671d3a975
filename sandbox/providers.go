package sandbox

import (
	"slices"
	"sync"
	"time"
)

// Providers lists the providers that Plum asks: employees come from the first three, nudges go out through the others.
func Providers() []string {
	return []string{"workday", "darwinbox", "successfactors", "slack", "teams"}
}

// The classes of a provider's refusal.
const (
	classCredential  = "credential"
	classUnavailable = "unavailable"
)

// providers are the outside world, the same for both colors.
type providers struct {
	mu   sync.Mutex
	down map[string]bool
}

// A health is what an environment says of one integration.
type health struct {
	Provider  string         `json:"provider"`
	State     string         `json:"state"` // ok or down
	Class     string         `json:"class"` // of a refusal
	LatencyMS float64        `json:"latency_ms"`
	CheckedAt string         `json:"checked_at"`
	Proof     map[string]any `json:"proof"` // what the provider gave out
}

// The proof of each provider: something that only a working credential gets.
func proof(provider string) map[string]any {
	switch provider {
	case "workday":
		return map[string]any{"tenant": "acme", "report": "Plum_Employees", "rows": 1842}
	case "darwinbox":
		return map[string]any{"dataset": "plum_employees", "rows": 967}
	case "successfactors":
		return map[string]any{"company": "ACMEPROD", "entity": "User", "rows": 3311}
	case "slack":
		return map[string]any{"team": "Acme", "team_id": "T02ACME", "bot": "plum-rewards", "scopes": "chat:write,users:read"}
	default:
		return map[string]any{"tenant": "acme.onmicrosoft.com", "team": "Recognition", "channels": 12}
	}
}

// rightCredential is the one that a provider accepts.
func rightCredential(provider string) string { return "sandbox-" + provider }

// ask presents a credential to a provider.
func (p *providers) ask(provider, credential string, clock func() time.Time) health {
	started := clock()
	p.mu.Lock()
	down := p.down[provider]
	p.mu.Unlock()
	h := health{Provider: provider, State: "ok", Proof: map[string]any{}}
	switch {
	case down:
		h.State, h.Class = "down", classUnavailable
	case credential != rightCredential(provider):
		h.State, h.Class = "down", classCredential
	default:
		h.Proof = proof(provider)
	}
	ended := clock()
	h.LatencyMS, h.CheckedAt = float64(ended.Sub(started).Microseconds())/1000, stamp(ended)
	return h
}

// set takes a provider down, or up again.
func (p *providers) set(provider string, down bool) error {
	if !slices.Contains(Providers(), provider) {
		return unknownName("provider", provider, Providers())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down[provider] = down
	return nil
}

func (p *providers) states() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	states := map[string]string{}
	for _, name := range Providers() {
		states[name] = "ok"
		if p.down[name] {
			states[name] = "down"
		}
	}
	return states
}

package configs_test

import (
	"slices"
	"testing"

	"github.com/plumbline-dev/plumbline/configs"
)

// Checks reach what connections are asked at, in private networks, too: every address of one counts.
func TestAddressesOfProviders(t *testing.T) {
	c := load(t, configs.Source{File: "p.yaml", Data: []byte(valid + `connections:
  hook: {kind: webhook, address: {env: HOOK}, health: "https://health.test/well"}
  app: {kind: teams, tenant: acme, client_id: me, client_secret: {env: S}}
  proxied: {kind: teams, tenant: acme, client_id: me, client_secret: {env: S}, url: "https://proxy.test"}
  flow: {kind: teams, workflow: {env: FLOW}}
  slack: {kind: slack, token: {env: S}, url: "https://slack.test", status: "https://status.test"}
`), Environ: []string{"S=secret-hunter22", "HOOK=https://hook.test/hunter22", "FLOW=https://flow.test/hunter22"}})
	for name, want := range map[string][]string{
		"hook":    {"https://health.test/well", "https://hook.test/hunter22"},
		"app":     {"https://graph.microsoft.com", "https://login.microsoftonline.com"},
		"proxied": {"https://proxy.test", "https://proxy.test"},
		"flow":    {"https://flow.test/hunter22"},
		"slack":   {"https://slack.test", "https://status.test"},
	} {
		got := slices.DeleteFunc(c.Connections[name].Addresses(), func(address string) bool { return address == "" })
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

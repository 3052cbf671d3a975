package daemon_test

import (
	"fmt"
	"maps"
	"strings"
)

// providerCanaries are one secret for every place of a provider's connection that takes one, by its variable.
func providerCanaries() map[string]string {
	return map[string]string{
		"CANARY_SLACK":          "xoxb-canary-81f0aa27c3",
		"CANARY_DARWINBOX":      "darwinbox canary 'p' 77",
		"CANARY_DARWINBOX_KEY":  "api-key-canary-5d1e\"42",
		"CANARY_DARWINBOX_SET":  "dataset-canary-90<b>&1",
		"CANARY_DARWINBOX_ID":   "box-client-canary-3f/8+==",
		"CANARY_DARWINBOX_CODE": "code-canary-%2F-a94d11",
		"CANARY_TEAMS":          "graph~canary.Q8-zz61x",
		"CANARY_SIGNER":         "whsec-canary-c2VjcmV0LW",
	}
}

// addressCanaries are addresses of the environment that are secrets, by their variable: where they are, and what nobody
// may hear of them.
var addressCanaries = map[string][]string{
	"CANARY_SLACK_HOOK": {"/services/T0/B0/slackhookcanary-00a1", "slackhookcanary-00a1"},
	"CANARY_FLOW":       {"/workflows/flowpathcanary-7c2e/triggers/manual/paths/invoke?sv=1.0&sig=flowsigcanary-%2B9d-44", "flowpathcanary-7c2e", "flowsigcanary-+9d-44"},
	"CANARY_ADDRESS":    {"/hooks/addresscanary-4b4b?key=querycanary-%2F1f1f", "addresscanary-4b4b", "querycanary-/1f1f"},
}

// providerConnections have a canary in every place, at an environment that repeats what it hears.
func providerConnections(environment string) string {
	return strings.ReplaceAll(`  chat: {kind: slack, url: ECHO, status: ECHO, token: {env: CANARY_SLACK}}
  chat-hook: {kind: slack, url: ECHO, webhook: {env: CANARY_SLACK_HOOK}}
  box: {kind: darwinbox, url: ECHO, username: me, password: {env: CANARY_DARWINBOX}, api_key: {env: CANARY_DARWINBOX_KEY}, dataset_key: {env: CANARY_DARWINBOX_SET}, employee: E042}
  box-token: {kind: darwinbox, url: ECHO, client_id: me, client_secret: {env: CANARY_DARWINBOX_ID}, code: {env: CANARY_DARWINBOX_CODE}, api_key: {env: CANARY_DARWINBOX_KEY}, dataset_key: {env: CANARY_DARWINBOX_SET}, employee: E042}
  graph: {kind: teams, url: ECHO, tenant: acme, client_id: me, client_secret: {env: CANARY_TEAMS}, team: t1}
  flow: {kind: teams, url: ECHO, workflow: {env: CANARY_FLOW}}
  hook: {kind: webhook, address: {env: CANARY_ADDRESS}, signature: standard-webhooks, secret: {env: CANARY_SIGNER}}
`, "ECHO", fmt.Sprintf("%q", environment))
}

var providersAsked = []string{"slack: {connection: chat, channel: C02, data: users.list}", "slack: chat-hook", "darwinbox: box", "darwinbox: box-token",
	"teams: graph", "teams: flow", "teams: {connection: flow, mode: canary}", "webhook: hook", "webhook: {connection: hook, mode: canary, json: {key: $(secrets.named)}}"}

// providerChecks ask all of them, in every way that sends a secret, and want something else of what is echoed.
func providerChecks() string {
	var s strings.Builder
	for _, check := range providersAsked {
		fmt.Fprintf(&s, "  - %s\n    name: %q\n    expect: {$.tier: nothing, $.status: nothing}\n", check, strings.ReplaceAll(check, "$(", "$$("))
	}
	return s.String()
}

// withProviders adds the canaries of providers, and returns what must not be heard of those that are addresses.
func withProviders(secrets map[string]string, environment string) (parts map[string]string) {
	maps.Copy(secrets, providerCanaries())
	parts = map[string]string{}
	for name, canary := range addressCanaries {
		secrets[name] = environment + canary[0]
		for i, part := range canary[1:] {
			parts[fmt.Sprint("part ", i, " of ", name)] = part
		}
	}
	return parts
}

package daemon_test

import (
	"os"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
)

// Whoever reloads often must not ask a provider more often than it allows.
func TestReloadForgetsNoBudget(t *testing.T) {
	t.Setenv("PLUM_KEY", "a-key-of-plum")
	h := buildWith(t, "suite: smoke\nchecks: [{get: /healthz, auth: plum-key, timeout: 2s}]\n",
		"connections: {plum-key: {kind: bearer, token: {env: PLUM_KEY}, rate: {per_second: 0.001}}}\n")
	b := h.client(t)
	if v := verdict(t, b, h.release(t, b, plumbline.Green, "2", "")); !v.Passed() {
		t.Fatalf("%s %q", v.Outcome, v.Reason)
	}
	h.rewrite(t, "plumbline.yaml", "    new: true\n", "    new: true\n    deadline: 5m\n")
	config, _, err := configs.Load(configs.Source{File: h.config, Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	v := verdict(t, b, h.release(t, b, plumbline.Green, "3", ""))
	if v.Passed() || len(v.Checks) != 1 || !strings.Contains(v.Checks[0].Reason, "has no room in the time of this check") {
		t.Errorf("%s %q: the provider is asked again at once", v.Outcome, v.Reason)
	}
}

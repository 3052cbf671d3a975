package daemon_test

import (
	"strings"
	"testing"
)

// By what a gate opens more easily stands apart from the rest.
func TestWeakeningsStandApart(t *testing.T) {
	h := buildWith(t, strings.Replace(suite, "    expect", "    severity: critical\n    expect", 1)+"  - {name: aside, get: /aside, severity: advisory}\n",
		"    gate: {valid_for: 30m, rollback: enforce, require_digest: true, require_change: true}\n    standby: {schedule: \"0 0 1 1 *\"}\n")
	b := h.client(t)
	for _, step := range []struct{ file, old, new, weaker string }{
		{"smoke.yaml", "severity: critical", "severity: advisory", "^check smoke/build: advisory, was critical$"},
		{"smoke.yaml", "  - get: /healthz\n", "", "^check smoke/GET /healthz: removed$"},
		{"smoke.yaml", "    get: /version\n", "    get: /version\n    skip: {reason: \"later\", owner: me, until: 2999-01-01}\n", ""}, // advisory by now
		{"smoke.yaml", "  - {name: aside, get: /aside, severity: advisory}\n", "  - {name: other, get: /other}\n", ""},
		{"smoke.yaml", "{name: other, get: /other}", "{name: other, get: /other, since: 2026.10}", "^check smoke/other: skipped for versions below 2026.10$"},
		{"smoke.yaml", "since: 2026.10", "since: 2026.11.2", "^check smoke/other: skipped for versions below 2026.11.2, was below 2026.10$"},
		{"smoke.yaml", "since: 2026.11.2", "since: 2026.11.2.0", ""},
		{"smoke.yaml", "since: 2026.11.2.0", "since: 2026.9", ""},
		{"smoke.yaml", ", since: 2026.9", "", ""},
		{"smoke.yaml", "{name: other, get: /other}", "{name: other, get: /other, skip: {reason: \"later\", owner: me, until: 2999-01-01}}", "^check smoke/other: skipped \\(later"},
		{"smoke.yaml", "triggers: [release, standby, switched]", "triggers: [release, switched]", "^suite smoke: isn't asked at standby any more$"},
		{"smoke.yaml", "suite: smoke", "suite: smoke\ntimeout: 1m", ""},
		{"plumbline.yaml", "valid_for: 30m", "valid_for: 1h", "^gate.valid_for: 1h0m0s, was 30m0s$"},
		{"plumbline.yaml", "valid_for: 1h", "valid_for: 5m", ""},
		{"plumbline.yaml", "rollback: enforce", "rollback: warn", "^gate.rollback: warn, was enforce$"},
		{"plumbline.yaml", "require_digest: true", "require_digest: false", "^gate.require_digest: no digest is required any more$"},
		{"plumbline.yaml", ", require_change: true", "", "^gate.require_change: no change is required any more$"},
		{"plumbline.yaml", "rollback: warn", "rollback: warn, mode: observe, until: 2999-01-01", "^gate.mode: observe until 2999-01-01T00:00:00Z: "},
		{"plumbline.yaml", "until: 2999-01-01", "until: 2999-02-01", "^gate.mode: observe until 2999-02-01T00:00:00Z: "},
		{"plumbline.yaml", ", mode: observe, until: 2999-02-01", "", ""},
		{"plumbline.yaml", "    new: true", "    new: true\n    on_shared_failure: warn", "^on_shared_failure: warn: "},
		{"plumbline.yaml", "    standby: {schedule: \"0 0 1 1 *\"}\n", "", "^standby.schedule: the standby is asked no more$"},
		{"plumbline.yaml", "    new: true", "    new: true\n    deadline: 2h", ""},
		{"smoke.yaml", "suite: smoke", "suite: smoke-two", "^suite smoke: removed$"},
	} {
		h.rewrite(t, step.file, step.old, step.new)
		recorded := h.reload(t, b, "plum")
		if want := min(1, len(step.weaker)); len(recorded.Weaker) != want || want > 0 && !has(recorded.Weaker, step.weaker) || len(recorded.Changes) == 0 {
			t.Errorf("%s: %q → %q: recorded %q, weaker %q, want %q", step.file, step.old, step.new, recorded.Changes, recorded.Weaker, step.weaker)
		}
	}
}

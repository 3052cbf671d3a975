package suites

import (
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// longestWait bounds how long a run may wait for a shared failure to end.
const longestWait = 24 * time.Hour

// shared reads what the live color's answer means for a check that fails.
func (p *parser) shared(c *plumbline.Check, k common) {
	if k.Control != nil {
		var asked bool
		p.decode(k.Control, &asked)
		c.Uncontrolled = !asked
	}
	if k.OnShared != nil {
		known := plumbline.SharedPolicies()
		if c.OnShared = plumbline.OnShared(k.OnShared.Value); !slices.Contains(known, c.OnShared) {
			p.wrong(k.OnShared, strictyaml.DidYouMean(k.OnShared.Value, words(known)), "unknown on_shared_failure %q", k.OnShared.Value)
		}
	}
	if k.WaitFor != nil {
		c.WaitFor = p.duration(k.WaitFor)
	}
	switch {
	case c.OnShared == plumbline.SharedWait && k.WaitFor == nil:
		p.wrong(k.OnShared, "write wait_for: 10m", "on_shared_failure wait without wait_for")
	case k.WaitFor != nil && c.OnShared != plumbline.SharedWait:
		p.wrong(k.WaitFor, "write on_shared_failure: wait", "wait_for without on_shared_failure wait")
	case c.WaitFor > longestWait:
		p.wrong(k.WaitFor, "", "wait_for %s, want at most %s", k.WaitFor.Value, longestWait)
	case k.OnShared == nil:
	case c.Uncontrolled:
		p.wrong(k.OnShared, "take control: false out", "on_shared_failure of a check that the live color is not asked")
	case c.Effect != plumbline.EffectNone:
		p.wrong(k.OnShared, "", "on_shared_failure of a check that leaves something behind: the live color is not asked")
	case c.OnShared == plumbline.SharedWarn && c.Connection == "":
		p.wrong(k.OnShared, "write through: CONNECTION if its endpoint asks a provider", "on_shared_failure warn is for checks of a provider alone")
	}
}

// maxAge reads how old an answer may be that serves a standby. What is captured, or depends on that, is asked anew.
func (p *parser) maxAge(c *parsed, n *yaml.Node) {
	if n == nil {
		return
	}
	c.MaxAge = p.duration(n)
	switch {
	case !slices.Contains(p.suite.Triggers, plumbline.TriggerStandby):
		p.wrong(n, "it serves standby runs alone", "max_age in a suite without trigger standby")
	case c.Effect != plumbline.EffectNone:
		p.wrong(n, "", "max_age of a check that leaves something behind")
	case len(c.captures) > 0 || len(c.uses) > 0:
		p.wrong(n, "", "max_age of a check with captures: they are of one run")
	case c.Poll.For > 0:
		p.wrong(n, "", "max_age beside poll")
	}
}

func words[T ~string](of []T) []string {
	list := make([]string, len(of))
	for i, word := range of {
		list[i] = string(word)
	}
	return list
}

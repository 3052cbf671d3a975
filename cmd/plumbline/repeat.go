package main

import (
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// A repeater is a prober that knows a command which asks the same again: of a scenario, the step that went wrong. It
// names secrets and never has them.
type repeater interface {
	Curl(ask plumbline.Ask, r plumbline.Result) string
}

// repeats finds the command for a check of the plan, by its name as it is shown; "" if there is none.
func repeats(plan plumbline.Plan) func(plumbline.Result) string {
	probers := map[string]plumbline.Prober{}
	for _, c := range plan.Checks {
		probers[term.Line(c.ID())] = c.Prober
	}
	ask := plumbline.Ask{Site: plan.Site, Run: plan.Run, Release: plan.Release}
	return func(r plumbline.Result) string {
		if p, can := probers[term.Line(r.ID())].(repeater); can {
			return p.Curl(ask, r)
		}
		return ""
	}
}

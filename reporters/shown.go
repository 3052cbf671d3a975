package reporters

import (
	"slices"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// Shown is a verdict in words that a terminal shows and doesn't obey, each in one line but for pieces of answers and what
// a suite says of a failure. A verdict may come from anywhere: who made it may have left that to its readers.
func Shown(v plumbline.Verdict) plumbline.Verdict {
	line(&v.Run, &v.Service, &v.Release.Version, &v.Release.Digest, &v.Outcome, &v.Reason, &v.Worker)
	line(&v.Color)
	line(&v.Trigger)
	line(&v.Cause)
	v.Suites, v.Checks = slices.Clone(v.Suites), slices.Clone(v.Checks)
	for i := range v.Suites {
		line(&v.Suites[i].Name, &v.Suites[i].Digest)
	}
	for i, c := range v.Checks {
		v.Checks[i] = shownCheck(c)
	}
	return v
}

func shownCheck(c plumbline.Result) plumbline.Result {
	line(&c.Name, &c.Kind, &c.Suite, &c.Place, &c.Reason, &c.Owner)
	line(&c.Severity)
	line(&c.Outcome)
	line(&c.Class)
	line(&c.Tier)
	line(&c.Attribution)
	c.Impact, c.Cure, c.Detail = term.Printable(c.Impact), term.Printable(c.Cure), term.Printable(c.Detail)
	c.Warnings, c.Attempts, c.Steps = slices.Clone(c.Warnings), slices.Clone(c.Attempts), slices.Clone(c.Steps)
	for i := range c.Warnings {
		line(&c.Warnings[i])
	}
	for i := range c.Attempts {
		line(&c.Attempts[i].Outcome)
		line(&c.Attempts[i].Reason)
	}
	for i := range c.Steps {
		line(&c.Steps[i].Outcome)
		line(&c.Steps[i].Name, &c.Steps[i].Reason)
	}
	return c
}

func line[T ~string](texts ...*T) {
	for _, text := range texts {
		*text = T(term.Line(string(*text)))
	}
}

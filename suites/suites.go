// Package suites reads suites: YAML files of checks for a service, with the triggers they answer to. What isn't
// understood completely isn't loaded.
package suites

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// A Suite is one file of checks.
type Suite struct {
	Name     string
	Service  string // that it is for, or nothing for every service that loads it
	File     string
	Digest   string // "sha256:…" of Source
	Triggers []plumbline.Trigger
	Always   bool          // used as it is today, whatever was pinned
	Timeout  time.Duration // of all its checks together; 0 if the suite doesn't say
	Vars     []string      // names that Options.Vars may set
	Source   []byte        // its exact bytes; where other files belong to it, an archive of all of them. Parse reads both
	Checks   []plumbline.Check
	Warnings strictyaml.Problems // what keeps nobody from using it

	skips map[string]end    // by check
	since map[string]string // versions, by check
}

// Ref names the bytes of the suite.
func (s Suite) Ref() plumbline.SuiteRef {
	return plumbline.SuiteRef{Name: s.Name, Digest: s.Digest, Triggers: slices.Clone(s.Triggers), Always: s.Always}
}

// Answers says whether the suite is asked at this trigger.
func (s Suite) Answers(to plumbline.Trigger) bool { return slices.Contains(s.Triggers, to) }

// Since is the first version that a check is for, or nothing if it is for all.
func (s Suite) Since(check string) string { return s.since[check] }

// ChecksFor are the checks as they are asked of a release at a time: those for later versions are skipped, and where a
// skip has ended by then the check is errored.
func (s Suite) ChecksFor(release plumbline.Release, now time.Time) []plumbline.Check {
	all := slices.Clone(s.Checks)
	for i := range all {
		c := &all[i]
		since, young := s.since[c.Name]
		until, skipped := s.skips[c.Name]
		switch {
		case skipped && c.Skip != "" && !now.Before(until.at):
			lapse(c, until.written)
		case c.Skip == "" && young && release.Before(since):
			c.Skip = fmt.Sprintf("since %s: %s is older", since, release.Version)
		}
	}
	return all
}

// lapse makes of a check whose skip ended one that says so. It asks nothing.
func lapse(c *plumbline.Check, until string) {
	ended := fmt.Errorf("the skip ended %s: take it out, or skip the check until later", until)
	c.Skip, c.Needs, c.Retries, c.Poll, c.Repeatable = "", nil, 0, plumbline.Poll{}, true
	c.Prober = plumbline.ProberFunc(func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
		return plumbline.Answer{}, ended
	})
}

// An end is when a skip ends.
type end struct {
	at      time.Time
	written string
}

// DefaultTimeout is what a check may take, with all attempts and waits, unless the suite says otherwise.
const DefaultTimeout = 10 * time.Second

// Options are what a suite is read with. The zero Options know no connections and no secrets, which makes naming one
// a warning.
type Options struct {
	Kinds       map[string]checks.Kind // nil means all of them, over a transport of their own
	Vars        map[string]any         // instead of the suite's own; names that it doesn't have are ignored
	Connections []string               // that `auth` may name; nil: not known
	Secrets     []string               // that `$(secrets.x)` may name; nil: not known
	KindOf      func(string) string    // of a connection; nil: not known
	Strict      bool                   // warnings are errors
	Now         func() time.Time       // says whether a skip has ended; nil means time.Now
}

func (o Options) withDefaults() Options {
	if o.Kinds == nil {
		o.Kinds = checks.Kinds(checks.Clients{})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

package daemon

import (
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/suites"
)

// suiteChanges lists which suites of a service differ, and which checks came and went.
func suiteChanges(was, is []suites.Suite) (lines []string) {
	before, after := byName(was), byName(is)
	for _, s := range was {
		if _, kept := after[s.Name]; !kept {
			lines = append(lines, fmt.Sprintf("suite %s: removed, with %d checks", s.Name, len(s.Checks)))
		}
	}
	for _, s := range is {
		old, known := before[s.Name]
		switch {
		case !known:
			lines = append(lines, fmt.Sprintf("suite %s: added, with %d checks", s.Name, len(s.Checks)))
		case old.Digest != s.Digest:
			lines = append(lines, fmt.Sprintf("suite %s: %s, was %s", s.Name, s.Digest, old.Digest))
			lines = append(lines, cameAndWent(old, s)...)
		}
	}
	return lines
}

func cameAndWent(was, is suites.Suite) (lines []string) {
	before, after := checksOf(was), checksOf(is)
	for _, c := range is.Checks {
		if _, known := before[c.Name]; !known {
			lines = append(lines, fmt.Sprintf("check %s: added", c.ID()))
		}
	}
	for _, c := range was.Checks {
		if _, kept := after[c.Name]; !kept {
			lines = append(lines, fmt.Sprintf("check %s: removed", c.ID()))
		}
	}
	return lines
}

// weakenings lists by what the gates of a service open more easily than before. What a check asks can't be weighed: that a
// suite differs is among the changes.
func weakenings(was, is *snapshot, service string) []string {
	before, after := was.config.Services[service], is.config.Services[service]
	switch {
	case before == nil:
		return nil
	case after == nil:
		return []string{"the service is removed: this daemon asks nothing about it and answers for none of its gates"}
	}
	weaker := weakerSettings(*before, *after)
	kept := byName(is.suites[service])
	for _, s := range was.suites[service] {
		if now, exists := kept[s.Name]; exists {
			weaker = append(weaker, weakerSuite(s, now)...)
		} else {
			weaker = append(weaker, fmt.Sprintf("suite %s: removed", s.Name))
		}
	}
	return weaker
}

func weakerSettings(was, is configs.Service) (weaker []string) {
	say := func(bad bool, format string, args ...any) {
		if bad {
			weaker = append(weaker, fmt.Sprintf(format, args...))
		}
	}
	say(is.Gate.Mode == configs.ModeObserve && (was.Gate.Mode != configs.ModeObserve || is.Gate.Until.After(was.Gate.Until.Time)),
		"gate.mode: observe until %s: a closed gate holds nothing back", is.Gate.Until.UTC().Format(time.RFC3339))
	say(is.Gate.ValidFor > was.Gate.ValidFor, "gate.valid_for: %s, was %s", is.Gate.ValidFor, was.Gate.ValidFor)
	say(is.Gate.Rollback != configs.RollbackEnforce && was.Gate.Rollback == configs.RollbackEnforce, "gate.rollback: %s, was %s", is.Gate.Rollback, was.Gate.Rollback)
	say(was.Gate.RequireDigest && !is.Gate.RequireDigest, "gate.require_digest: no digest is required any more")
	say(was.Gate.RequireChange && !is.Gate.RequireChange, "gate.require_change: no change is required any more")
	say(is.OnSharedFailure == plumbline.SharedWarn && was.OnSharedFailure != plumbline.SharedWarn,
		"on_shared_failure: warn: what the live color fails, too, holds nothing back")
	say(was.Standby.Schedule != "" && is.Standby.Schedule == "", "standby.schedule: the standby is asked no more")
	return weaker
}

func weakerSuite(was, is suites.Suite) (weaker []string) {
	for _, trigger := range was.Triggers {
		if !is.Answers(trigger) {
			weaker = append(weaker, fmt.Sprintf("suite %s: isn't asked at %s any more", was.Name, trigger))
		}
	}
	kept := checksOf(is)
	for _, c := range was.Checks {
		now, exists := kept[c.Name]
		if c.Phase != plumbline.PhaseChecks {
			continue // it makes room for checks, and proves nothing
		}
		critical := c.Severity != plumbline.Advisory
		switch {
		case !exists && critical:
			weaker = append(weaker, fmt.Sprintf("check %s: removed", c.ID()))
		case !exists:
		case critical && now.Severity == plumbline.Advisory:
			weaker = append(weaker, fmt.Sprintf("check %s: advisory, was critical", c.ID()))
		case critical && c.Skip == "" && now.Skip != "":
			weaker = append(weaker, fmt.Sprintf("check %s: skipped (%s)", c.ID(), now.Skip))
		case now.OnShared == plumbline.SharedWarn && c.OnShared != plumbline.SharedWarn:
			weaker = append(weaker, fmt.Sprintf("check %s: warns where the live color fails it, too", c.ID()))
		}
		switch before, since := was.Since(c.Name), is.Since(c.Name); {
		case !critical || since == "":
		case before == "":
			weaker = append(weaker, fmt.Sprintf("check %s: skipped for versions below %s", c.ID(), since))
		case plumbline.Release{Version: before}.Before(since):
			weaker = append(weaker, fmt.Sprintf("check %s: skipped for versions below %s, was below %s", c.ID(), since, before))
		}
	}
	return weaker
}

func byName(list []suites.Suite) map[string]suites.Suite {
	named := make(map[string]suites.Suite, len(list))
	for _, s := range list {
		named[s.Name] = s
	}
	return named
}

func checksOf(s suites.Suite) map[string]plumbline.Check {
	named := make(map[string]plumbline.Check, len(s.Checks))
	for _, c := range s.Checks {
		named[c.Name] = c
	}
	return named
}

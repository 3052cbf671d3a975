package runner

import (
	"time"

	"github.com/plumbline-dev/plumbline"
)

// maxAnswers bounds how many answers a Runner keeps.
const maxAnswers = 10_000

// An answerKey is what a kept answer is about: the same check, with the same parameters, of the same deployment.
type answerKey struct {
	service    string
	color      plumbline.Color
	deployment uint64
	suite      string // its digest, which covers connection and parameters
	check      string
}

// answered is a check that passed.
type answered struct {
	result plumbline.Result
	at     time.Time
}

func (s *session) answerKey(c plumbline.Check) answerKey {
	key := answerKey{service: s.plan.Service, color: s.plan.Color, deployment: s.plan.Deployment, check: c.ID()}
	for _, suite := range s.plan.Suites {
		if suite.Name == c.Suite {
			key.suite = suite.Digest
		}
	}
	return key
}

// keep remembers a pass for standby runs of the same deployment.
func (s *session) keep(c plumbline.Check, result plumbline.Result) {
	if c.MaxAge <= 0 || len(result.Attempts) == 0 {
		return
	}
	key := s.answerKey(c)
	s.Runner.mu.Lock()
	defer s.Runner.mu.Unlock()
	if result.Outcome != plumbline.Passed {
		delete(s.answers, key) // what failed since is asked again
		return
	}
	for old := range s.answers {
		if len(s.answers) < maxAnswers {
			break
		}
		delete(s.answers, old)
	}
	s.answers[key] = answered{result, result.Attempts[len(result.Attempts)-1].At}
}

// kept is an answer that another run was given and that is young enough for this one.
func (s *session) kept(c plumbline.Check) (plumbline.Result, bool) {
	if s.plan.Trigger != plumbline.TriggerStandby || c.MaxAge <= 0 || c.ID() == s.fresh {
		return plumbline.Result{}, false
	}
	answer, ok := s.answer(c)
	if !ok {
		return plumbline.Result{}, false
	}
	result := answer.result
	result.AskedAt, result.Seconds, result.Flaky, result.Attempts, result.Asked = answer.at, 0, false, nil, 0
	return result, true
}

func (s *session) answer(c plumbline.Check) (answered, bool) {
	s.Runner.mu.Lock()
	defer s.Runner.mu.Unlock()
	answer, ok := s.answers[s.answerKey(c)]
	return answer, ok && time.Since(answer.at) < c.MaxAge
}

// firstAsked is the critical check that is asked in this very run even if its answer is kept: the one with the oldest
// answer, where all of them have one; nothing where another is asked anyway.
func (s *session) firstAsked() string {
	var first plumbline.Check
	var oldest time.Time
	for _, c := range s.plan.Checks {
		if c.Severity == plumbline.Advisory || c.Phase != plumbline.PhaseChecks || c.Skip != "" {
			continue
		}
		if c.MaxAge <= 0 {
			return ""
		}
		answer, ok := s.answer(c)
		if !ok {
			return ""
		}
		if oldest.IsZero() || answer.at.Before(oldest) {
			first, oldest = c, answer.at
		}
	}
	if oldest.IsZero() {
		return ""
	}
	return first.ID()
}

package reporters_test

import (
	"context"
	"errors"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/reporters"
)

func TestNews(t *testing.T) {
	superseded := func(v *plumbline.Verdict) { v.Outcome, v.Cause = plumbline.Fail, plumbline.CauseSuperseded }
	tests := []struct {
		name   string
		report reporters.Report
		want   bool
	}{
		{"a release passes", reporters.Report{Verdict: verdict(nil)}, true},
		{"a release is superseded", reporters.Report{Verdict: verdict(superseded)}, true},
		{"the live color passes", reporters.Report{Verdict: live(nil)}, true},
		{"the standby passes for the first time", reporters.Report{Verdict: standby(nil)}, false},
		{"the standby passes as ever", reporters.Report{Verdict: standby(nil), Former: plumbline.Pass}, false},
		{"the standby recovers", reporters.Report{Verdict: standby(nil), Former: plumbline.Fail}, true},
		{"the standby fails for the first time", reporters.Report{Verdict: standby(failed)}, true},
		{"the standby fails", reporters.Report{Verdict: standby(failed), Former: plumbline.Pass}, true},
		{"the standby fails as ever", reporters.Report{Verdict: standby(failed), Former: plumbline.Fail}, false},
		{"the standby run is superseded", reporters.Report{Verdict: standby(superseded)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.report.News(); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	tests := []struct {
		name   string
		filter reporters.Filter
		want   bool
	}{
		{"zero takes all", reporters.Filter{}, true},
		{"its service", reporters.Filter{Services: []string{"pear", "plum"}}, true},
		{"another service", reporters.Filter{Services: []string{"pear"}}, false},
		{"its outcome", reporters.Filter{Outcomes: []string{plumbline.Pass}}, true},
		{"another outcome", reporters.Filter{Outcomes: []string{plumbline.Fail}}, false},
		{"one of two", reporters.Filter{Services: []string{"plum"}, Outcomes: []string{plumbline.Fail}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.filter.Wants(verdict(nil)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestRetryableOfOtherErrors(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), context.Canceled} {
		if retry, after := reporters.Retryable(err); retry || after != 0 {
			t.Errorf("%v: got %t after %s, want false", err, retry, after)
		}
	}
}

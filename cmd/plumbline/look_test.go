package main

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// Why a way back is at risk, and that it is advised, isn't left to who asks the gate.
func TestStatusSaysWhatGatesWarnOf(t *testing.T) {
	for want, gate := range map[string]plumbline.Gate{
		"green is live": {Reason: "green is live", Advice: plumbline.AdviceNone},
		"the standby blue runs 1; warning: nobody asked it":                {Reason: "the standby blue runs 1", Warning: "nobody asked it"},
		"green is live; advice: rollback: the live color fails its checks": {Reason: "green is live", Advice: plumbline.AdviceRollback},
	} {
		v := serviceView{Record: plumbline.Begin("plum", plumbline.Policy{}), Gates: map[plumbline.Color]plumbline.Gate{plumbline.Green: gate}}
		if row := statusRow(v, plumbline.Green, time.Now()); row[len(row)-1] != want {
			t.Errorf("got %q, want %q", row[len(row)-1], want)
		}
	}
}

// A verdict that no longer counts isn't shown as that of what runs now.
func TestStatusSaysWhatTheLastVerdictWasAbout(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	state := plumbline.ColorState{Deployment: 7, Release: plumbline.Release{Version: "2"}, Last: &plumbline.VerdictRef{
		Outcome: plumbline.Fail, Trigger: plumbline.TriggerManual, Role: plumbline.RoleLive, Deployment: 7, Release: plumbline.Release{Version: "2"}, FinishedAt: now.Add(-time.Minute)}}
	record := plumbline.Record{Service: "plum", Adopted: true, Live: plumbline.Blue, Colors: map[plumbline.Color]plumbline.ColorState{plumbline.Green: state}}
	if got, want := statusRow(serviceView{Record: record}, plumbline.Green, now)[3], "fail (manual, 1m ago, while it was live)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	record.Live = plumbline.Green
	if got, want := statusRow(serviceView{Record: record}, plumbline.Green, now)[3], "fail (manual, 1m ago)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

package main

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

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

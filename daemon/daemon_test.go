package daemon_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
)

func TestMain(m *testing.M) {
	// A client that is closed right after its first result leaves this one waiting for nothing.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

func TestReleaseOpensItsGateAlone(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	if _, g := h.gate(t, "green"); g.Gate != plumbline.GateClosed {
		t.Errorf("before any release the gate is %s", g.Gate)
	}
	v := verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	if !v.Passed() || len(v.Checks) != 2 || v.Worker != "d1" || v.Tool != "plumbline test" || v.ConfigDigest == "" {
		t.Fatalf("verdict %+v", v)
	}
	until(t, "the gate opens", func() bool { _, g := h.gate(t, "green?version=2"); return g.Gate == plumbline.GateOpen })
	for query, want := range map[string]plumbline.GateState{
		"green":                           plumbline.GateOpen,
		"green?version=2&digest=sha256:0": plumbline.GateClosed,
		"green?version=3":                 plumbline.GateWaiting,
		"green?purpose=rollback":          plumbline.GateClosed,
		"blue":                            plumbline.GateOpen, // live already
	} {
		if status, g := h.gate(t, query); status != http.StatusOK || g.Gate != want {
			t.Errorf("%s: %d %s (%s), want %s", query, status, g.Gate, g.Reason, want)
		}
	}
	for query, want := range map[string]int{"green?verison=2": 400, "green?version=2&version=3": 400, "red": 404} {
		if status, _ := h.gate(t, query); status != want {
			t.Errorf("%s: %d, want %d", query, status, want)
		}
	}
	h.green.healthy.Store(false)
	v = verdict(t, b, h.release(t, b, plumbline.Green, "3", ""))
	if v.Passed() || v.Cause != plumbline.CauseChecks || !strings.Contains(v.Reason, "503") {
		t.Errorf("verdict of the broken release: %s %s %q", v.Outcome, v.Cause, v.Reason)
	}
	until(t, "the gate closes", func() bool {
		_, g := h.gate(t, "green")
		return g.Gate == plumbline.GateClosed && g.Verdict == plumbline.Fail
	})
	if _, g := h.gate(t, "green?version=2"); g.Gate != plumbline.GateClosed {
		t.Errorf("the gate for the version before is %s", g.Gate)
	}
}

func TestSameEventThreeTimesIsOneVerdict(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	first := h.release(t, b, plumbline.Green, "2", "event-1")
	verdict(t, b, first)
	body := fmt.Sprintf(`{"specversion":"1.0","id":"event-1","source":"/test","type":"dev.plumbline.release.deployed.v1","data":%s}`,
		`{"service":"plum","color":"green","version":"2"}`)
	for range 2 { // as another client would, without message ids
		if _, err := b.Conn().Request("plumbline.event.plum", []byte(body), patience); err != nil {
			t.Fatal(err)
		}
	}
	last := h.release(t, b, plumbline.Green, "3", "event-2") // applied after the others
	verdict(t, b, last)
	verdicts, err := b.Verdicts(t.Context(), "plum", 10)
	if err != nil || len(verdicts) != 2 {
		t.Errorf("%d verdicts (%v), want one for each of two events", len(verdicts), err)
	}
}

func TestOldSwitchAgainChangesNothing(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	forth := publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, ID: "forth", Color: plumbline.Green})
	verdict(t, b, forth)
	back := publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, ID: "back", Color: plumbline.Blue, Reason: "rollback"})
	verdict(t, b, back)
	body := `{"specversion":"1.0","id":"forth","source":"/test","type":"dev.plumbline.traffic.switched.v1","data":{"service":"plum","to":"green"}}`
	answer, err := b.Conn().Request("plumbline.event.plum", []byte(body), patience)
	if err != nil {
		t.Fatal(err)
	}
	var ack struct{ Seq uint64 }
	if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Seq == 0 {
		t.Fatalf("%s: %v", answer.Data, err)
	}
	until(t, "the old switch is applied", func() bool { r, _ := h.Record("plum"); return r.Applied >= ack.Seq })
	if r, _ := h.Record("plum"); r.Live != plumbline.Blue || r.Switched != back.Sequence {
		t.Errorf("%s is live since %d, want blue since %d", r.Live, r.Switched, back.Sequence)
	}
}

func TestSwitchStandbyAndRollback(t *testing.T) {
	h := build(t, "    standby: {schedule: \"* * * * * *\"}\n")
	b := h.client(t)
	verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	if v := verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, Color: plumbline.Green})); !v.Passed() ||
		v.Trigger != plumbline.TriggerSwitched || v.Role != plumbline.RoleLive {
		t.Errorf("the switched run: %s %s %s %q", v.Outcome, v.Trigger, v.Role, v.Reason)
	}
	until(t, "the standby is ready", func() bool {
		_, g := h.gate(t, "blue?purpose=rollback")
		return g.Gate == plumbline.GateOpen && g.Readiness == plumbline.Ready
	})
	until(t, "the clock asks the standby", func() bool {
		vs, err := b.Verdicts(t.Context(), "plum", 10)
		n := 0
		for _, v := range vs {
			if v.Trigger == plumbline.TriggerStandby && v.Color == plumbline.Blue {
				n++
			}
		}
		return err == nil && n >= 3
	})
	h.green.healthy.Store(false)
	if v := verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventRequested, Color: plumbline.Green})); v.Passed() {
		t.Error("the broken live color passed")
	}
	until(t, "a rollback is advised", func() bool { _, g := h.gate(t, "green"); return g.Advice == plumbline.AdviceRollback })
	h.blue.healthy.Store(false)
	until(t, "the standby is at risk: it fails as the live color does", func() bool {
		_, g := h.gate(t, "blue?purpose=rollback")
		return g.Gate == plumbline.GateOpen && g.Readiness == plumbline.AtRisk
	})
	h.green.healthy.Store(true)
	until(t, "the standby is not ready: the live color passes", func() bool {
		_, g := h.gate(t, "blue?purpose=rollback")
		return g.Gate == plumbline.GateClosed && g.Readiness == plumbline.NotReady
	})
}

func TestNothingIsLostAcrossARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := &house{blue: newSite(t, "1"), green: newSite(t, "2"), config: filepath.Join(dir, "plumbline.yaml")}
	write(t, filepath.Join(dir, "smoke.yaml"), suite)
	write(t, h.config, fmt.Sprintf("bus: {store: bus, listen: 127.0.0.1:0}\nlisten: 127.0.0.1:0\nservices:\n  plum:\n    environments: {blue: {url: %q}, green: {url: %q}}\n    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [smoke.yaml]\n", h.blue.URL, h.green.URL))
	loaded, _, err := configs.Load(configs.Source{File: h.config})
	if err != nil {
		t.Fatal(err)
	}
	first, err := daemon.Start(t.Context(), daemon.Options{Config: loaded, Name: "d1", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := first.Bus().Publish(t.Context(), plumbline.Event{Kind: plumbline.EventDeployed, Service: "plum", Source: "/test", Color: plumbline.Green, Release: plumbline.Release{Version: "2"}})
	if err != nil {
		t.Fatal(err)
	}
	first.Stop() // the run may be anywhere between its event and its verdict
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	h.Daemon = start(t, h.config)
	if v := verdict(t, h.client(t), sent); !v.Passed() {
		t.Errorf("after the restart: %s %q", v.Outcome, v.Reason)
	}
	until(t, "the gate opens", func() bool { _, g := h.gate(t, "green?version=2"); return g.Gate == plumbline.GateOpen })
}

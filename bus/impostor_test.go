package bus_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A user of the system account may name any account as its own to JetStream: it must not be able to ask it.
func TestOperatorsOfServersAskForNoMessages(t *testing.T) {
	f := newFortress(t, shippedAccounts(t), "admin")
	publish(t, f.daemon, verdict(1))
	nc := f.attacker("operator")
	ask := func(subject, body string) (*nats.Msg, error) {
		m := nats.NewMsg(subject)
		m.Header.Set("Nats-Request-Info", `{"acc":"PLUMBLINE"}`)
		m.Data = []byte(body)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		return nc.RequestMsgWithContext(ctx, m)
	}
	for subject, body := range map[string]string{
		"$JS.API.STREAM.MSG.GET.PLUMBLINE_VERDICTS": `{"seq":1}`,
		"$JS.API.STREAM.NAMES":                      "",
		"$JS.API.STREAM.DELETE.PLUMBLINE_LEDGER":    "",
		"plumbline.verdict.plum.green." + run(2):    "x",
	} {
		if answer, err := ask(subject, body); err == nil {
			t.Errorf("%s is answered: %s", subject, answer.Data)
		}
	}
	if answer, err := ask("$SYS.REQ.SERVER.PING.VARZ", ""); err != nil || !strings.Contains(string(answer.Data), "server_id") {
		t.Errorf("what operators ask isn't answered: %v", err)
	}
	if n := f.verdicts(); n != 1 {
		t.Errorf("%d verdicts, want 1", n)
	}
}

// taken publishes what is no event under the message id that an event will have.
func (f *fortress) taken(runID, data string) {
	f.Helper()
	sum := sha256.Sum256([]byte(data))
	js := must(jetstream.New(f.attacker("release")))(f.T)
	must(js.Publish(f.Context(), "plumbline.event.plum", []byte("x"), jetstream.WithMsgID(runID+"."+hex.EncodeToString(sum[:8]))))(f.T)
}

// Message ids can be foretold. Who takes one makes nothing vanish.
func TestAMessageIDThatWasTaken(t *testing.T) {
	f := newFortress(t, shippedAccounts(t), "admin")
	at := func(sequence uint64) string {
		js := must(jetstream.New(f.daemon.Conn()))(t)
		return must(must(js.Stream(t.Context(), "PLUMBLINE_EVENTS"))(t).GetMsg(t.Context(), sequence))(t).Subject
	}
	t.Run("of a slot", func(t *testing.T) {
		slot := plumbline.Event{Kind: plumbline.EventSlot, Service: "plum", Color: plumbline.Blue, ID: "2026-11-25T12:32:40Z"}
		f.taken(plumbline.RunID("plumbline.slot.plum.blue", bus.SourceClock, slot.ID), `{"service":"plum","color":"blue"}`)
		sent := must(f.daemon.Publish(t.Context(), slot))(t)
		again := must(f.daemon.Publish(t.Context(), slot))(t)
		if at(sent.Sequence) != "plumbline.slot.plum.blue" || at(again.Sequence) != "plumbline.slot.plum.blue" {
			t.Errorf("the stream has %s and %s", at(sent.Sequence), at(again.Sequence))
		}
	})
	t.Run("of a switch", func(t *testing.T) {
		moved := plumbline.Event{Kind: plumbline.EventSwitched, Service: "plum", Color: plumbline.Green, ID: "switch-44", Reason: "promote"}
		f.taken(plumbline.RunID("plumbline.event.plum", bus.SourceCommand, moved.ID), `{"service":"plum","to":"green","reason":"promote"}`)
		sent := must(f.bus("switch").Publish(t.Context(), moved))(t)
		if at(sent.Sequence) != "plumbline.event.plum.switch" {
			t.Errorf("the stream has %s", at(sent.Sequence))
		}
	})
}

// An id that release tooling used is free for who says that traffic moved.
func TestSwitchesHaveIDsOfTheirOwn(t *testing.T) {
	decode := func(subject, kind, to string) plumbline.Event {
		return must(bus.Decode("plumbline", bus.Message{Subject: subject, Time: time.Now(), Data: []byte(`{"specversion":"1.0","id":"switch-42","source":"/switch","type":"` +
			kind + `","data":{"service":"plum","` + to + `":"green"}}`)}))(t)
	}
	asked, moved := decode("plumbline.event.plum.release", bus.TypeRequested, "color"), decode("plumbline.event.plum.switch", bus.TypeSwitched, "to")
	if asked.Run == moved.Run {
		t.Error("both have the same run")
	}
	if plain := decode("plumbline.event.plum", bus.TypeRequested, "color"); plain.Run != asked.Run {
		t.Error("release tooling doesn't know the run of what it sends")
	}
}

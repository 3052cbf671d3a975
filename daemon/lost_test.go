package daemon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// A bus lost all that it had, under a daemon. Nothing is assumed of what is live, though the service is marked new: a reload
// makes streams and records anew, its gates stay closed until somebody adopts it, and then releases are served.
func TestBusThatLostItsState(t *testing.T) {
	t.Parallel()
	h, _ := apart(t)
	b := h.client(t)
	h.opened(t, b)
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		if strings.Contains(name, "PLUMBLINE_") {
			if err := js.DeleteStream(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.Reload(t.Context(), load(t, h.config)); err != nil {
		t.Fatal(err)
	}
	until(t, "the gate is closed because nobody knows what is live", func() bool {
		_, g := h.gate(t, "green?version=2")
		return g.Gate == plumbline.GateClosed && g.Because == plumbline.BecauseNoRecord
	})
	record, revision, err := b.Record(t.Context(), "plum")
	if err != nil || record.Adopted {
		t.Fatalf("the record: %+v, %v", record, err)
	}
	adopted, _, err := record.Adopt(plumbline.Blue, "1", "the bus was lost", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.UpdateRecord(t.Context(), adopted, revision); err != nil {
		t.Fatal(err)
	}
	if v := verdict(t, b, h.release(t, b, plumbline.Green, "3", "")); !v.Passed() {
		t.Errorf("after the adoption: %s %q", v.Outcome, v.Reason)
	}
	until(t, "the gate opens", func() bool { _, g := h.gate(t, "green?version=3"); return g.Gate == plumbline.GateOpen })
	if kept, err := b.Suite(t.Context(), h.Config().Digest()); err != nil || len(kept) == 0 {
		t.Errorf("the configuration isn't kept again: %v", err)
	}
}

package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// buried puts messages into the event stream, and aside as dead letters. It returns how each event was served when it
// comes again.
func buried(t *testing.T, b *bus.Bus, reason string, messages ...*nats.Msg) <-chan served {
	t.Helper()
	all := make(chan served, 64)
	js := must(jetstream.New(b.Conn()))(t)
	for _, m := range messages {
		must(js.PublishMsg(t.Context(), m))(t)
	}
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
			e, err := d.Event()
			if d.Sequence() <= uint64(len(messages)) {
				if err := d.DeadLetter(ctx, reason); err != nil {
					t.Error(err)
				}
			}
			if d.Done(ctx) == nil {
				all <- served{e, err, d.Sequence()}
			}
		})
	})
	for range messages {
		receive(t, all)
	}
	return all
}

type served struct {
	event    plumbline.Event
	err      error
	sequence uint64
}

const aRelease = `{"specversion":"1.0","id":"e1","source":"/ci","type":"dev.plumbline.release.deployed.v1","data":{"service":"plum","color":"green","version":"2"}}`

func event(body string) *nats.Msg {
	return &nats.Msg{Subject: "plumbline.event.plum", Data: []byte(body)}
}

// A replay is the same event with the same run, and says of itself that it is one.
func TestReplayIsTheSameEvent(t *testing.T) {
	b := ready(t)
	message := event(`{"service":"plum","color":"green","version":"2"}`)
	message.Header = nats.Header{"Ce-specversion": {"1.0"}, "CE-Id": {"e1"}, "ce-source": {"/ci"}, "ce-type": {bus.TypeDeployed},
		"Content-Type": {"application/json"}, "Nats-Msg-Id": {"mine"}, "Nats-Expected-Stream": {"PLUMBLINE_EVENTS"}, "X-Two": {"a", "b"}}
	all := buried(t, b, "service plum is not configured", message)
	letters := must(b.DeadLetters(t.Context(), 5))(t)
	if len(letters) != 1 || letters[0].Number != 1 || letters[0].Sequence != 1 {
		t.Fatalf("letters %+v", letters)
	}
	if _, _, err := b.Replay(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "it would be a dead letter again: service plum has no record") {
		t.Errorf("without a record: %v", err)
	}
	must(b.CreateRecord(t.Context(), plumbline.Begin("plum", plumbline.Policy{})))(t)
	sent, again, err := b.Replay(t.Context(), 1)
	if err != nil || again || sent.Sequence != 2 || sent.ID != "e1" || sent.Run != plumbline.RunID("plumbline.event.plum", "/ci", "e1") {
		t.Fatalf("sent %+v, again %t, %v", sent, again, err)
	}
	if got := receive(t, all); got.err != nil || got.event.Run != sent.Run || got.event.Hash != sent.Hash || got.sequence != 2 {
		t.Errorf("came %+v", got)
	}
	js := must(jetstream.New(b.Conn()))(t)
	raw := must(must(js.Stream(t.Context(), "PLUMBLINE_EVENTS"))(t).GetMsg(t.Context(), 2))(t)
	if string(raw.Data) != string(message.Data) || raw.Header.Get(bus.HeaderReplay) != "1" || !strings.HasPrefix(raw.Header.Get("Nats-Msg-Id"), "replay.1.") ||
		len(raw.Header["X-Two"]) != 2 || raw.Header.Get("Nats-Expected-Stream") != "" {
		t.Errorf("the replay is %q with %v", raw.Data, raw.Header)
	}
	if sent, again, err = b.Replay(t.Context(), 1); err != nil || !again || sent.Sequence != 2 {
		t.Errorf("once more: %+v, again %t, %v", sent, again, err)
	}
}

func TestReplayRefuses(t *testing.T) {
	b := ready(t)
	long := event(aRelease)
	long.Header = nats.Header{}
	for i := range 3000 { // the server takes them; renamed, they are more than it takes
		long.Header[fmt.Sprintf("H-%d", i)] = []string{"value"}
	}
	slot := event(`{"specversion":"1.0","id":"2026-11-23T13:00:00Z","source":"/x","type":"dev.plumbline.standby.slot.v1","data":{"service":"plum","color":"blue"}}`)
	slot.Subject = "plumbline.slot.plum.blue"
	all := buried(t, b, "whatever", event("release plum!"), long, slot)
	forged := &nats.Msg{Subject: "plumbline.deadletter.plum", Data: []byte(aRelease), Header: nats.Header{
		bus.HeaderSubject: {"plumbline.verdict.plum.green." + run(1)}, bus.HeaderSHA256: {"0000"}}}
	js := must(jetstream.New(b.Conn()))(t)
	must(js.PublishMsg(t.Context(), forged))(t)
	for number, want := range map[uint64]string{1: "it would be a dead letter again: ", 2: "its headers were cut", 3: "a slot of the standby clock", 4: "its body isn't the one"} {
		_, _, err := b.Replay(t.Context(), number)
		var bad *bus.BadEvent
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("letter %d: %v, want %q", number, err, want)
		}
	}
	if _, _, err := b.Replay(t.Context(), 99); !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("letter 99: %v", err)
	}
	quiet(t, all, 50*time.Millisecond)
	if verdicts := must(b.Verdicts(t.Context(), "", 5))(t); len(verdicts) != 0 {
		t.Errorf("a letter became a verdict: %+v", verdicts)
	}
}

// An id that was used with other data stays refused; of the same data, the run is the same.
func TestReplayOfAUsedID(t *testing.T) {
	b := ready(t)
	buried(t, b, "whatever", event(aRelease), event(strings.Replace(aRelease, `"version":"2"`, `"version":"3"`, 1)))
	e := must(bus.Decode("plumbline", bus.Message{Subject: "plumbline.event.plum", Data: []byte(aRelease)}))(t)
	record := plumbline.Begin("plum", plumbline.Policy{})
	record.Recent, record.Applied = []plumbline.Seen{{Run: e.Run, Mark: e.Mark(), Sequence: 1}}, 1
	must(b.CreateRecord(t.Context(), record))(t)
	var bad *bus.BadEvent
	if _, _, err := b.Replay(t.Context(), 2); !errors.As(err, &bad) || !strings.Contains(err.Error(), `event id "e1" was used before, with other data`) {
		t.Errorf("other data: %v", err)
	}
	if sent, _, err := b.Replay(t.Context(), 1); err != nil || sent.Run != e.Run {
		t.Errorf("the same data: %+v, %v", sent, err)
	}
}

// A record remembers so many events. What was judged is known by its verdict, too, also where other data names the other color.
func TestReplayOfAForgottenID(t *testing.T) {
	b := ready(t)
	other := strings.NewReplacer(`"version":"2"`, `"version":"3"`, `"color":"green"`, `"color":"blue"`).Replace(aRelease)
	buried(t, b, "whatever", event(aRelease), event(other))
	e := must(bus.Decode("plumbline", bus.Message{Subject: "plumbline.event.plum", Data: []byte(aRelease)}))(t)
	v := verdict(1)
	v.Run, v.Color, v.Event = e.Run, e.Color, plumbline.EventRef{ID: e.ID, Sequence: 1}
	if _, _, err := b.PublishVerdict(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	must(b.CreateRecord(t.Context(), plumbline.Begin("plum", plumbline.Policy{})))(t)
	var bad *bus.BadEvent
	if _, _, err := b.Replay(t.Context(), 2); !errors.As(err, &bad) || !strings.Contains(err.Error(), `event id "e1" was used before`) {
		t.Errorf("other data: %v", err)
	}
	if sent, _, err := b.Replay(t.Context(), 1); err != nil || sent.Run != e.Run {
		t.Errorf("the same data: %+v, %v", sent, err)
	}
}

// A letter can say anything of itself, its digest, too: it goes to no other subject than those of events.
func TestReplayGoesWhereEventsGo(t *testing.T) {
	b := ready(t)
	js := must(jetstream.New(b.Conn()))(t)
	for i, subject := range []string{"plumbline.verdict.plum.green." + run(1), "plumbline.ledger.plum", "$KV.PLUMBLINE_SERVICES.plum", "plumbline.event.>", "other.event.plum", ""} {
		forged := &nats.Msg{Subject: "plumbline.deadletter.plum", Data: []byte("x"), Header: nats.Header{bus.HeaderSubject: {subject},
			bus.HeaderSHA256: {"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}}}
		must(js.PublishMsg(t.Context(), forged))(t)
		if _, _, err := b.Replay(t.Context(), uint64(i+1)); err == nil || !strings.Contains(err.Error(), "names no service") {
			t.Errorf("subject %q: %v", subject, err)
		}
	}
}

func TestDropDeadLetter(t *testing.T) {
	b := ready(t)
	buried(t, b, "whatever", event("one"), event("two"))
	if letter, body, err := b.DeadLetter(t.Context(), 2); err != nil || string(body) != "two" || letter.Sequence != 2 {
		t.Fatalf("%+v %q %v", letter, body, err)
	}
	if err := b.DropDeadLetter(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"drop": b.DropDeadLetter(t.Context(), 2), "drop what never was": b.DropDeadLetter(t.Context(), 9)} {
		if !errors.Is(err, bus.ErrNoLetter) {
			t.Errorf("%s: %v, want %v", name, err, bus.ErrNoLetter)
		}
	}
	if _, _, err := b.DeadLetter(t.Context(), 2); !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("the dropped letter: %v", err)
	}
	if left := must(b.DeadLetters(t.Context(), 9))(t); len(left) != 1 || left[0].Number != 1 {
		t.Errorf("left: %+v", left)
	}
}

func TestWaitDeadLetter(t *testing.T) {
	b := ready(t)
	buried(t, b, "whatever", event("one"), event("two"))
	for want := range uint64(3) {
		ctx, cancel := context.WithTimeout(t.Context(), map[bool]time.Duration{true: 20 * time.Second, false: 100 * time.Millisecond}[want > 0])
		letter, err := b.WaitDeadLetter(ctx, "plum", want)
		cancel()
		if want == 0 && errors.Is(err, context.DeadlineExceeded) {
			continue // somebody else's
		}
		if err != nil || letter.Sequence != want || letter.Reason != "whatever" {
			t.Errorf("letter of %d: %+v, %v", want, letter, err)
		}
	}
}

// A flood of dead letters is told at once, and after that no more than once in half a minute.
func TestDeadLettersComeTogether(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		began := time.Now()
		type news struct {
			letters, deliveries int
			after               time.Duration
		}
		heard := make(chan news, 64)
		stop := alongside(t, func(ctx context.Context) error {
			return b.ConsumeDeadLetters(ctx, "reporter-x-letters", func(ctx context.Context, d *bus.LettersDelivery) {
				heard <- news{len(d.Letters), d.Deliveries(), time.Since(began)}
				if d.Deliveries() == 1 && d.Letters[0].Number == 1 {
					if err := d.Later(time.Minute); err != nil {
						t.Error(err)
					}
					return
				}
				if err := d.Done(ctx); err != nil {
					t.Error(err)
				}
			})
		})
		defer stop()
		time.Sleep(time.Second) // it listens
		js := must(jetstream.New(b.Conn()))(t)
		write := func(n int) {
			for i := range n {
				must(js.PublishMsg(t.Context(), &nats.Msg{Subject: "plumbline.deadletter.plum", Header: nats.Header{bus.HeaderSequence: {fmt.Sprint(i)}}}))(t)
			}
		}
		write(60)
		time.Sleep(5 * time.Second)
		write(20)
		time.Sleep(10 * time.Minute)
		var got []news
		for range len(heard) {
			got = append(got, <-heard)
		}
		if len(got) < 2 || len(got) > 4 || got[0].letters != 60 || got[1].letters != 20 || got[1].after-got[0].after < 30*time.Second {
			t.Errorf("told %+v, want 60, then 20 half a minute later, then the 60 again", got)
		}
		again := 0
		for _, n := range got[2:] {
			again += n.letters
			if n.deliveries != 2 {
				t.Errorf("delivery %d", n.deliveries)
			}
		}
		if again != 60 {
			t.Errorf("%d letters came again, want 60", again)
		}
	})
}

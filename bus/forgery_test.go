package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// forged is a verdict that no daemon gave.
func forged(n int) (body []byte, subject string) {
	body, _ = json.Marshal(map[string]any{"specversion": "1.0", "type": bus.TypeVerdict, "source": "/plumbline", "id": run(n), "data": map[string]any{"verdict": verdict(n)}})
	return body, "plumbline.verdict.plum.green." + run(n)
}

// What a forgery leaves in the stream of verdicts.
const (
	leavesVerdict = "a verdict"                 // that reads as if a daemon had given it
	leavesPlug    = "something in its place"    // so that the run never gets one
	leavesJunk    = "something of no subject's" // which nobody reads
)

// A forgery is a way to make the server write for somebody who may not.
type forgery struct {
	name   string
	as     string // who may try in the single account
	leaves string
	how    func(f *fortress, nc *nats.Conn, body []byte, subject string)
}

// forgeries all leave something on a subject of the verdicts, in an account that everybody shares.
var forgeries = []forgery{
	{"the acknowledgement of an event", "release", leavesPlug, func(_ *fortress, nc *nats.Conn, body []byte, subject string) {
		_ = nc.PublishRequest("plumbline.event.plum", subject, body)
	}},
	{"the next message of a consumer", "auditor", leavesJunk, func(f *fortress, nc *nats.Conn, body []byte, subject string) {
		f.plant(body)
		_ = nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.PLUMBLINE_EVENTS.run-plum", subject, nil)
	}},
	{"a message of a stream that gives them out directly", "auditor", leavesVerdict, func(f *fortress, nc *nats.Conn, body []byte, subject string) {
		sequence := f.plant(body)
		_ = nc.PublishRequest("$JS.API.DIRECT.GET.PLUMBLINE_EVENTS", subject, fmt.Appendf(nil, `{"seq":%d}`, sequence))
	}},
	{"a message of a stream", "auditor", leavesPlug, func(f *fortress, nc *nats.Conn, body []byte, subject string) {
		sequence := f.plant(body)
		_ = nc.PublishRequest("$JS.API.STREAM.MSG.GET.PLUMBLINE_EVENTS", subject, fmt.Appendf(nil, `{"seq":%d}`, sequence))
	}},
	{"a description of a stream", "auditor", leavesPlug, func(_ *fortress, nc *nats.Conn, _ []byte, subject string) {
		_ = nc.PublishRequest("$JS.API.STREAM.INFO.PLUMBLINE_EVENTS", subject, nil)
	}},
	{"the answer of a gate", "release", leavesPlug, func(_ *fortress, nc *nats.Conn, _ []byte, subject string) {
		_ = nc.PublishRequest("plumbline.gate.plum.green", subject, nil)
	}},
	{"who one is", "release", leavesPlug, func(_ *fortress, nc *nats.Conn, _ []byte, subject string) {
		_ = nc.PublishRequest("$SYS.REQ.USER.INFO", subject, nil)
	}},
}

// plant publishes something that is no event, as whoever may publish events can, and returns its sequence.
func (f *fortress) plant(body []byte) uint64 {
	f.Helper()
	js := must(jetstream.New(f.attacker("release")))(f.T)
	return must(js.Publish(f.Context(), "plumbline.event.plum", body))(f.T).Sequence
}

// settle returns when everything that a connection said before was worked on: the server takes it in order, the streams do.
func (f *fortress) settle(nc *nats.Conn) {
	f.Helper()
	if err := nc.Flush(); err != nil {
		f.Fatal(err)
	}
	f.plant([]byte("to be sure"))
	f.verdicts()
}

// verdicts is how many messages the stream of verdicts has.
func (f *fortress) verdicts() uint64 {
	f.Helper()
	js := must(jetstream.New(f.daemon.Conn()))(f.T)
	return must(js.Stream(f.Context(), "PLUMBLINE_VERDICTS"))(f.T).CachedInfo().State.Msgs
}

// serveGate lets the daemon answer.
func (f *fortress) serveGate() {
	f.Helper()
	background(f.T, func(ctx context.Context) error {
		return f.daemon.ServeGate(ctx, func(context.Context, string, string, []byte) ([]byte, error) { return []byte(`{"gate":"closed"}`), nil })
	})
	eventually(f.T, "a gate answers", func() bool {
		_, err := f.daemon.AskGate(f.Context(), "plum", "green", nil)
		return err == nil
	})
}

// oneAccount is how a bus is often guarded: subject permissions in one account.
const oneAccount = `include users.conf
accounts: {ALL: {jetstream: enabled, users: [
  {nkey: $NKEY_VALIDATOR}, {nkey: $NKEY_ADMIN}, {nkey: $NKEY_OPERATOR}, {nkey: $NKEY_SWITCH}
  {nkey: $NKEY_RELEASE, permissions: {publish: ["plumbline.event.*", "plumbline.gate.*.*", "$SYS.REQ.USER.INFO"], subscribe: ["_INBOX_release.>"]}}
  {nkey: $NKEY_AUDITOR, permissions: {publish: ["$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.MSG.NEXT.*.*"], subscribe: ["_INBOX_auditor.>"]}}
]}}
`

// loosened is a bus whose streams were made weaker than they should be, by an admin who didn't know.
func loosened(f *fortress, maker string) {
	f.Helper()
	js := must(jetstream.New(f.bus(maker).Conn()))(f.T)
	config := must(js.Stream(f.Context(), "PLUMBLINE_EVENTS"))(f.T).CachedInfo().Config
	config.AllowDirect = true
	must(js.UpdateStream(f.Context(), config))(f.T)
}

func TestForgeriesInOneAccount(t *testing.T) {
	f := newFortress(t, oneAccount, "validator")
	loosened(f, "validator")
	f.serveGate()
	for n, forgery := range forgeries {
		t.Run(forgery.name, func(t *testing.T) {
			body, subject := forged(n)
			before := f.verdicts()
			forgery.how(f, f.attacker(forgery.as), body, subject)
			eventually(t, "something is where only daemons may write", func() bool { return f.verdicts() > before })
			_, there, err := f.daemon.Verdict(t.Context(), run(n))
			stored, wrote, publishErr := f.daemon.PublishVerdict(t.Context(), lost(n))
			got := leavesJunk
			switch {
			case there && stored.Outcome == plumbline.Pass && !wrote:
				got = leavesVerdict
			case err != nil && publishErr != nil && !wrote:
				got = leavesPlug
			}
			if got != forgery.leaves {
				t.Errorf("it leaves %s, want %s", got, forgery.leaves)
			}
		})
	}
}

// lost is the verdict that a forgery takes the place of.
func lost(n int) plumbline.Verdict {
	v := verdict(n)
	v.Outcome, v.Reason = plumbline.Fail, "the truth"
	return v
}

// shippedAccounts are those of configs/nats.
func shippedAccounts(t *testing.T) string {
	t.Helper()
	return string(must(os.ReadFile("../configs/nats/accounts.conf"))(t))
}

func TestForgeriesInShippedAccounts(t *testing.T) {
	f := newFortress(t, shippedAccounts(t), "admin")
	loosened(f, "admin")
	f.serveGate()
	n := 0
	for _, forgery := range forgeries {
		for _, role := range []string{"release", "switch", "auditor"} {
			n++
			t.Run(forgery.name+" as "+role, func(t *testing.T) {
				body, subject := forged(n)
				nc := f.attacker(role)
				forgery.how(f, nc, body, subject)
				f.settle(nc)
				if _, there, err := f.daemon.Verdict(t.Context(), run(n)); there || err != nil {
					t.Errorf("something is there, %v", err)
				}
			})
		}
	}
	for _, role := range []string{"release", "switch", "auditor"} {
		nc := f.attacker(role)
		for _, subject := range []string{"plumbline.verdict.plum.green." + run(99), "plumbline.slot.plum.green", "plumbline.ledger.plum", "plumbline.result.plum.green." + run(99),
			"plumbline.deadletter.plum", "$KV.PLUMBLINE_SERVICES.plum", "$O.PLUMBLINE_SUITES.M.x", "plumbline.event.plum.release", "plumbline.event.plum.switch"} {
			_ = nc.Publish(subject, []byte("x"))
		}
		f.settle(nc)
	}
	for _, role := range []string{"release", "switch", "auditor", "validator"} {
		nc := f.attacker(role)
		for subject, body := range map[string]string{
			"$JS.API.CONSUMER.CREATE.PLUMBLINE_EVENTS.mine":    `{"stream_name":"PLUMBLINE_EVENTS","action":"create","config":{"name":"mine","deliver_subject":"plumbline.slot.plum.green","ack_policy":"none"}}`,
			"$JS.API.CONSUMER.DELETE.PLUMBLINE_EVENTS.state":   "",
			"$JS.API.STREAM.PURGE.PLUMBLINE_EVENTS":            "",
			"$JS.API.STREAM.MSG.DELETE.PLUMBLINE_EVENTS":       `{"seq":1}`,
			"$JS.API.STREAM.DELETE.PLUMBLINE_RESULTS":          "",
			"$JS.API.STREAM.UPDATE.PLUMBLINE_LEDGER":           `{"name":"PLUMBLINE_LEDGER","subjects":["plumbline.ledger.*"],"retention":"limits","storage":"file","num_replicas":1,"max_consumers":-1,"max_msgs":1,"max_bytes":-1,"discard":"old"}`,
			"$JS.API.STREAM.CREATE.MINE":                       `{"name":"MINE","subjects":["mine"],"retention":"limits","storage":"file","num_replicas":1,"max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"discard":"old"}`,
			"$JS.API.CONSUMER.RESET.PLUMBLINE_EVENTS.run-plum": `{"seq":1}`,
		} {
			_ = nc.PublishRequest(subject, nc.NewInbox(), []byte(body))
		}
		f.settle(nc)
	}
	js := must(jetstream.New(f.daemon.Conn()))(t)
	for _, stream := range []string{"PLUMBLINE_VERDICTS", "PLUMBLINE_RESULTS", "PLUMBLINE_LEDGER", "PLUMBLINE_DEADLETTER", "KV_PLUMBLINE_SERVICES", "OBJ_PLUMBLINE_SUITES"} {
		if n := must(js.Stream(t.Context(), stream))(t).CachedInfo().State.Msgs; n > 0 {
			t.Errorf("%s has %d messages, want none", stream, n)
		}
	}
	if warnings := must(f.daemon.Ensure(t.Context()))(t); len(warnings) != 1 || !strings.Contains(warnings[0], "allow_direct") {
		t.Errorf("somebody changed streams: %v", warnings)
	}
	var readers []string
	for name := range must(must(jetstream.New(f.bus("admin").Conn()))(t).Stream(t.Context(), "PLUMBLINE_EVENTS"))(t).ConsumerNames(t.Context()).Name() {
		readers = append(readers, name)
	}
	if slices.Sort(readers); !slices.Equal(readers, []string{"run-plum", "state-plum", "strays"}) {
		t.Errorf("the events are read by %v", readers)
	}
	publish(t, f.daemon, lost(1))
}

// TestASchedule: a message may ask the stream to be published again, on another subject of the stream, by nobody.
func TestASchedule(t *testing.T) {
	slot := func(js jetstream.JetStream) error {
		m := nats.NewMsg("plumbline.event.plum")
		m.Header.Set(jetstream.ScheduleHeader, "@at "+time.Now().UTC().Format(time.RFC3339))
		m.Header.Set(jetstream.ScheduleTargetHeader, "plumbline.slot.plum.green")
		m.Data = []byte(`{"specversion":"1.0","id":"2026-11-23T13:00:00Z","source":"/plumbline/standby","type":"` + bus.TypeSlot + `","data":{"service":"plum","color":"green"}}`)
		_, err := js.PublishMsg(t.Context(), m)
		return err
	}
	t.Run("in a stream that allows it", func(t *testing.T) {
		f := newFortress(t, oneAccount, "validator")
		admin := must(jetstream.New(f.daemon.Conn()))(t)
		if err := admin.DeleteStream(t.Context(), "PLUMBLINE_EVENTS"); err != nil {
			t.Fatal(err)
		}
		must(admin.CreateStream(t.Context(), jetstream.StreamConfig{Name: "PLUMBLINE_EVENTS", Subjects: []string{"plumbline.event.>", "plumbline.slot.>"}, AllowMsgSchedules: true}))(t)
		if err := slot(must(jetstream.New(f.attacker("release")))(t)); err != nil {
			t.Fatal(err)
		}
		stream := must(admin.Stream(t.Context(), "PLUMBLINE_EVENTS"))(t)
		eventually(t, "a slot comes that no daemon published", func() bool {
			_, err := stream.GetLastMsgForSubject(t.Context(), "plumbline.slot.plum.green")
			return err == nil
		})
		if warnings := strings.Join(must(f.daemon.Ensure(t.Context()))(t), "\n"); !strings.Contains(warnings, "want allow_msg_schedules off") {
			t.Errorf("nobody is warned: %s", warnings)
		}
	})
	t.Run("in the stream that is made", func(t *testing.T) {
		f := newFortress(t, shippedAccounts(t), "admin")
		for _, role := range []string{"release", "switch"} {
			err := slot(must(jetstream.New(f.attacker(role)))(t))
			if err == nil || !strings.Contains(err.Error(), "message schedules is disabled") {
				t.Errorf("%s: %v", role, err)
			}
		}
	})
}

// TestAnAcknowledgementOfSomebodyElse: an answer that goes to $JS.ACK.… would acknowledge a message, and its run would never
// be.
func TestAnAcknowledgementOfSomebodyElse(t *testing.T) {
	f := newFortress(t, shippedAccounts(t), "admin")
	f.serveGate()
	held := f.bus("validator")
	event := must(held.Publish(t.Context(), release("1")))(t)
	js := must(jetstream.New(held.Conn()))(t)
	consumer := must(js.Consumer(t.Context(), "PLUMBLINE_EVENTS", "run-plum"))(t)
	if m := must(consumer.Next())(t); must(m.Metadata())(t).Sequence.Stream != event.Sequence {
		t.Fatal("another event came")
	}
	pending := func() int { return must(consumer.Info(t.Context()))(t).NumAckPending }
	ack := fmt.Sprintf("$JS.ACK.PLUMBLINE_EVENTS.run-plum.1.%d.1.%d.0", event.Sequence, time.Now().UnixNano())
	for _, role := range []string{"release", "switch", "auditor"} {
		nc := f.attacker(role)
		for _, subject := range []string{"plumbline.gate.plum.green", "plumbline.gate.nosuch.green", "plumbline.gate.plum.red", "plumbline.event.plum", "plumbline.event.*",
			"$JS.API.INFO", "$JS.API.STREAM.INFO.PLUMBLINE_EVENTS", "$JS.API.STREAM.MSG.GET.PLUMBLINE_EVENTS", "$SYS.REQ.USER.INFO"} {
			_ = nc.PublishRequest(subject, ack, nil)
		}
		_ = nc.Publish(ack, nil)
		f.settle(nc)
		must(f.daemon.AskGate(t.Context(), "plum", "green", nil))(t) // the daemon has worked on what was asked before
		if n := pending(); n != 1 {
			t.Errorf("%s acknowledged what is under way: %d left", role, n)
		}
	}
}

package bus_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

var plums = bus.Readers{Services: []string{"plum"}, Verdicts: []string{"reporter-releases"}}

func TestADaemonBindsToWhatIsProvisioned(t *testing.T) {
	f := emptyFortress(t, shippedAccounts(t))
	daemon := f.bus("validator")
	if _, err := daemon.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "stream PLUMBLINE_EVENTS: ") || !strings.Contains(err.Error(), "plumbline bus provision") {
		t.Fatalf("without streams: %v", err)
	}
	admin := f.bus("admin")
	must(admin.Provision(t.Context(), bus.Readers{}, false))(t)
	if warnings, err := daemon.Ensure(t.Context()); err != nil || len(warnings) > 0 {
		t.Fatalf("with streams: %v, %v", warnings, err)
	}
	if err := daemon.EnsureReaders(t.Context(), plums); err == nil || !strings.Contains(err.Error(), "consumer state-plum of stream PLUMBLINE_EVENTS: ") || !strings.Contains(err.Error(), "plumbline bus provision") {
		t.Fatalf("without consumers: %v", err)
	}
	must(admin.Provision(t.Context(), plums, false))(t)
	if err := daemon.EnsureReaders(t.Context(), plums); err != nil {
		t.Fatal(err)
	}
	got := make(chan *bus.Delivery, 1)
	background(t, func(ctx context.Context) error {
		return daemon.ConsumeRuns(ctx, "plum", 1, func(ctx context.Context, d *bus.Delivery) {
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			got <- d
		})
	})
	sent := must(f.bus("release").Publish(t.Context(), release("1")))(t)
	d := receive(t, got)
	if e, err := d.Event(); err != nil || e.Run != sent.Run || d.Subject() != "plumbline.event.plum.release" {
		t.Errorf("%s: %+v, %v, want run %s", d.Subject(), e, err, sent.Run)
	}
}

func TestProvisionCorrectsIfAsked(t *testing.T) {
	b := connect(t, embedded(t))
	became := func(correct bool) (all []string) {
		t.Helper()
		for _, p := range must(b.Provision(t.Context(), plums, correct))(t) {
			if p.Became != bus.Kept || len(p.Weaker) > 0 {
				all = append(all, fmt.Sprint(p.Name, " ", p.Became, " ", p.Weaker))
			}
		}
		return all
	}
	if made := became(false); len(made) != 11 || made[0] != "stream PLUMBLINE_EVENTS made []" || made[10] != "consumer reporter-releases made []" {
		t.Fatalf("first: %q", made)
	}
	if again := became(true); len(again) > 0 {
		t.Errorf("again: %q", again)
	}
	js := must(jetstream.New(b.Conn()))(t)
	weaken := func(name string, change func(*jetstream.StreamConfig)) {
		t.Helper()
		config := must(js.Stream(t.Context(), name))(t).CachedInfo().Config
		change(&config)
		must(js.UpdateStream(t.Context(), config))(t)
	}
	weaken("PLUMBLINE_VERDICTS", func(c *jetstream.StreamConfig) { c.MaxAge, c.MaxMsgsPerSubject, c.AllowDirect = 2*time.Hour, 2, true })
	consumer := must(js.Consumer(t.Context(), "PLUMBLINE_EVENTS", "run-plum"))(t).CachedInfo().Config
	consumer.MaxDeliver = 3
	must(js.UpdateConsumer(t.Context(), "PLUMBLINE_EVENTS", consumer))(t)
	weaker := []string{
		"stream PLUMBLINE_VERDICTS kept [keeps messages for 2h0m0s, want 9600h0m0s keeps 2 messages of a subject, want 1 lets servers answer that don't lead it, want allow_direct off]",
		"consumer run-plum corrected []",
	}
	if diff := cmp.Diff(weaker, became(false)); diff != "" {
		t.Error(diff)
	}
	corrected := []string{"stream PLUMBLINE_VERDICTS corrected [keeps 2 messages of a subject, want 1]"} // that would remove some
	if diff := cmp.Diff(corrected, became(true)); diff != "" {
		t.Error(diff)
	}
	if c := must(js.Stream(t.Context(), "PLUMBLINE_VERDICTS"))(t).CachedInfo().Config; c.MaxAge != 400*24*time.Hour || c.AllowDirect || !c.DiscardNewPerSubject {
		t.Errorf("the stream is %+v", c)
	}
}

// states are what a check found that isn't as it should be.
func states(all []bus.Finding) (weak []string) {
	for _, f := range all {
		if f.State != bus.StateOK {
			weak = append(weak, f.State+" "+f.Name+": "+f.Text)
		}
	}
	return weak
}

func TestCheckSaysWhatIsWeak(t *testing.T) {
	f := emptyFortress(t, shippedAccounts(t))
	admin, daemon := f.bus("admin"), f.bus("validator")
	missing := states(admin.Check(t.Context(), plums))
	if len(missing) != 11 || !strings.HasPrefix(missing[0], "missing stream PLUMBLINE_EVENTS: isn't there: plumbline bus provision") {
		t.Errorf("nothing is there, and found is %q", missing)
	}
	must(admin.Provision(t.Context(), plums, false))(t)
	if weak := states(admin.Check(t.Context(), plums)); len(weak) > 0 {
		t.Errorf("an admin finds %q", weak)
	}
	if weak := states(daemon.Check(t.Context(), plums)); len(weak) != 1 || !strings.HasPrefix(weak[0], "unknown servers: how they write can't be seen") {
		t.Errorf("a daemon finds %q", weak)
	}
	loosened(f, "admin")
	js := must(jetstream.New(admin.Conn()))(t)
	if err := js.DeleteConsumer(t.Context(), "PLUMBLINE_VERDICTS", "reporter-releases"); err != nil {
		t.Fatal(err)
	}
	want := []string{"weak stream PLUMBLINE_EVENTS: lets servers answer that don't lead it, want allow_direct off",
		"missing consumer reporter-releases: isn't there: plumbline bus provision makes it"}
	if diff := cmp.Diff(want, states(admin.Check(t.Context(), plums))); diff != "" {
		t.Error(diff)
	}
	if nobody := states(f.bus("release").Check(t.Context(), bus.Readers{})); !slices.ContainsFunc(nobody, func(s string) bool {
		return strings.HasPrefix(s, "unknown stream PLUMBLINE_EVENTS: this user may not ask")
	}) {
		t.Errorf("release tooling finds %q", nobody)
	}
}

// careless are accounts in which the one user may do everything, and asks the servers, too.
const careless = `include users.conf
accounts: {
  ALL: {jetstream: {max_file: 1536MB}, users: [{nkey: $NKEY_VALIDATOR}, {nkey: $NKEY_ADMIN, permissions: {publish: [">"]}}]
    imports: [{service: {account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ"}}]}
  SYS: {users: [{nkey: $NKEY_OPERATOR}, {nkey: $NKEY_RELEASE}, {nkey: $NKEY_SWITCH}, {nkey: $NKEY_AUDITOR}], exports: [{service: "$SYS.REQ.SERVER.PING.JSZ", response_type: stream}]}
}
system_account: SYS
`

func TestCheckOfACarelessServer(t *testing.T) {
	f := emptyFortress(t, careless, func(o *server.Options) { o.SyncAlways, o.MaxPayload = false, 512<<10 })
	b := f.bus("validator")
	must(b.Provision(t.Context(), plums, false))(t)
	weak := strings.Join(states(b.Check(t.Context(), plums)), "\n")
	for _, want := range []string{
		"weak connection: takes messages of 524288 bytes, want 1048576 (max_payload)",
		" of account ALL may publish everything, want accounts and permissions for each role (configs/nats)",
		"weak server one: writes to its disk every 2m0s: a power cut loses what it acknowledged, want sync_interval: always",
	} {
		if !strings.Contains(weak, want) {
			t.Errorf("no %q in\n%s", want, weak)
		}
	}
	if weak := strings.Join(states(f.bus("admin").Check(t.Context(), plums)), "\n"); !strings.Contains(weak, "may write verdicts and STREAM.UPDATE STREAM.DELETE STREAM.PURGE STREAM.MSG.DELETE STREAM.RESTORE, want a user of its own for that") {
		t.Errorf("of one who may do both is said\n%s", weak)
	}
	one := stock(t, func(o *server.Options) { o.JetStream = false })
	none := must(bus.Connect(t.Context(), bus.Options{URL: one.ClientURL()}))(t)
	defer none.Close()
	if weak := strings.Join(states(none.Check(t.Context(), plums)), "\n"); !strings.Contains(weak, "missing account: the bus has no JetStream") {
		t.Errorf("without JetStream is said\n%s", weak)
	}
}

func TestAnAuditorReadsWhatDaemonsDo(t *testing.T) {
	f := newFortress(t, shippedAccounts(t), "admin")
	auditor := f.bus("auditor")
	for n := range 150 {
		v := verdict(n)
		if n%3 == 0 {
			v.Service = "pear"
		}
		publish(t, f.daemon, v)
		if err := f.daemon.PublishEntry(t.Context(), plumbline.Entry{Service: "plum", Kind: "released", Text: fmt.Sprint(n), At: v.FinishedAt}); err != nil {
			t.Fatal(err)
		}
	}
	suite := bytes.Repeat([]byte("a suite of many chunks\n"), 20_000)
	sum := sha256.Sum256(suite)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if err := f.daemon.PutSuite(t.Context(), digest, suite); err != nil {
		t.Fatal(err)
	}
	must(f.daemon.CreateRecord(t.Context(), plumbline.Begin("plum", plumbline.Policy{New: true, Live: plumbline.Blue})))(t)

	for _, service := range []string{"", "plum", "pear", "fig"} {
		for _, n := range []int{1, 20, 60, 1000} {
			want, got := must(f.daemon.Verdicts(t.Context(), service, n))(t), must(auditor.Verdicts(t.Context(), service, n))(t)
			if diff := cmp.Diff(want, got); diff != "" || service == "" && len(got) != min(n, 150) {
				t.Errorf("%d of %q: %s", n, service, diff)
			}
		}
	}
	if diff := cmp.Diff(must(f.daemon.Entries(t.Context(), "plum", 70))(t), must(auditor.Entries(t.Context(), "plum", 70))(t)); diff != "" {
		t.Error(diff)
	}
	if got := must(auditor.Suite(t.Context(), digest))(t); !bytes.Equal(got, suite) {
		t.Errorf("the suite has %d bytes, want %d", len(got), len(suite))
	}
	if v, there, err := auditor.Verdict(t.Context(), run(1)); !there || err != nil || v.Run != run(1) {
		t.Errorf("verdict %+v, %t, %v", v, there, err)
	}
	if services := must(auditor.Services(t.Context()))(t); !slices.Equal(services, []string{"plum"}) {
		t.Errorf("services %v", services)
	}
	if auditor.ReadsNothing(t.Context()) || f.daemon.ReadsNothing(t.Context()) || !f.bus("release").ReadsNothing(t.Context()) || !f.bus("switch").ReadsNothing(t.Context()) {
		t.Error("who reads nothing: want release tooling and switch controllers alone")
	}
}

package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func verdict(n int) plumbline.Verdict {
	return plumbline.Verdict{Schema: plumbline.VerdictSchema, Run: run(n), Service: "plum", Color: plumbline.Green, Outcome: plumbline.Pass,
		Reason: fmt.Sprintf("verdict %d", n), FinishedAt: time.Unix(1700000000+int64(n), 0).UTC(), Checks: []plumbline.Result{}, Suites: []plumbline.SuiteRef{}}
}

func publish(t *testing.T, b *bus.Bus, v plumbline.Verdict) {
	t.Helper()
	if _, wrote, err := b.PublishVerdict(t.Context(), v); err != nil || !wrote {
		t.Fatalf("wrote %t, %v", wrote, err)
	}
}

func same(t *testing.T, got, want plumbline.Verdict) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func TestVerdictIsWrittenOnce(t *testing.T) {
	b := ready(t)
	v := verdict(1)
	for try := range 3 { // the second and third as after a lost answer
		stored, wrote, err := b.PublishVerdict(t.Context(), v)
		if err != nil || !wrote {
			t.Fatalf("try %d: wrote %t, %v", try, wrote, err)
		}
		same(t, stored, v)
	}
	other := v
	other.Outcome, other.Reason = plumbline.Fail, "of another worker"
	stored, wrote, err := b.PublishVerdict(t.Context(), other)
	if err != nil || wrote {
		t.Fatalf("another verdict: wrote %t, %v", wrote, err)
	}
	same(t, stored, v)
	got, there, err := b.Verdict(t.Context(), v.Run)
	if err != nil || !there {
		t.Fatalf("there %t, %v", there, err)
	}
	same(t, got, v)
}

func TestVerdictWithTheMessageIDOfAnother(t *testing.T) {
	b := ready(t)
	v := verdict(1)
	js := must(jetstream.New(b.Conn()))(t)
	// Whoever knew the message id beforehand makes the stream answer "duplicate" though the verdict isn't there.
	publish(t, b, verdict(2))
	last := must(must(js.Stream(t.Context(), "PLUMBLINE_VERDICTS"))(t).GetLastMsgForSubject(t.Context(), "plumbline.verdict.plum.green."+run(2)))(t)
	id := last.Header.Get("Nats-Msg-Id")
	if !strings.HasPrefix(id, run(2)+".") {
		t.Fatalf("message id %q", id)
	}
	_, _, err := bus.PublishVerdictAs(b, t.Context(), v, id)
	if !errors.Is(err, bus.ErrStoreFull) {
		t.Errorf("a duplicate without a verdict: %v, want ErrStoreFull", err)
	}
	if _, there, err := b.Verdict(t.Context(), v.Run); there || err != nil {
		t.Errorf("there %t, %v", there, err)
	}
}

func TestVerdictWhenTheStoreIsFull(t *testing.T) {
	b := ready(t)
	js := must(jetstream.New(b.Conn()))(t)
	full := must(js.Stream(t.Context(), "PLUMBLINE_VERDICTS"))(t).CachedInfo().Config
	full.MaxMsgs = 1 // an admin's mistake
	must(js.UpdateStream(t.Context(), full))(t)
	if _, wrote, err := b.PublishVerdict(t.Context(), verdict(1)); !wrote || err != nil {
		t.Fatalf("wrote %t, %v", wrote, err)
	}
	if _, wrote, err := b.PublishVerdict(t.Context(), verdict(2)); wrote || !errors.Is(err, bus.ErrStoreFull) {
		t.Errorf("wrote %t, %v, want ErrStoreFull", wrote, err)
	}
	if _, wrote, err := b.PublishVerdict(t.Context(), verdict(1)); !wrote || err != nil {
		t.Errorf("the one that is there: wrote %t, %v", wrote, err)
	}
}

func TestFindVerdicts(t *testing.T) {
	b := ready(t)
	if got := must(b.Verdicts(t.Context(), "plum", 10))(t); len(got) != 0 {
		t.Errorf("an empty stream has %d verdicts", len(got))
	}
	const n = 130
	for i := range n {
		v := verdict(i)
		if i%2 == 1 {
			v.Service = "pear"
		}
		publish(t, b, v)
	}
	check := func(service string, most, first, step, count int) {
		t.Helper()
		got := must(b.Verdicts(t.Context(), service, most))(t)
		if len(got) != count {
			t.Errorf("%q: %d verdicts, want %d", service, len(got), count)
			return
		}
		for i, v := range got {
			if v.Run != run(first-i*step) {
				t.Errorf("%q: verdict %d is %q", service, i, v.Reason)
			}
		}
	}
	check("plum", 5, 128, 2, 5)
	check("pear", 5, 129, 2, 5)
	check("plum", 1000, 128, 2, 65)
	check("", 7, 129, 1, 7)
	check("fig", 7, 0, 0, 0)
	check("plum", 0, 0, 0, 0)

	v, there, err := b.VerdictOf(t.Context(), "pear", plumbline.Green, run(3))
	if err != nil || !there || v.Service != "pear" {
		t.Errorf("there %t, %v", there, err)
	}
	if _, there, err := b.VerdictOf(t.Context(), "plum", plumbline.Green, run(3)); there || err != nil {
		t.Errorf("another service's: there %t, %v", there, err)
	}
	if _, _, err := b.Verdict(t.Context(), "*"); err == nil || !strings.Contains(err.Error(), "no run id") {
		t.Errorf("a wildcard: %v", err)
	}
}

func TestWaitVerdict(t *testing.T) {
	b := ready(t)
	v := verdict(1)
	came := make(chan plumbline.Verdict, 2)
	wait := func() {
		got, err := b.WaitVerdict(t.Context(), v.Service, v.Color, v.Run)
		if err != nil {
			t.Error(err)
		}
		came <- got
	}
	go wait()
	quiet(t, came, 50*time.Millisecond)
	publish(t, b, verdict(2))
	publish(t, b, v)
	same(t, receive(t, came), v)
	go wait()
	same(t, receive(t, came), v)
	why := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, why)
	defer cancel()
	if _, err := b.WaitVerdict(ctx, v.Service, v.Color, run(3)); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func TestReportersBeginWithTheirFirstVerdict(t *testing.T) {
	b := ready(t)
	publish(t, b, verdict(1))
	got := make(chan plumbline.Verdict, 10)
	consume := func(ctx context.Context) error {
		return b.ConsumeVerdicts(ctx, "reporter-releases", func(ctx context.Context, d *bus.VerdictDelivery) {
			v, err := d.Verdict()
			if err != nil || d.At().IsZero() || d.Sequence() == 0 {
				t.Errorf("verdict %v at %s: %v", d.Sequence(), d.At(), err)
			}
			if d.Deliveries() == 1 && v.Run == run(2) {
				if err := d.Later(10 * time.Millisecond); err != nil {
					t.Error(err)
				}
				return
			}
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			got <- v
		})
	}
	stop := background(t, consume)
	js := must(jetstream.New(b.Conn()))(t)
	eventually(t, "the reporter listens", func() bool {
		_, err := js.Consumer(t.Context(), "PLUMBLINE_VERDICTS", "reporter-releases")
		return err == nil
	})
	publish(t, b, verdict(2))
	if v := receive(t, got); v.Run != run(2) {
		t.Errorf("old news: %+v", v)
	}
	stop()
	publish(t, b, verdict(3))
	background(t, consume)
	if v := receive(t, got); v.Run != run(3) {
		t.Errorf("missed while it was away: %+v", v)
	}
}

func TestFit(t *testing.T) {
	check := func(i int, outcome plumbline.Outcome, severity plumbline.Severity) plumbline.Result {
		r := plumbline.Result{Name: fmt.Sprintf("check %d", i), Suite: "s", Severity: severity, Outcome: outcome}
		if outcome != plumbline.Passed {
			r.Reason, r.Detail = strings.Repeat("r", 500), strings.Repeat("d", 500)
			r.Attempts = []plumbline.Attempt{{Reason: "a"}}
		}
		return r
	}
	v := verdict(1)
	v.Outcome, v.Counts, v.Suites = plumbline.Fail, plumbline.Counts{}, []plumbline.SuiteRef{{Name: "s"}, {Name: "t"}}
	for i := range 3000 {
		outcome, severity := plumbline.Passed, plumbline.Critical
		if i%5 < 2 {
			outcome = plumbline.Failed
			if i%5 == 1 {
				severity = plumbline.Advisory
			}
		}
		r := check(i, outcome, severity)
		if i == 1 {
			r.Suite = "t"
		}
		v.Checks = append(v.Checks, r)
		v.Counts.Add(r)
	}
	before, _ := json.Marshal(v)
	for _, limit := range []int{len(before), 1500 << 10, 512 << 10, 64 << 10, 2 << 10} {
		got := bus.Fit(v, limit)
		body, err := json.Marshal(got)
		if err != nil || len(body) > limit {
			t.Errorf("limit %d: %d bytes, %v", limit, len(body), err)
		}
		if got.Counts != v.Counts || got.Outcome != v.Outcome || got.Run != v.Run {
			t.Errorf("limit %d: %+v", limit, got.Counts)
		}
		if folded := len(got.Checks) < len(v.Checks); folded != (got.PlanDigest != "") {
			t.Errorf("limit %d: %d checks with plan digest %q", limit, len(got.Checks), got.PlanDigest)
		}
		if limit <= 512<<10 && len(got.Checks) > 0 && got.Checks[0].Severity != plumbline.Critical {
			t.Errorf("limit %d: begins with %+v", limit, got.Checks[0])
		}
		if left := limit - len(body); got.PlanDigest != "" && len(got.Checks) < 1200 && left > 1<<10 {
			t.Errorf("limit %d: %d bytes are left, and only %d checks named", limit, left, len(got.Checks))
		}
		if s, of := got.Suites, got.Suites[1].Counts; (of != nil) != (got.PlanDigest != "") || of != nil && (*of != plumbline.Counts{Failed: 1, AdvisoryFailed: 1} || s[0].Counts.Total() != 2999) {
			t.Errorf("limit %d: suites %+v", limit, s)
		}
	}
	if after, _ := json.Marshal(v); string(after) != string(before) {
		t.Error("Fit changed what it was given")
	}
	b := ready(t)
	stored, wrote, err := b.PublishVerdict(t.Context(), v)
	if err != nil || !wrote || len(stored.Checks) == 0 {
		t.Fatalf("wrote %t, %v", wrote, err)
	}
	got, _, err := b.Verdict(t.Context(), v.Run)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, stored)
}

// A server that takes less than it should is given no more than it takes.
func TestVerdictFitsTheServer(t *testing.T) {
	s := stock(t, func(o *server.Options) { o.MaxPayload = 128 << 10 })
	b := must(bus.Connect(t.Context(), bus.Options{URL: s.ClientURL()}))(t)
	t.Cleanup(b.Close)
	must(b.Ensure(t.Context()))(t)
	v := verdict(1)
	for i := range 1000 {
		v.Checks = append(v.Checks, plumbline.Result{Name: fmt.Sprintf("check %d", i), Outcome: plumbline.Failed, Reason: strings.Repeat("r", 300)})
	}
	if stored, wrote, err := b.PublishVerdict(t.Context(), v); err != nil || !wrote || len(stored.Checks) == 0 {
		t.Errorf("wrote %t with %d checks, %v", wrote, len(stored.Checks), err)
	}
}

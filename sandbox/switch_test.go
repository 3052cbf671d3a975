package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/sandbox"
)

const (
	blue  = plumbline.Blue
	green = plumbline.Green
)

var open = plumbline.Gate{Gate: plumbline.GateOpen}

func TestASwitchObeysTheGateAlone(t *testing.T) {
	for name, test := range map[string]struct {
		gate   plumbline.Gate
		failed error
		moves  bool
		want   string
	}{
		"open":            {gate: open, moves: true},
		"closed":          {gate: plumbline.Gate{Gate: plumbline.GateClosed, Reason: "2 checks failed"}, want: "the gate of green is closed: 2 checks failed"},
		"waiting":         {gate: plumbline.Gate{Gate: plumbline.GateWaiting}, want: "is waiting"},
		"zero":            {want: "is closed"},
		"pass but closed": {gate: plumbline.Gate{Gate: plumbline.GateClosed, Verdict: plumbline.Pass, Fresh: true}, want: "is closed"},
		"made-up state":   {gate: plumbline.Gate{Gate: "OPEN"}, want: "is OPEN"},
		"open with error": {gate: open, failed: errors.New("cut off"), want: "can't be asked: cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &tower{failing: test.failed}
			w.set("green promote 2.0", test.gate)
			s := newSwitch(t, w)
			err := s.Promote(t.Context(), green, "2.0")
			if moved := s.Live() == green; moved != test.moves {
				t.Errorf("moved: %v, want %v (%v)", moved, test.moves, err)
			}
			if !test.moves && (!errors.Is(err, sandbox.ErrHeld) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if test.moves && err != nil {
				t.Error(err)
			}
		})
	}
}

func TestASwitchWithoutGateOrVersionStays(t *testing.T) {
	nowhere := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	s, err := sandbox.NewSwitch(sandbox.SwitchOptions{Live: blue, Targets: map[plumbline.Color]*url.URL{blue: nowhere, green: nowhere}})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"no gate":     s.Promote(t.Context(), green, "2.0"),
		"no version":  s.Promote(t.Context(), green, ""),
		"no color":    s.Promote(t.Context(), "red", "2.0"),
		"rollback":    s.Rollback(t.Context()),
		"want":        s.Want("red", "2.0"),
		"want no one": s.Want(green, ""),
	} {
		if err == nil || s.Live() != blue {
			t.Errorf("%s: %v, live %s; want an error, and blue", name, err, s.Live())
		}
	}
}

func TestWatchPromotesTheWantedReleaseAndFollowsTheAdvice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &tower{}
		w.set("green promote 2.0", plumbline.Gate{Gate: plumbline.GateWaiting})
		s := newSwitch(t, w)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Watch(ctx) })
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Second)
		w.set("green promote 1.9", open)
		if err := s.Want(green, "2.0"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s.Live() != blue {
			t.Fatal("moved under a waiting gate")
		}
		w.set("green promote 2.0", open)
		time.Sleep(time.Second)
		if s.Live() != green {
			t.Fatal("stayed under an open gate")
		}
		w.set("green promote", plumbline.Gate{Gate: plumbline.GateOpen, Advice: plumbline.AdviceRollback})
		w.set("blue rollback", plumbline.Gate{Gate: plumbline.GateClosed, Reason: "the standby fails"})
		time.Sleep(time.Second)
		if s.Live() != green {
			t.Fatal("went back to a closed standby")
		}
		w.set("blue rollback", open)
		time.Sleep(time.Second)
		stop()
		running.Wait()
		if got, want := w.switches(), []string{"green promote", "blue rollback"}; s.Live() != blue || !slices.Equal(got, want) {
			t.Errorf("live %s after %v, want blue after %v", s.Live(), got, want)
		}
		want := []string{"wanted green", "answered green waiting", "answered green open", "moved green open", "published green",
			"advised green open", "answered blue closed", "answered blue open", "moved blue open", "published blue"}
		if got := w.story(); !slices.Equal(got, want) {
			t.Errorf("the story was\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestWatchTellsTroubleOnceAndAgainAfterItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &tower{failing: errors.New("connection refused")}
		s := newSwitch(t, w)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Watch(ctx) })
		for _, err := range []error{w.failing, nil, w.failing} {
			w.mu.Lock()
			w.failing = err
			w.mu.Unlock()
			time.Sleep(time.Second)
		}
		stop()
		running.Wait()
		if got, want := w.story(), []string{"unasked blue", "unasked blue"}; !slices.Equal(got, want) || w.asked < 14 {
			t.Errorf("%v after %d questions, want %v after at least 14", got, w.asked, want)
		}
	})
}

func TestASwitchIsPublishedUntilItIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &tower{deaf: 5}
		w.set("green promote 2.0", open)
		w.set("blue rollback", open)
		s := newSwitch(t, w)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		if err := s.Promote(t.Context(), green, "2.0"); err != nil {
			t.Fatal(err)
		}
		if err := s.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stop()
		running.Wait()
		if got, want := w.switches(), []string{"green promote", "blue rollback"}; !slices.Equal(got, want) {
			t.Errorf("heard %v, want %v", got, want)
		}
	})
}

func TestWatchWaitsUntilPlumblineKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &tower{deaf: 1000}
		w.set("green promote 2.0", open)
		s := newSwitch(t, w)
		if err := s.Promote(t.Context(), green, "2.0"); err != nil {
			t.Fatal(err)
		}
		before := w.asked
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Watch(ctx) })
		running.Go(func() {
			if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), "the switch to green (promote) was never published: the bus is away") {
				t.Errorf("%v, want it to name the switch", err)
			}
		})
		time.Sleep(10 * time.Second)
		stop()
		running.Wait()
		if w.asked != before {
			t.Errorf("asked %d times about roles that plumbline doesn't know yet", w.asked-before)
		}
	})
}

func TestRequestsEndWhereTheyBegan(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	color := func(name string, hold bool) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hold {
				close(arrived)
				<-release
			}
			fmt.Fprint(w, name, " for ", r.Header.Get("X-Forwarded-Host"))
		}))
	}
	old, fresh := color("blue", true), color("green", false)
	defer old.Close()
	defer fresh.Close()
	at := func(s *httptest.Server) *url.URL { u, _ := url.Parse(s.URL); return u }
	w := &tower{}
	w.set("green promote 2.0", open)
	s, err := sandbox.NewSwitch(sandbox.SwitchOptions{Live: blue, Gate: w.gate, Targets: map[plumbline.Color]*url.URL{blue: at(old), green: at(fresh)}})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s)
	defer front.Close()
	ask := func() string {
		answer, err := web.Get(front.URL)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return string(body)
	}
	first := make(chan string)
	go func() { first <- ask() }()
	<-arrived
	if err := s.Promote(t.Context(), green, "2.0"); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(front.URL, "http://")
	if got := ask(); got != "green for "+host {
		t.Errorf("after the switch: %q", got)
	}
	close(release)
	if got := <-first; got != "blue for "+host {
		t.Errorf("under way: %q, want it to end on blue", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx); err != nil { // closes idle connections
		t.Error(err)
	}
}

func TestADeadColorIsABadGateway(t *testing.T) {
	s := newSwitch(t, &tower{})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 502 || body["error"] != "bad_gateway" {
		t.Errorf("answered %d %s, want 502 bad_gateway", w.Code, w.Body)
	}
}

func TestHTTPGate(t *testing.T) {
	good := plumbline.Gate{Schema: plumbline.GateSchema, Gate: plumbline.GateOpen, Service: "plum", Color: green}
	other := good
	other.Color = blue
	foreign := good
	foreign.Schema = "something/v2"
	for name, test := range map[string]struct {
		status int
		body   any
		want   string
	}{
		"good":           {200, good, ""},
		"unavailable":    {503, good, "answered 503, want 200"},
		"not found":      {404, good, "answered 404, want 200"},
		"redirect":       {302, good, "answered 302, want 200"},
		"no JSON":        {200, "open", "no gate document"},
		"other color":    {200, other, "about plum blue, want"},
		"other document": {200, foreign, "answered something/v2"},
		"empty":          {200, map[string]any{}, "want plumbline.gate/v1"},
		"huge":           {200, strings.Repeat("x", 300<<10), "larger than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked, token string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked, token = r.URL.String(), r.Header.Get("Authorization")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				_ = json.NewEncoder(w).Encode(test.body)
			}))
			defer server.Close()
			plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			gate, err := sandbox.HTTPGate(plain, server.URL, "plum", "t0ken")(t.Context(), green, plumbline.PurposePromote, "2.0 b")
			if test.want == "" && (err != nil || gate.Gate != plumbline.GateOpen) {
				t.Errorf("%+v, %v, want it open", gate, err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || gate.Gate == plumbline.GateOpen) {
				t.Errorf("%+v, %v, want %q and no open gate", gate, err, test.want)
			}
			if asked != "/v1/gates/plum/green?purpose=promote&version=2.0+b" || token != "Bearer t0ken" {
				t.Errorf("asked %s with %q", asked, token)
			}
		})
	}
	if _, err := sandbox.HTTPGate(nil, "http://127.0.0.1:1/hush", "plum", "")(t.Context(), green, plumbline.PurposeRollback, ""); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v, want an error without the address", err)
	}
}

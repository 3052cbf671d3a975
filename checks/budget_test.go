package checks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

// A tally counts requests by the time they came.
type tally struct {
	mu     sync.Mutex
	at     []time.Time
	tokens int
}

func (s *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
	if r.URL.Path == "/oauth/token" {
		s.tokens++
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"token-of-many","token_type":"bearer","expires_in":3600}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer token-of-many" {
		w.WriteHeader(http.StatusUnauthorized)
	}
	if r.URL.Path == "/from" {
		http.Redirect(w, r, "/to", http.StatusFound)
	}
}

// within says whether no stretch of time saw more than the budget gives it.
func (s *tally) within(perSecond float64, burst int) error {
	for i := range s.at {
		for j := i; j < len(s.at); j++ {
			if most := float64(burst) + perSecond*s.at[j].Sub(s.at[i]).Seconds() + 0.001; float64(j-i+1) > most {
				return fmt.Errorf("%d requests in %s, want at most %v", j-i+1, s.at[j].Sub(s.at[i]), most)
			}
		}
	}
	return nil
}

func (s *tally) bubble(t *testing.T, test func(t *testing.T, clients checks.Clients), connections ...checks.Connection) {
	bubble(t, s, test, connections...)
}

// bubble serves whatever is asked for within a bubble of synctest.
func bubble(t *testing.T, handler http.Handler, test func(t *testing.T, clients checks.Clients), connections ...checks.Connection) {
	synctest.Test(t, func(t *testing.T) {
		network, served := make(pipes), make(chan struct{})
		server := &http.Server{Handler: handler}
		go func() { defer close(served); _ = server.Serve(network) }()
		transport := checks.NewTransport(64)
		transport.DialContext = network.dial
		test(t, checks.Clients{Transport: transport, Connections: checks.NewConnections(connections, transport, nil)})
		synctest.Wait() // for connections that nobody needed in the end
		transport.CloseIdleConnections()
		close(network)
		<-served
		_ = server.Close()
		synctest.Wait()
	})
}

func budgeted(c checks.Connection, perSecond float64, burst int) checks.Connection {
	c.Budget, c.Account = checks.Budget{PerSecond: perSecond, Burst: burst}, c.Name
	return c
}

func TestManyChecksAskForOneTokenAndStayInTheBudget(t *testing.T) {
	s := &tally{}
	s.bubble(t, func(t *testing.T, clients checks.Clients) {
		check := compile(t, clients, "{get: /, auth: plum-api}")
		errs, done := make([]error, 500), sync.WaitGroup{}
		began := time.Now()
		for i := range errs {
			done.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, errs[i] = check.Probe(ctx, askOf("http://green.plum"))
			})
		}
		done.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if s.tokens != 1 || len(s.at) != 501 {
			t.Errorf("%d tokens and %d requests, want 1 and 501", s.tokens, len(s.at))
		}
		if err := s.within(20, 5); err != nil {
			t.Error(err)
		}
		if took := time.Since(began).Round(time.Second); took != 25*time.Second { // (501 - 5) / 20
			t.Errorf("took %s, want 25s: the budget isn't used up", took)
		}
	}, budgeted(oauth(), 20, 5))
}

func TestABudgetIsTheAccountsWhateverItIsCalled(t *testing.T) {
	s := &tally{}
	blue := budgeted(oauth(), 10, 1)
	blue.Name, blue.Color = "also", plumbline.Blue
	s.bubble(t, func(t *testing.T, clients checks.Clients) {
		done := sync.WaitGroup{}
		for _, auth := range []string{"plum-api", "also"} {
			check := compile(t, clients, "{get: /from, follow: true, auth: "+auth+", expect: {status: 200}}")
			for range 10 {
				done.Go(func() {
					ask := askOf("http://both.plum")
					ask.Site.Color = plumbline.Blue
					if _, err := check.Probe(t.Context(), ask); err != nil {
						t.Error(err)
					}
				})
			}
		}
		done.Wait()
		if s.tokens != 2 || len(s.at) != 42 {
			t.Errorf("%d tokens and %d requests, want 2 and 42", s.tokens, len(s.at))
		}
		if err := s.within(10, 3); err != nil { // the two logins don't stand in line
			t.Error(err)
		}
	}, budgeted(oauth(), 10, 1), blue)
}

func TestABudgetWithoutRoomIsToldAtOnce(t *testing.T) {
	s := &tally{}
	s.bubble(t, func(t *testing.T, clients checks.Clients) {
		check := compile(t, clients, "{get: /, auth: key}")
		began := time.Now()
		for i, patience := range []time.Duration{15 * time.Second, 15 * time.Second, 5 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, err := check.Probe(ctx, askOf("http://green.plum"))
			cancel()
			if i < 2 {
				if !errors.Is(err, plumbline.ErrFailed) { // the key is no token
					t.Error(err)
				}
				continue
			}
			want := "auth key: its rate of 0.1 a second has no room in the time of this check"
			if err == nil || err.Error() != want || errors.Is(err, plumbline.ErrFailed) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %s, want 10s", took)
		}
	}, budgeted(checks.Connection{Name: "key", Kind: checks.Bearer, Secret: secretly("some-key")}, 0.1, 0))
}

// Connections that are made anew go on where the former were, unless the account is another one.
func TestABudgetIsInherited(t *testing.T) {
	key := checks.Connection{Name: "key", Kind: checks.Bearer, Secret: secretly("token-of-many"), Origins: []string{"http://green.plum"}}
	former := budgeted(key, 0.1, 1)
	for name, c := range map[string]struct {
		next  checks.Connection
		spent bool
	}{
		"the same":        {former, true},
		"another name":    {checks.Connection{Name: "also", Account: "key", Kind: key.Kind, Secret: key.Secret, Origins: key.Origins, Budget: former.Budget}, true},
		"another secret":  {budgeted(checks.Connection{Name: "key", Kind: key.Kind, Secret: secretly("token-of-many "), Origins: key.Origins}, 0.1, 1), true},
		"another budget":  {budgeted(key, 0.1, 2), false},
		"another place":   {budgeted(checks.Connection{Name: "key", Kind: key.Kind, Secret: key.Secret, Origins: []string{"http://green.plum", "http://blue.plum"}}, 0.1, 1), false},
		"another account": {budgeted(checks.Connection{Name: "other", Kind: key.Kind, Secret: key.Secret, Origins: key.Origins}, 0.1, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			(&tally{}).bubble(t, func(t *testing.T, clients checks.Clients) {
				ask := func(clients checks.Clients, auth string) error {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					_, err := compile(t, clients, "{get: /, auth: "+auth+"}").Probe(ctx, askOf("http://green.plum"))
					return err
				}
				if err := ask(clients, "key"); err != nil {
					t.Fatal(err)
				}
				again := clients
				again.Connections = checks.NewConnections([]checks.Connection{c.next}, clients.Transport, nil)
				again.Connections.Inherit(clients.Connections)
				if err := ask(again, c.next.Name); errors.Is(err, context.DeadlineExceeded) != c.spent {
					t.Errorf("got %v, spent: %t", err, c.spent)
				}
			}, former)
		})
	}
	var none *checks.Connections
	none.Inherit(checks.NewConnections(nil, nil, nil))
	checks.NewConnections(nil, nil, nil).Inherit(nil)
}

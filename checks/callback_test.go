package checks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

const callbackURL = "http://hooks.example/c/unguessable"

// noon is when everything arrives.
var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// A mailbox is a receiver without a network: what the environment is told to post is put in.
type mailbox struct {
	arrived chan checks.Received
	opened  int
	closed  int
	at      string // that was asked for last
}

func (m *mailbox) open(_ context.Context, at string) (checks.Callback, error) {
	m.opened++
	m.at = at
	return checks.Callback{URL: callbackURL, Close: func() { m.closed++ }, Next: func(ctx context.Context) (checks.Received, error) {
		select { // what is there comes first, however late it is
		case r := <-m.arrived:
			return r, nil
		default:
		}
		select {
		case r := <-m.arrived:
			return r, nil
		case <-ctx.Done():
			return checks.Received{}, ctx.Err()
		}
	}}, nil
}

// waiting are clients over a mailbox that holds some bodies.
func waiting(t *testing.T, bodies ...string) (checks.Clients, *mailbox) {
	m := &mailbox{arrived: make(chan checks.Received, 10)}
	for _, body := range bodies {
		m.arrived <- checks.Received{At: noon, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
	}
	clients := clientsOf(t)
	clients.Callbacks, clients.Now = m.open, func() time.Time { return noon }
	clients.Secret = func(name string) (checks.Secret, bool) {
		return checks.Secret{Value: "it is a secret", Hosts: []string{"plum"}}, name == "key"
	}
	return clients, m
}

func TestCallback(t *testing.T) {
	const send = "callback: {send: {post: /test, json: {url: $(callback.url), reference: $(run.id)}}, within: 20ms, match: {$.ref: $(run.id)}}\n"
	for name, test := range map[string]struct {
		check   string
		arrives []string
		status  int    // of the answer to send
		want    string // a pass if empty
		errored bool
	}{
		"arrives":                 {send, []string{`{"ref":"run1"}`}, 200, "", false},
		"as expected":             {send + "expect: {$.state: done, headers.Content-Type: application/json, latency: {lt: 1s}}", []string{`{"ref":"run1","state":"done"}`}, 200, "", false},
		"after another":           {send, []string{`{"ref":"run0"}`, `no JSON`, `{"ref":"run1"}`}, 200, "", false},
		"not as expected":         {send + "expect: {$.state: done}", []string{`{"ref":"run1","state":"lost"}`}, 200, `the callback: $.state: got "lost", want "done"`, false},
		"never":                   {send, nil, 200, "no callback arrived within 20ms", false},
		"another alone":           {send, []string{`{"ref":"run0"}`}, 200, `no callback that matches arrived within 20ms, but another one: $.ref: got "run0", want "run1"`, false},
		"others":                  {send, []string{`{"ref":"run0"}`, ``}, 200, `no callback that matches arrived within 20ms, but 2 others, the last: body: nothing is there, want JSON`, false},
		"not sent":                {send, []string{`{"ref":"run1"}`}, 503, "send: status: got 503, want 2xx", false},
		"whatever arrives":        {"callback: {send: {post: /test, body: $(callback.url)}, within: 20ms}", []string{"hi"}, 200, "", false},
		"the answer to send":      {"callback: {send: {post: /test, body: $(callback.url), expect: {status: 202}}, within: 20ms}", []string{"hi"}, 202, "", false},
		"by what was sent":        {"callback: {send: {post: /test, body: $(callback.url), capture: {id: $.id}}, match: {$.ref: $(captures.id)}, within: 20ms}\ncapture: {ref: $.ref}", []string{`{"ref":"x"}`, `{"ref":7}`}, 200, "", false},
		"without its secret":      {"callback: {send: {post: /test, body: $(callback.url)}, signature: {kind: slack, secret: other}}", []string{"hi"}, 200, "the configuration has no secret other", true},
		"unsigned":                {"callback: {send: {post: /test, body: $(callback.url)}, signature: {kind: hmac, secret: key, header: X-Sig}}\nexpect: {$.a: 1}", []string{`{"a":2}`}, 200, "the callback: signature: the header X-Sig is missing; $.a: got 2, want 1", false},
		"the address is a secret": {"callback: {send: {post: /test, body: $(callback.url), expect: {$.echo: x}}}", nil, 200, `send: $.echo: got "[redacted]", want "x"`, false},
		"a capture of what isn't": {"callback: {send: {post: /test, body: $(callback.url)}}\ncapture: {x: $.x}", []string{`{}`}, 200, "the callback: capture x: nothing is at $.x", false},
	} {
		t.Run(name, func(t *testing.T) {
			clients, m := waiting(t, test.arrives...)
			at := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if !strings.Contains(string(body), callbackURL) {
					t.Errorf("sent %s", body)
				}
				w.WriteHeader(test.status)
				fmt.Fprintf(w, `{"id":7,"echo":%q}`, callbackURL)
			})
			_, err := probe(t, compileWith(t, clients, test.check, checks.Names{Secrets: []string{"key", "other"}}), askOf(at))
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || err.Error() != test.want || errors.Is(err, plumbline.ErrFailed) == test.errored):
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			if m.opened != m.closed {
				t.Errorf("%d addresses opened, %d closed", m.opened, m.closed)
			}
		})
	}
}

func TestCallbackWithoutAReceiver(t *testing.T) {
	check := "callback: {send: {post: /test, body: $(callback.url)}}"
	_, err := probe(t, compile(t, clientsOf(t), check), askOf("http://127.0.0.1:1"))
	if err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "no receiver for callbacks") {
		t.Errorf("got %v", err)
	}
	clients := clientsOf(t)
	clients.Callbacks = func(context.Context, string) (checks.Callback, error) {
		return checks.Callback{}, errors.New("the bus is away")
	}
	_, err = probe(t, compile(t, clients, check), askOf("http://127.0.0.1:1"))
	if err == nil || errors.Is(err, plumbline.ErrFailed) || err.Error() != "no address for callbacks could be opened: the bus is away" {
		t.Errorf("got %v", err)
	}
}

func TestCallbackAtAStandingAddress(t *testing.T) {
	clients, m := waiting(t, `{"ref":"somebody else's"}`, `{"ref":"run1"}`)
	names := checks.Names{Secrets: []string{"key"}}
	check := "callback: {send: {post: /orders, json: {ref: $(run.id)}}, at: key, match: {$.ref: $(run.id)}}"
	if _, err := probe(t, compileWith(t, clients, check, names), askOf(serve(t, answering(200, "", "{}")))); err != nil || m.at != "it is a secret" {
		t.Errorf("%v, at %q", err, m.at)
	}
	for text, want := range map[string]string{
		"callback: {send: {post: /orders}, at: key}":                    "at a standing address anything may arrive",
		"callback: {send: {post: /orders}, at: kee, match: {$.a: 1}}":   `unknown secret "kee" (did you mean "key"?)`,
		"callback: {send: {post: /orders}, at: 'a b', match: {$.a: 1}}": "want the name of a secret",
	} {
		_, problems := tryCompileWith(t, clients, text, names)
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, problems, want)
		}
	}
}

func TestCallbackIsCutOff(t *testing.T) {
	clients, m := waiting(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	clients.Callbacks = func(ctx context.Context, at string) (checks.Callback, error) {
		callback, err := m.open(ctx, at)
		next := callback.Next
		callback.Next = func(ctx context.Context) (checks.Received, error) {
			cancel(context.DeadlineExceeded)
			return next(ctx)
		}
		return callback, err
	}
	at := serve(t, answering(200, "", "{}"))
	_, err := compile(t, clients, "callback: {send: {post: /test, body: $(callback.url)}}").Probe(ctx, askOf(at))
	if err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "waiting for the callback") {
		t.Errorf("got %v, want an errored one that was waiting", err)
	}
}

func TestCallbackIsAStep(t *testing.T) {
	clients, _ := waiting(t, `{"token":"t1"}`)
	at := serve(t, answering(200, "", `{"id":7}`))
	answer, err := probe(t, compile(t, clients, `
steps:
  - get: /login
    capture: {id: $.id}
  - callback: {send: {post: /test, json: {id: $(captures.id), url: $(callback.url)}}}
    capture: {token: $.token}
  - get: /$(captures.token)
`), askOf(at))
	if err != nil || len(answer.Steps) != 3 || answer.Captures["token"] != "t1" {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestCallbackIsRead(t *testing.T) {
	clients, _ := waiting(t)
	c := compile(t, clients, "callback: {send: {post: /test, json: {url: $(callback.url), id: $(captures.order)}, capture: {a: $.a}}, match: {$.a: $(captures.a)}, within: 1m}\ncapture: {b: $.b}")
	if c.Name != "callback of POST /test" || c.Effect != plumbline.EffectLasting || c.Timeout != 70*time.Second {
		t.Errorf("%q, effect %s, timeout %s", c.Name, c.Effect, c.Timeout)
	}
	if len(c.Uses) != 1 || c.Uses[0].Name != "order" || len(c.Captures) != 2 {
		t.Errorf("uses %v, captures %v", c.Uses, c.Captures)
	}
	for text, want := range map[string]string{
		"callback: /test":                 "callback takes a map",
		"callback: {within: 1s}":          "a callback that nothing causes",
		"callback: {send: /test}":         "a check is a map",
		"callback: {send: {post: /test}}": "send doesn't say where the callback goes (put $(callback.url) into the request, or name a standing address with at)",
		"callback: {send: {tcp: /test}}":  `unknown kind "tcp"`,
		"callback: {sent: {}}":            `unknown key "sent" (did you mean "send"?)`,
		"get: /$(callback.url)":           `unknown variable "callback.url"`,
		"callback: {send: {post: /, body: $(callback.url)}, match: {$.u: $(callback.url)}}":        `unknown variable "callback.url"`,
		"callback: {send: {post: /, body: $(callback.url)}, match: {status: 200}}":                 `unknown place "status" in an answer`,
		"callback: {send: {post: /, body: $(callback.url)}, match: {}}":                            "an empty expect checks nothing",
		"callback: {send: {post: /, body: $(callback.url)}, within: 0s}":                           "0s, want more than 0",
		"callback: {send: {post: /, body: $(callback.url)}, within: soon}":                         `"soon", want a duration`,
		"callback: {send: {post: /, body: $(callback.url)}}\nexpect: {certificate: {}}":            `unknown place "certificate"`,
		"callback: {send: {post: /, body: $(callback.url)}}\ntimeout: 30s":                         "timeout 30s leaves no time to wait 30s for a callback",
		"callback: {send: {post: /, body: $(callback.url), capture: {a: $.a}}}\ncapture: {a: $.a}": "captures.a is captured by send",
	} {
		_, problems := tryCompileWith(t, clients, text, checks.Names{})
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, problems, want)
		}
	}
}

package checks

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

type socketParameters struct {
	URL       *yaml.Node `yaml:"url"`
	Headers   *yaml.Node `yaml:"headers"`
	Auth      *yaml.Node `yaml:"auth"`
	Protocols []string   `yaml:"protocols"`
	Send      *yaml.Node `yaml:"send"`
	Receive   *yaml.Node `yaml:"receive"`
	Until     *yaml.Node `yaml:"until"`
}

const maxMessages = 1000 // that are read of one connection

var socketPlaces = []string{"latency", "size", "body", "messages", "certificate", anyHeader, anyPath, anyXPath}

// A socketTalk opens a WebSocket, sends its messages, and reads as many as are looked at.
type socketTalk struct {
	engine    *engine
	url       socketURL
	headers   []pair
	auth      string
	protocols []string
	send      []tree
	receive   int
	until     *expectation // of the message that is the answer; nil for the last of receive
}

// websocket is the kind of messages: {websocket: /ws}, or {websocket: {url: /ws, send: {type: ping}}, expect: {$.type: pong}}.
func (e *engine) websocket() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		w := wire{e, d.reader(socketPlaces...), d}
		var p socketParameters
		w.main(d.Value, &p, &p.URL)
		if p.URL == nil {
			w.wrongHint(d.Value, "write url: /ws", "websocket needs a url")
			return Compiled{}, w.problems
		}
		t := &socketTalk{engine: e, url: w.socketURL(p.URL), headers: w.pairs("headers", p.Headers), protocols: p.Protocols}
		for _, h := range t.headers {
			if w.header(p.Headers, h.name); strings.HasPrefix(http.CanonicalHeaderKey(h.name), "Sec-Websocket-") {
				w.wrong(p.Headers, "header %s is not for suites to set", h.name)
			}
		}
		if t.auth = d.Auth; p.Auth != nil {
			t.auth = w.connection(p.Auth)
		}
		if t.auth == NoAuth {
			t.auth = ""
		}
		effect := plumbline.EffectNone
		if p.Send != nil {
			t.send, effect = w.messages(p.Send), plumbline.EffectLasting
		}
		if p.Until != nil {
			until := d.reader("body", anyPath)
			awaited := until.expectation(p.Until)
			awaited.statusNamed, t.until, t.receive = true, &awaited, maxMessages
			w.problems, w.uses = append(w.problems, until.problems...), append(w.uses, until.uses...)
		}
		if p.Receive != nil {
			if w.decode(p.Receive, &t.receive); t.receive < 1 || t.receive > maxMessages {
				w.wrong(p.Receive, "receive %s, want 1 to %d messages", p.Receive.Value, maxMessages)
			}
		}
		compiled, problems := w.compile(t.url, "websocket "+p.URL.Value, effect, nil, t.converse)
		check := compiled.Prober.(*wireCheck)
		if t.receive == 0 && looksAt(check.expect, check.captures, "size", "body", "messages", anyPath, anyXPath) {
			t.receive = 1
		}
		return compiled, problems
	}}
}

// messages reads what is sent: a text, a map that is sent as JSON, or a list of both.
func (r *reader) messages(n *yaml.Node) []tree {
	if n.Kind != yaml.SequenceNode {
		return []tree{r.tree(n)}
	}
	if len(n.Content) == 0 {
		r.wrong(n, "send takes a message or more")
	}
	var all []tree
	for _, each := range n.Content {
		all = append(all, r.tree(each))
	}
	return all
}

// A socketURL is relative to the environment's, or absolute with ws or wss.
type socketURL struct{ text template }

func (r *reader) socketURL(n *yaml.Node) socketURL {
	if n.Kind == yaml.ScalarNode && (strings.HasPrefix(n.Value, "ws://") || strings.HasPrefix(n.Value, "wss://")) {
		return socketURL{r.template(n, n.Value)}
	}
	return socketURL{r.url(n)}
}

// target is the URL of the handshake, which is one of HTTP.
func (u socketURL) target(s *scene) (*url.URL, error) {
	written, err := u.text.url(s)
	if err != nil {
		return nil, err
	}
	if rest, is := strings.CutPrefix(written, "ws"); is {
		written = "http" + rest
	}
	return resolve(s.ask.Site.URL, written)
}

func (u socketURL) resolve(s *scene) (endpoint, error) {
	target, err := u.target(s)
	if err != nil {
		return endpoint{}, err
	}
	return address{}.parse(target.Scheme+"://"+target.Host, "")
}

func (t *socketTalk) converse(ctx context.Context, s *scene, to endpoint) (*exchange, error) {
	now, at := t.engine.clients.Now, &progress{}
	x, started := &exchange{given: map[string]any{}}, now()
	messages, q, err := t.render(s, to)
	if err != nil {
		return nil, err
	}
	has := credential{}
	if t.auth != "" {
		if has, err = s.authorize(ctx, t.auth, q, nil); err != nil {
			return nil, err
		}
	}
	conn, err := t.open(at.follow(ctx), x, q, has)
	if err == nil {
		defer conn.CloseNow()
		at.is("sending")
		for _, m := range messages {
			if err = conn.Write(ctx, websocket.MessageText, m); err != nil {
				break
			}
		}
	}
	if err == nil && t.receive > 0 {
		at.is("waiting for a message")
		err = t.read(ctx, x, s, conn)
	}
	x.latency = now().Sub(started)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, plumbline.ErrFailed)) {
		err = explain(ctx, err, at.String(), x.latency)
	}
	return x, err
}

// render makes the messages and the request of the handshake.
func (t *socketTalk) render(s *scene, to endpoint) ([][]byte, *request, error) {
	target, err := t.url.target(s)
	if err != nil {
		return nil, nil, err
	}
	headers, err := values(t.headers, s)
	if err != nil {
		return nil, nil, err
	}
	q := &request{method: http.MethodGet, target: target, header: http.Header{"User-Agent": {"plumbline"}}}
	for name, list := range headers {
		q.header[http.CanonicalHeaderKey(name)] = list
	}
	var messages [][]byte
	for _, m := range t.send {
		value, err := m.value(s)
		if err != nil {
			return nil, nil, err
		}
		encoded, err := messageOf(value)
		if err != nil {
			return nil, nil, err
		}
		messages = append(messages, encoded)
	}
	return messages, q, s.allowed(to)
}

// messageOf is text as it is, and everything else as JSON.
func messageOf(value any) ([]byte, error) {
	if s, is := value.(string); is {
		return []byte(s), nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, errors.New("the message can't be written as JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// open makes the handshake, over a connection of its own that nobody uses again.
func (t *socketTalk) open(ctx context.Context, x *exchange, q *request, has credential) (*websocket.Conn, error) {
	from := t.engine.clients.Transport
	if has.own != nil {
		own, is := has.own.transport.(*http.Transport)
		if !is {
			return nil, fmt.Errorf("auth %s can't be used with websocket", t.auth)
		}
		from = own
	}
	transport := from.Clone()
	transport.DisableKeepAlives, transport.ForceAttemptHTTP2 = true, false
	transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if transport.TLSClientConfig != nil {
		transport.TLSClientConfig.NextProtos = nil
	}
	conn, response, err := websocket.Dial(ctx, q.target.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport, CheckRedirect: stay}, HTTPHeader: q.header, Subprotocols: t.protocols,
	})
	if response != nil {
		x.headers = response.Header
		x.certified(response.TLS, chainOf(response.TLS), t.engine.clients.Now())
		if response.StatusCode != http.StatusSwitchingProtocols {
			x.status = response.StatusCode
			return nil, plumbline.Failf("status: got %d, want 101: the server opens no WebSocket", response.StatusCode)
		}
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(t.engine.clients.BodyLimit)
	if got := conn.Subprotocol(); len(t.protocols) > 0 && !slices.Contains(t.protocols, got) {
		defer conn.CloseNow()
		return nil, plumbline.Failf("protocol: got %s, want one of %s", show(got), strings.Join(t.protocols, ", "))
	}
	return conn, nil
}

// read takes messages up to the one that is the answer.
func (t *socketTalk) read(ctx context.Context, x *exchange, s *scene, conn *websocket.Conn) error {
	limit, whole := t.engine.clients.BodyLimit, int64(0)
	var all []any
	for len(all) < t.receive {
		_, message, err := conn.Read(ctx)
		if whole += int64(len(message)); whole > limit || errors.Is(err, websocket.ErrMessageTooBig) {
			return plumbline.Failf("body: got more than %s", bytesOf(limit))
		}
		if closed := (websocket.CloseError{}); errors.As(err, &closed) {
			return plumbline.Failf("got %d messages, then the server closed with %d %s, want %s", len(all), closed.Code, closed.Reason, t.wanted())
		}
		if err != nil {
			return err
		}
		all = append(all, string(message))
		x.body, x.parsed, x.document, x.markup = message, false, nil, nil
		x.given["messages"] = all
		if t.until == nil {
			continue
		}
		if wrong, err := t.until.wrong(x, s); err != nil || len(wrong) == 0 {
			return err
		}
	}
	if t.until != nil {
		return plumbline.Failf("got %d messages, want %s", len(all), t.wanted())
	}
	return nil
}

func (t *socketTalk) wanted() string {
	if t.until != nil {
		return "one that until describes"
	}
	return fmt.Sprint(t.receive)
}

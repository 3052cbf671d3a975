package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

type tcpParameters struct {
	Address *yaml.Node `yaml:"address"`
	Send    *yaml.Node `yaml:"send"`
	Until   *yaml.Node `yaml:"until"`
	TLS     *yaml.Node `yaml:"tls"`
}

var tcpPlaces = []string{"latency", "size", "body", "certificate", anyPath, anyXPath}

// A tcpTalk sends a text and reads an answer, if anybody looks at it.
type tcpTalk struct {
	engine *engine
	send   *template
	until  string
	secure bool
	check  *wireCheck
}

// tcp is the kind of a connection: {tcp: "host:port"}, or {tcp: {address: …, send: "PING\r\n"}, expect: {body: …}}.
func (e *engine) tcp() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		w := wire{e, d.reader(tcpPlaces...), d}
		var p tcpParameters
		w.main(d.Value, &p, &p.Address)
		if p.Address == nil {
			w.wrongHint(d.Value, "write address: host:port", "tcp needs an address")
			return Compiled{}, w.problems
		}
		talk, effect := &tcpTalk{engine: e, until: "\n"}, plumbline.EffectNone
		if p.Send != nil {
			if p.Send.Kind != yaml.ScalarNode {
				w.wrong(p.Send, "send takes text")
			}
			t := w.template(p.Send, p.Send.Value)
			talk.send, effect = &t, plumbline.EffectLasting
		}
		if p.Until != nil {
			if talk.until = p.Until.Value; p.Until.Kind != yaml.ScalarNode || talk.until == "" || strings.Contains(talk.until, "$(") {
				w.wrongHint(p.Until, `write "\r\n"`, "until takes the text at the end of the answer")
			}
		}
		if p.TLS != nil {
			talk.secure = w.flag(p.TLS)
		}
		compiled, problems := w.compile(w.address(p.Address, ""), "tcp "+p.Address.Value, effect, nil, talk.converse)
		talk.check = compiled.Prober.(*wireCheck)
		if talk.check.expect.certificate && !talk.secure {
			problems = append(problems, strictyaml.At(d.File, d.Expect, "a connection without TLS has no certificate").WithHint("write tls: true"))
		}
		return compiled, problems
	}}
}

func (t *tcpTalk) converse(ctx context.Context, s *scene, to endpoint) (*exchange, error) {
	now, at := t.engine.clients.Now, &progress{}
	x, started := &exchange{}, now()
	told := func(err error) (*exchange, error) {
		x.latency = now().Sub(started)
		if err != nil && !errors.Is(err, plumbline.ErrFailed) {
			err = explain(ctx, err, at.String(), x.latency)
		}
		return x, err
	}
	send := ""
	if t.send != nil {
		var err error
		if send, err = t.send.text(s); err != nil {
			return nil, err
		}
	}
	if err := s.allowed(to); err != nil {
		return nil, err
	}
	l, err := t.engine.dial(ctx, "tcp", to, at)
	if err != nil {
		return told(err)
	}
	defer l.Close()
	conn := l.Conn
	if t.secure {
		secure, err := l.secure(ctx, tlsConfig(t.engine.clients.Transport, to.host))
		if err != nil {
			return told(err)
		}
		state := secure.ConnectionState()
		x.certified(&state, chainOf(&state), now())
		conn = secure
	}
	at.is("sending")
	if _, err := io.WriteString(conn, send); err != nil {
		return told(err)
	}
	if looksAt(t.check.expect, t.check.captures, "size", "body", anyPath, anyXPath) {
		at.is("waiting for an answer")
		err = x.readUntil(conn, t.until, t.engine.clients.BodyLimit, at)
	}
	return told(err)
}

// readUntil reads until a text has come, or the other side has no more to say.
func (x *exchange) readUntil(conn net.Conn, until string, limit int64, at *progress) error {
	chunk := make([]byte, 4<<10)
	for {
		n, err := conn.Read(chunk)
		seen := max(0, len(x.body)-len(until)+1)
		x.body = append(x.body, chunk[:n]...)
		found := bytes.Index(x.body[seen:], []byte(until))
		switch {
		case int64(len(x.body)) > limit:
			return plumbline.Failf("body: got more than %s", bytesOf(limit))
		case found >= 0:
			x.body = x.body[:seen+found+len(until)]
			return nil
		case errors.Is(err, io.EOF) && len(x.body) > 0:
			return nil
		case err != nil:
			return err
		}
		at.is(fmt.Sprintf("waiting for %s, got %s", show(until), show(cut(strings.ToValidUTF8(string(x.body[:min(len(x.body), 200)]), "?"), 100))))
	}
}

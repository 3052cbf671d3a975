package checks_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
	"github.com/plumbline-dev/plumbline"
)

// resolver answers over UDP and TCP on one port until the test ends.
func resolver(t testing.TB, handler dns.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{Listener: l, Handler: handler}, {PacketConn: packets, Handler: handler}} {
		started, ended := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(ended); _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	}
	return l.Addr().String()
}

func zone(t testing.TB, w dns.ResponseWriter, q *dns.Msg, lines ...string) {
	m := new(dns.Msg).SetReply(q)
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Error(err)
			return
		}
		if name := q.Question[0].Name; strings.EqualFold(rr.Header().Name, name) || rr.Header().Rrtype == dns.TypeA && name == "www.plum.example." {
			if rr.Header().Rrtype == q.Question[0].Qtype || rr.Header().Rrtype == dns.TypeCNAME {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	if len(m.Answer) == 0 && !strings.HasSuffix(q.Question[0].Name, "plum.example.") {
		m.Rcode = dns.RcodeNameError
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && q.Question[0].Qtype == dns.TypeTXT {
		m.Answer, m.Truncated = nil, true
	}
	_ = w.WriteMsg(m)
}

func TestDNS(t *testing.T) {
	good := resolver(t, func(w dns.ResponseWriter, q *dns.Msg) {
		zone(t, w, q, "plum.example. 60 A 10.0.0.8", "plum.example. 30 A 10.0.0.7", "www.plum.example. 60 CNAME Plum.Example.", "plum.example. 60 AAAA fd00::7",
			"plum.example. 60 MX 10 Mail.Plum.Example.", "plum.example. 60 NS ns1.plum.example.", `plum.example. 60 TXT "v=spf1 " "-all"`,
			"_sip._tcp.plum.example. 60 SRV 10 5 5060 sip.plum.example.", `plum.example. 60 CAA 0 issue "letsencrypt.org"`)
	})
	refusing := func(code int) string {
		return resolver(t, func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, code)) })
	}
	broken, closed := refusing(dns.RcodeServerFailure), refusing(dns.RcodeRefused)
	mute := resolver(t, func(dns.ResponseWriter, *dns.Msg) {})
	foreign := resolver(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Id++
		_ = w.WriteMsg(m)
	})
	tests := []struct {
		name, resolver, kind, expect, want string
		failed                             bool
	}{
		{"plum.example", good, "A", "", "", false},
		{"plum.example", good, "A", "{records: [10.0.0.7, 10.0.0.8], ttl: 30, code: NOERROR, latency: {lt: 5s}}", "", false},
		{"plum.example", good, "A", "{records: {contains: 10.0.0.9, length: 1}}", `records: got ["10.0.0.7","10.0.0.8"], want it to contain "10.0.0.9"; records: length got 2, want 1`, true},
		{"https://plum.example:8443/x", good, "A", "{records: {contains: 10.0.0.7}}", "", false},
		{"www.plum.example", good, "A", "{records: {length: 2}}", "", false},
		{"www.plum.example", good, "CNAME", "{records: [plum.example]}", "", false},
		{"plum.example", good, "AAAA", `{records: ["fd00::7"]}`, "", false},
		{"plum.example", good, "MX", "{records: [10 mail.plum.example]}", "", false},
		{"plum.example", good, "NS", "{records: [ns1.plum.example]}", "", false},
		{"plum.example", good, "TXT", "{records: {any: {starts_with: v=spf1, ends_with: -all}}}", "", false},
		{"plum.example", good, "CAA", "{records: [0 issue letsencrypt.org]}", "", false},
		{"_sip._tcp.plum.example", good, "SRV", "{records: [10 5 5060 sip.plum.example]}", "", false},
		{"none.plum.example", good, "A", "", "records: got [], want something in it", true},
		{"none.plum.example", good, "A", "{records: []}", "", false},
		{"none.plum.example", good, "A", "{ttl: {exists: false}, records: []}", "", false},
		{"gone.example", good, "A", "", `code: got "NXDOMAIN", want "NOERROR"; records: got [], want something in it`, true},
		{"gone.example", good, "A", "{code: NXDOMAIN}", "", false},
		{"plum.example", broken, "A", "", broken + ": the resolver answered SERVFAIL", false},
		{"plum.example", broken, "A", "{code: SERVFAIL}", "", false},
		{"plum.example", closed, "A", "", closed + ": the resolver answered REFUSED", false},
		{"plum.example", mute, "A", "", mute + ": timed out after 1s waiting for the resolver", false},
		{"plum.example", foreign, "A", "", foreign + ": timed out after 1s waiting for the resolver", false},
		{"plum..example", good, "A", "", good + `: "plum..example" is no name`, false},
	}
	for _, test := range tests {
		t.Run(test.name+" "+test.kind+" "+test.expect, func(t *testing.T) {
			t.Parallel()
			check := "{dns: {name: '" + test.name + "', type: " + test.kind + ", resolver: '" + test.resolver + "'}"
			if test.expect != "" {
				check += ", expect: " + test.expect
			}
			_, err := within(t, test.want, compile(t, clientsOf(t), check+"}"), askOf("http://x"))
			ends(t, err, test.want, test.failed)
		})
	}
}

// Datagrams get lost: a question without an answer is asked again.
func TestDNSAsksAgain(t *testing.T) {
	var asked atomic.Int32
	lossy := resolver(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if asked.Add(1) > 1 {
			zone(t, w, q, "plum.example. 60 A 10.0.0.8")
		}
	})
	_, err := within(t, "", compile(t, clientsOf(t), "{dns: {name: plum.example, resolver: '"+lossy+"'}}"), askOf("http://x"))
	if err != nil || asked.Load() < 2 {
		t.Errorf("got %v after %d questions", err, asked.Load())
	}
}

// Without a resolver the machine's is asked, whoever that is.
func TestDNSOfTheSystem(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := compile(t, clientsOf(t), "{dns: plum.invalid}").Probe(ctx, askOf("http://x"))
	if err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.HasPrefix(err.Error(), "the system's resolver: ") || strings.Contains(err.Error(), "want host:port") {
		t.Errorf("got %v", err)
	}
}

package cutproxy_test

import (
	"bufio"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/cutproxy"
)

// echo is a server that repeats lines, and tells of each that it heard.
func echo(t *testing.T) (address string, heard chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heard = make(chan string, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					heard <- lines.Text()
					fmt.Fprintln(c, lines.Text())
				}
			}()
		}
	}()
	return l.Addr().String(), heard
}

type client struct {
	net.Conn
	answers *bufio.Reader
}

func dial(t *testing.T, p *cutproxy.Proxy) client {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{c, bufio.NewReader(c)}
}

func (c client) say(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(c, line); err != nil {
		t.Fatal(err)
	}
}

func (c client) hears(t *testing.T, want string) {
	t.Helper()
	if line, err := c.answers.ReadString('\n'); err != nil || line != want+"\n" {
		t.Fatalf("heard %q, %v, want %q", line, err, want)
	}
}

// nothing waits a moment: what comes later would be missed, what comes too early is seen.
func (c client) nothing(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if line, err := c.answers.ReadString('\n'); err == nil {
		t.Fatalf("heard %q, want nothing", line)
	}
	_ = c.SetReadDeadline(time.Time{})
}

func proxy(t *testing.T, server string) *cutproxy.Proxy {
	t.Helper()
	p, err := cutproxy.Listen("127.0.0.1:0", func() string { return server })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func set(t *testing.T, p *cutproxy.Proxy, line cutproxy.Line) {
	t.Helper()
	if err := p.Set(line); err != nil {
		t.Fatal(err)
	}
}

func TestCutResetsAndRefuses(t *testing.T) {
	server, _ := echo(t)
	p := proxy(t, server)
	c := dial(t, p)
	c.say(t, "one")
	c.hears(t, "one")
	set(t, p, cutproxy.Cut)
	for _, cut := range []client{c, dial(t, p)} {
		if _, err := cut.answers.ReadString('\n'); err == nil {
			t.Error("a connection stands, want it reset")
		}
	}
	set(t, p, cutproxy.Whole)
	c = dial(t, p)
	c.say(t, "two")
	c.hears(t, "two")
}

func TestWhatDoesNotPassPassesLater(t *testing.T) {
	for _, test := range []struct {
		line  cutproxy.Line
		heard bool // by the server, meanwhile
	}{{cutproxy.Hung, false}, {cutproxy.Mute, false}, {cutproxy.Deaf, true}} {
		t.Run(string(test.line), func(t *testing.T) {
			server, heard := echo(t)
			p := proxy(t, server)
			c := dial(t, p)
			c.say(t, "one")
			c.hears(t, "one")
			<-heard
			set(t, p, test.line)
			c.say(t, "two")
			if test.heard {
				<-heard
			}
			c.nothing(t)
			if len(heard) > 0 {
				t.Errorf("the server heard %q, want nothing", <-heard)
			}
			set(t, p, cutproxy.Whole)
			c.hears(t, "two")
		})
	}
}

func TestCloseEndsWhatHangs(t *testing.T) {
	server, _ := echo(t)
	p := proxy(t, server)
	c := dial(t, p)
	c.say(t, "one")
	c.hears(t, "one")
	set(t, p, cutproxy.Hung)
	c.say(t, "two")
	p.Close()
	if _, err := c.answers.ReadString('\n'); err == nil {
		t.Error("the connection stands after Close")
	}
	if err := p.Set("torn"); err == nil {
		t.Error("a line that isn't one is taken")
	}
}

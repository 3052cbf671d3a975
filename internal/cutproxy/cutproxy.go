// Package cutproxy is a TCP proxy whose line can be cut, in the ways in which real lines are.
package cutproxy

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// A Line is the state of what lies between a client and its server.
type Line string

// The lines.
const (
	Whole Line = "whole"
	Cut   Line = "cut"  // connections are reset, and new ones end at once
	Hung  Line = "hung" // connections stand, and nothing passes until the line is whole
	Deaf  Line = "deaf" // what the server says doesn't reach the client
	Mute  Line = "mute" // what the client says doesn't reach the server
)

// Lines are all of them.
func Lines() []Line { return []Line{Whole, Cut, Hung, Deaf, Mute} }

// dialTimeout bounds how long a server is called.
const dialTimeout = 5 * time.Second

// A Proxy hands connections on. What doesn't pass at the moment is kept, as TCP does, and passes later.
type Proxy struct {
	listener net.Listener
	server   func() string
	pumps    sync.WaitGroup

	mu      sync.Mutex
	line    Line
	changed chan struct{} // closed at the next change
	open    map[net.Conn]bool
	closed  bool
}

// Listen begins to hand connections on to the server that the func names at the time. Close it.
func Listen(address string, server func() string) (*Proxy, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, server: server, line: Whole, changed: make(chan struct{}), open: map[net.Conn]bool{}}
	p.pumps.Go(p.accept)
	return p, nil
}

// Address is where clients connect.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set changes the line at once, for connections that stand as for those to come.
func (p *Proxy) Set(line Line) error {
	if !slices.Contains(Lines(), line) {
		return fmt.Errorf("unknown line %q, want one of %v", line, Lines())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = line
	close(p.changed)
	p.changed = make(chan struct{})
	if line == Cut {
		p.reset()
	}
	return nil
}

// Close ends all connections, and returns when nothing of the proxy is left.
func (p *Proxy) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.changed)
		p.changed = make(chan struct{})
		p.reset()
		_ = p.listener.Close() // its end is all that counts
	}
	p.mu.Unlock()
	p.pumps.Wait()
}

// reset ends every connection without a goodbye.
func (p *Proxy) reset() {
	for c := range p.open {
		if tcp, is := c.(*net.TCPConn); is {
			_ = tcp.SetLinger(0) // else it says goodbye, which is also an end
		}
		_ = c.Close() // likewise
	}
	clear(p.open)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.pumps.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	server, err := net.DialTimeout("tcp", p.server(), dialTimeout)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() { p.pump(server, client, Deaf) })
	both.Go(func() { p.pump(client, server, Mute) })
	both.Wait()
}

// keep remembers a connection, or ends it if the line is cut.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.line == Cut {
		_ = c.Close() // it never was
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close() // it may be closed already
}

// pump carries what one side says to the other, unless the line is hung or in the state that stops this direction.
func (p *Proxy) pump(from, to net.Conn, stopped Line) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !p.await(stopped) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// await waits until the direction is free, and says whether the proxy is still there.
func (p *Proxy) await(stopped Line) bool {
	for {
		p.mu.Lock()
		line, changed, closed := p.line, p.changed, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return false
		case line != Hung && line != stopped:
			return true
		}
		<-changed
	}
}

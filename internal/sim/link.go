package sim

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A link is the network between one process and the broker. It can be cut for good, and hold back what goes over it
// without telling anybody.
type link struct {
	broker *broker

	mu    sync.Mutex
	cut   bool // for good: the process is gone
	held  bool // what the process says doesn't arrive
	deaf  bool // what the process is told doesn't arrive
	until time.Time
	wires map[*wire]bool

	left   int    // writes until the process dies, 0: it doesn't
	before bool   // the last of them doesn't arrive
	die    func() // kills the process
}

// light has the process die at its nth write from now.
func (l *link) light(nth int, before bool, die func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.before, l.die = nth, before, die
}

// burn counts a write, and says how the process dies by it, if it does.
func (l *link) burn() (die func(), before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left--; l.left != 0 {
		return nil, false
	}
	return l.die, l.before
}

// InProcessConn is what nats.InProcessServer dials, again at each reconnect.
func (l *link) InProcessConn() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut || l.held || l.deaf {
		return nil, errDown
	}
	conn, err := l.broker.dial()
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, link: l, turned: make(chan struct{}), ready: make(chan struct{}, 1), gone: make(chan struct{})}
	go w.pump()
	if l.wires == nil {
		l.wires = map[*wire]bool{}
	}
	l.wires[w] = true
	return w, nil
}

// sever cuts the link for good.
func (l *link) sever() {
	l.mu.Lock()
	l.cut = true
	l.mu.Unlock()
	l.drop()
}

// drop closes the connections of the moment.
func (l *link) drop() {
	for _, w := range l.current() {
		_ = w.Close() // of a pipe, which can't fail
	}
}

// hold holds back what goes over the link, or only what the process is told, and returns when that is over or the process
// is. Of several at once, the longest counts.
func (l *link) hold(process context.Context, both bool, d time.Duration) {
	l.mu.Lock()
	until := time.Now().Add(d)
	both = both || l.held
	if until.After(l.until) {
		l.until = until
	}
	l.mu.Unlock()
	l.set(both, true)
	_ = wait(process, d)
	l.mu.Lock()
	over := !time.Now().Before(l.until) || process.Err() != nil
	l.mu.Unlock()
	if over {
		l.set(false, false)
	}
}

// set says what is held back from now on; what isn't any more arrives.
func (l *link) set(held, deaf bool) {
	l.mu.Lock()
	l.held, l.deaf = held, deaf
	l.mu.Unlock()
	for _, w := range l.current() {
		w.turn(held, deaf)
	}
}

// hush has nothing arrive any more that goes over the connections of the moment to the broker.
func (l *link) hush() {
	for _, w := range l.current() {
		w.writing.Lock()
		w.hushed = true
		w.writing.Unlock()
	}
}

func (l *link) current() []*wire {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*wire
	for w := range l.wires {
		all = append(all, w)
	}
	return all
}

// A wire is one connection of a link. Its two directions know nothing of each other, as those of a pipe; unlike a pipe it
// holds what is written until it is read, as a network does: who writes to a pipe waits for its reader, and whoever waits
// for a lock of such a writer keeps the bubble's time from passing.
type wire struct {
	net.Conn
	link   *link
	closed atomic.Bool
	gone   chan struct{} // closed with the wire

	writing sync.Mutex
	held    bool          // what is written waits
	hushed  bool          // for ever
	out     []byte        // written and not sent
	ready   chan struct{} // there may be something to send

	mu     sync.Mutex
	deaf   bool          // what was read waits
	in     []byte        // read and not delivered
	failed error         // of the reading
	turned chan struct{} // closed at the next change of what is held back
	woken  bool          // a read is interrupted to look again
}

func (w *wire) Write(p []byte) (n int, err error) {
	if w.closed.Load() {
		return 0, net.ErrClosed
	}
	w.writing.Lock()
	defer w.writing.Unlock()
	w.out = append(w.out, p...)
	w.look()
	return len(p), nil
}

func (w *wire) look() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// pump sends what was written, until the wire is closed.
func (w *wire) pump() {
	for {
		select {
		case <-w.ready:
		case <-w.gone:
			return
		}
		for data := w.due(); len(data) > 0; data = w.due() {
			die, before := w.link.burn()
			if die != nil && before {
				die()
				return
			}
			_, err := w.Conn.Write(data)
			if die != nil {
				die()
			}
			if err != nil {
				return // the reader sees it, too
			}
		}
	}
}

// due is what is to be sent now.
func (w *wire) due() (data []byte) {
	w.writing.Lock()
	defer w.writing.Unlock()
	if !w.held && !w.hushed {
		data, w.out = w.out, nil
	}
	return data
}

func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err, done := w.kept(p)
		if done {
			return n, err
		}
		if n, err = w.Conn.Read(p); !w.keeps(p[:n], err) {
			return n, err
		}
	}
}

// kept delivers what was read before, or waits for the time when it may.
func (w *wire) kept(p []byte) (n int, err error, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.deaf && w.failed != nil && !w.closed.Load() {
		turned := w.turned
		w.mu.Unlock()
		<-turned
		w.mu.Lock()
	}
	switch {
	case w.closed.Load():
		return 0, net.ErrClosed, true
	case w.deaf:
		return 0, nil, false
	case len(w.in) > 0:
		n = copy(p, w.in)
		w.in = w.in[n:]
		return n, nil, true
	}
	return 0, w.failed, w.failed != nil
}

// keeps takes what was read while nothing is to be delivered, and says whether the reader has to look again.
func (w *wire) keeps(data []byte, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	woken := w.woken && errors.Is(err, os.ErrDeadlineExceeded)
	if !woken && !w.deaf && len(w.in) == 0 {
		return false
	}
	if woken {
		w.woken, err = false, nil
		_ = w.Conn.SetReadDeadline(time.Time{})
	}
	w.in = append(w.in, data...)
	w.failed = err
	return true
}

func (w *wire) turn(held, deaf bool) {
	w.writing.Lock()
	w.held = held
	w.writing.Unlock()
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf && !deaf {
		w.woken = true
		_ = w.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	w.deaf = deaf
	close(w.turned)
	w.turned = make(chan struct{})
}

// Close ends the connection at once: what was held back is lost.
func (w *wire) Close() error {
	w.link.mu.Lock()
	delete(w.link.wires, w)
	w.link.mu.Unlock()
	if !w.closed.Swap(true) {
		close(w.gone)
	}
	w.mu.Lock()
	close(w.turned)
	w.turned = make(chan struct{})
	w.mu.Unlock()
	return w.Conn.Close()
}

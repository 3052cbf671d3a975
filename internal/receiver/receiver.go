// Package receiver is where webhooks arrive that somebody waits for. Each goes to an address of its own, which nobody can
// guess. Whoever posts is always told that it arrived: a sender that counts failures must not count one here.
package receiver

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The bounds of what is taken.
const (
	MaxBody    = 128 << 10 // bytes of a body
	MaxHeaders = 16 << 10  // bytes of headers that are handed on; the rest is dropped

	perSecond   = 200             // requests, of everybody
	handedOn    = 512             // at once: more than come in the time that each may take
	handOnTime  = 2 * time.Second // to find who waits
	drainTime   = 5 * time.Second
	readTime    = 15 * time.Second
	nonceLength = 32
)

// A Receipt is one request that arrived.
type Receipt struct {
	ID     string      `json:"id"` // the same however often the receipt is handed on
	At     time.Time   `json:"at"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// NewNonce is the last part of a new address: 160 random bits.
func NewNonce(random io.Reader) (string, error) {
	var b [nonceLength * 5 / 8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// CheckNonce refuses what can't end an address.
func CheckNonce(nonce string) error {
	if nonceRule.MatchString(nonce) {
		return nil
	}
	return fmt.Errorf("an address ends in %d of the characters a to z and 2 to 7 (openssl rand 20 | base32 | tr A-Z a-z)", nonceLength)
}

var nonceRule = regexp.MustCompile(fmt.Sprintf(`^[a-z2-7]{%d}$`, nonceLength))

// Options are what a Receiver is made of.
type Options struct {
	// HandOn brings a receipt to who waits at the nonce's address; nobody may. Requests don't wait for it. Its context
	// ends after 2 s.
	HandOn func(ctx context.Context, nonce string, r Receipt) error
	Random io.Reader        // for ids
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means none
}

// A Receiver takes requests.
type Receiver struct {
	options Options
	limit   *rate.Limiter
	free    chan struct{}
	running sync.WaitGroup
}

// New makes a Receiver.
func New(o Options) *Receiver {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Receiver{options: o, limit: rate.NewLimiter(perSecond, 2*perSecond), free: make(chan struct{}, handedOn)}
}

// Serve takes requests at l until ctx ends. It returns when everything that was taken is handed on.
func (r *Receiver) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: r, ReadHeaderTimeout: drainTime, ReadTimeout: readTime, WriteTimeout: readTime, IdleTimeout: time.Minute,
		MaxHeaderBytes: 4 * MaxHeaders, ErrorLog: slog.NewLogLogger(r.options.Log.Handler(), slog.LevelDebug)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("receiver at %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close() // what takes longer is cut off
	}
	r.running.Wait()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP answers every well-formed POST to an address with 200, whether anybody waits there or not. The address is the
// last part of the path.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	nonce := path.Base(q.URL.Path)
	switch {
	case !nonceRule.MatchString(nonce):
		http.Error(w, "nothing is received here", http.StatusNotFound)
		return
	case q.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "want POST", http.StatusMethodNotAllowed)
		return
	case !r.limit.AllowN(r.options.Now(), 1):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, fmt.Sprintf("want at most %d bytes", MaxBody), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the body can't be read", http.StatusBadRequest)
		return
	}
	id, err := NewNonce(r.options.Random)
	if err != nil || !r.hand(q.Context(), nonce, Receipt{ID: id, At: r.options.Now().UTC(), Header: bounded(q.Header), Body: body}) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too much at once", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "received\n") // the sender left: it is received all the same
}

// hand brings the receipt on its way, if not too many are.
func (r *Receiver) hand(ctx context.Context, nonce string, receipt Receipt) bool {
	select {
	case r.free <- struct{}{}:
	default:
		return false
	}
	r.running.Go(func() {
		defer func() { <-r.free }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOnTime)
		defer cancel()
		if err := r.options.HandOn(ctx, nonce, receipt); err != nil {
			r.options.Log.Debug("a callback that nobody took", "error", err)
		}
	})
	return true
}

// bounded leaves out what goes beyond MaxHeaders, the longest first.
func bounded(h http.Header) http.Header {
	h = h.Clone()
	for size(h) > MaxHeaders {
		longest := ""
		for name := range h {
			if longest == "" || size(http.Header{name: h[name]}) > size(http.Header{longest: h[longest]}) {
				longest = name
			}
		}
		delete(h, longest)
	}
	return h
}

func size(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return n
}

package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// unasked is why a question could not be asked, in plain words. It hides the words of its cause, which may have a
// whole URL in them, but not its kind.
type unasked struct {
	text  string
	cause error
}

func (u unasked) Error() string { return u.text }
func (u unasked) Unwrap() error { return u.cause }

// An outOfReach is an error of an exchange that never came to its request.
type outOfReach struct{ error }

func (o outOfReach) Unwrap() error        { return o.error }
func (o outOfReach) Is(target error) bool { return target == plumbline.ErrUnreached }

// reached marks what happened before somebody was there to answer.
func reached(phase string, err error) error {
	if slices.Contains([]string{waitingForConnection, lookingUp, connecting, shakingHands}, phase) {
		return outOfReach{err}
	}
	return err
}

// The phases of an exchange in which nobody has been asked yet.
const (
	waitingForConnection = "waiting for a connection"
	lookingUp            = "looking the host up"
	connecting           = "connecting"
	shakingHands         = "in the TLS handshake"
)

// A progress is how far an exchange has come.
type progress struct{ phase atomic.Pointer[string] }

func (p *progress) is(phase string) { p.phase.Store(&phase) }

func (p *progress) String() string {
	if phase := p.phase.Load(); phase != nil {
		return *phase
	}
	return waitingForConnection
}

// follow notes the progress of an exchange under the context it returns.
func (p *progress) follow(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { p.is(lookingUp) },
		ConnectStart:      func(string, string) { p.is(connecting) },
		TLSHandshakeStart: func() { p.is(shakingHands) },
		GotConn:           func(httptrace.GotConnInfo) { p.is("sending the request") },
		WroteRequest:      func(httptrace.WroteRequestInfo) { p.is("waiting for headers") },
	})
}

// explain says in plain words why an exchange came to no answer.
func explain(ctx context.Context, err error, phase string, after time.Duration) error {
	for {
		var wrapped *url.Error // has the whole URL in its text
		if !errors.As(err, &wrapped) {
			break
		}
		err = wrapped.Err
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return unasked{fmt.Sprintf("timed out after %s %s", round(after), phase), reached(phase, ctx.Err())}
	case ctx.Err() != nil:
		return unasked{"cancelled " + phase, ctx.Err()}
	}
	return unasked{reason(err, phase), reached(phase, err)}
}

func round(d time.Duration) time.Duration {
	if d > 100*time.Millisecond {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

func reason(err error, phase string) string {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		dial      *net.OpError
		timeout   net.Error
	)
	var refused forbidden
	switch {
	case errors.As(err, &refused):
		return refused.text
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host " + dns.Name
	case errors.As(err, &dns):
		return "the host " + dns.Name + " could not be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused" + peer(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset " + phase
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host" + peer(err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return "TLS: certificate is valid from " + day(invalid.Cert.NotBefore) + " to " + day(invalid.Cert.NotAfter)
	case errors.As(err, &authority) && selfSigned(authority.Cert):
		return "TLS: certificate signed by itself, which is not trusted"
	case errors.As(err, &authority):
		return "TLS: certificate signed by an unknown authority"
	case errors.As(err, &hostname):
		return "TLS: certificate isn't for " + hostname.Host
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "TLS: the server doesn't speak TLS"
	case errors.As(err, &dial) && dial.Op == "remote error" && dial.Err != nil:
		return "TLS: the server refused the handshake: " + strings.TrimPrefix(dial.Err.Error(), "tls: ")
	case errors.As(err, &alert):
		return "TLS: the server refused the handshake: " + alert.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed " + phase
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out " + phase
	case errors.As(err, &dial) && dial.Err != nil:
		return phase + ": " + cut(dial.Err.Error(), 200)
	}
	return phase + ": " + cut(err.Error(), 200)
}

// peer is the address that was dialled.
func peer(err error) string {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Addr != nil {
		return " by " + dial.Addr.String()
	}
	return ""
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

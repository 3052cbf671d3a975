package checks

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"
)

// MaxHeaderBytes bounds the headers of an answer.
const MaxHeaderBytes = 64 << 10

// NewTransport keeps as many idle connections to a host as there are checks at once, obeys no proxy, decompresses gzip
// alone, and bounds headers. Deadlines come from the context of each check, and Guard says where it may connect to.
func NewTransport(concurrency int) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4 * concurrency,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: MaxHeaderBytes,
	}
}

// A session is the clients of one scenario, or of all checks that are none. A session with cookies belongs to one
// goroutine.
type session struct {
	transport, fresh http.RoundTripper
	jar              http.CookieJar
	clients          [4]*resty.Client
}

// newSession has all its clients made, so that many may use it at once.
func newSession(t *http.Transport) *session {
	fresh := t.Clone()
	fresh.DisableKeepAlives = true
	s := &session{transport: t, fresh: fresh}
	for _, follow := range []bool{false, true} {
		for _, fresh := range []bool{false, true} {
			s.client(follow, fresh)
		}
	}
	return s
}

func (s *session) closeIdle() {
	for _, t := range []http.RoundTripper{s.transport, s.fresh} {
		if closes, is := t.(*http.Transport); is {
			closes.CloseIdleConnections()
		}
	}
}

// withCookies is a session over the same connections that keeps cookies of its own.
func (s *session) withCookies() (*session, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &session{transport: s.transport, fresh: s.fresh, jar: jar}, nil
}

func (s *session) client(follow, fresh bool) *resty.Client {
	i := 0
	web := &http.Client{Transport: s.transport, Jar: s.jar, CheckRedirect: stay}
	if follow {
		i, web.CheckRedirect = i+1, sameOrigin
	}
	if fresh {
		i, web.Transport = i+2, s.fresh
	}
	if s.clients[i] == nil {
		s.clients[i] = resty.NewWithClient(web).SetLogger(silent{}).SetDisableWarn(true).SetHeader("User-Agent", "plumbline")
	}
	return s.clients[i]
}

// silent is resty's logger: what goes wrong is in the result.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

// stay makes a redirect an answer like any other.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

const maxRedirects = 10

// sameOrigin follows a redirect where everything in the request may be sent again. Go itself would take the body of a
// 307 and every header but a few to any host.
func sameOrigin(next *http.Request, before []*http.Request) error {
	if origin := originOf(next.URL); origin != originOf(before[0].URL) {
		return redirected(fmt.Sprintf("redirected to %s, another origin, which is not followed", origin))
	}
	if len(before) >= maxRedirects {
		return redirected(fmt.Sprintf("redirected more than %d times", maxRedirects))
	}
	return redirect(next)
}

// redirected is a wrong answer: it leads where the check may not go.
type redirected string

func (r redirected) Error() string { return string(r) }

// originOf is scheme, host and port; the port that goes without saying is left out.
func originOf(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		port = ""
	}
	switch {
	case port != "":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return strings.ToLower(u.Scheme) + "://" + host
}

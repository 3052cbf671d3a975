package sandbox

import (
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// newTransport keeps many connections to few hosts open, and asks no proxy. It forgets an unused connection long before
// a server of the sandbox closes it, so that no request meets a connection that is just being closed.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConns:          512,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		DisableCompression:    true,
	}
}

// newClient follows no redirects.
func newClient(transport http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func newServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 90 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: quietLog()}
}

// quietLog swallows what net/http says of callers that left: whoever was served wrongly is counted.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

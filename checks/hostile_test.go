package checks_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// raw answers every request with what talk writes, as it writes it.
func raw(t testing.TB, talk func(conn net.Conn)) string {
	return "http://" + listen(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			talk(conn)
		}
	})
}

// bomb is a gigabyte in a megabyte of gzip.
var bomb = sync.OnceValue(func() []byte {
	var one bytes.Buffer
	z := gzip.NewWriter(&one)
	_, _ = io.CopyN(z, zeros{}, 16<<20)
	_ = z.Close()
	return bytes.Repeat(one.Bytes(), 64) // members behind one another are one stream
})

// Each of these targets is told apart in words of its own, once the check's time is over at the latest (left alone, they
// would take minutes), and none takes more memory than an honest one of the largest size.
func TestHostileTargets(t *testing.T) {
	a, stranger := newNotary(t), newNotary(t)
	const slack, most = 20 * time.Second, 48 << 20
	elsewhere := serve(t, answering(200, "", "stolen"))
	web := func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
	secured := func(by *notary, ends time.Duration, self bool, name string) string {
		config := by.server(ends, self, name)
		config.NextProtos = nil
		return "https://" + listen(t, secure(config, web))
	}
	targets := []struct {
		name, url, want string
		failed          bool
	}{
		{"body dripped at 1 byte/s", raw(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
			for _, err := io.WriteString(conn, "x"); err == nil; _, err = io.WriteString(conn, "x") {
				time.Sleep(time.Second)
			}
		}), "GET URL/: timed out after 1s reading the body", false},
		{"headers dripped", raw(t, func(conn net.Conn) {
			for _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n"); err == nil; _, err = io.WriteString(conn, "X: y\r\n") {
				time.Sleep(200 * time.Millisecond)
			}
		}), "GET URL/: timed out after 1s waiting for headers", false},
		{"endless body", raw(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			_, _ = io.Copy(conn, letters{})
		}), "body: got more than 2 MiB", true},
		{"gzip bomb", raw(t, func(conn net.Conn) {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(bomb()))
			_, _ = conn.Write(bomb())
		}), "body: got more than 2 MiB", true},
		{"8 MB of headers", raw(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			for range 8 << 10 {
				_, _ = io.WriteString(conn, "X-Pad: "+strings.Repeat("x", 1<<10)+"\r\n")
			}
			_, _ = io.WriteString(conn, "\r\n")
		}), "headers: got more than 64 KiB", true},
		{"one header of 8 MB", raw(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Pad: ")
			_, _ = io.CopyN(conn, letters{}, 8<<20)
		}), "headers: got more than 64 KiB", true},
		{"redirect loop", serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }),
			"redirected more than 10 times", true},
		{"redirect to another host", serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) }),
			"redirected to " + elsewhere + ", another origin, which is not followed", true},
		{"reset in mid-body", raw(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nhalf")
			time.Sleep(50 * time.Millisecond)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}), "GET URL/: connection reset reading the body", false},
		{"closed in mid-body", raw(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nhalf")
		}), "GET URL/: connection closed reading the body", false},
		{"expired certificate", secured(a, -48*time.Hour, false, "127.0.0.1"), "GET URL/: TLS: certificate is valid from ", false},
		{"certificate of another name", secured(a, time.Hour, false, "other.internal"), "GET URL/: TLS: certificate isn't for 127.0.0.1", false},
		{"self-signed certificate", secured(a, time.Hour, true, "127.0.0.1"), "GET URL/: TLS: certificate signed by itself", false},
		{"certificate of a stranger", secured(stranger, time.Hour, false, "127.0.0.1"), "GET URL/: TLS: certificate signed by an unknown authority", false},
		{"silent handshake", "https://" + listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }),
			"GET URL/: timed out after 1s in the TLS handshake", false},
		{"resolver that never answers", "http://slow.plum.internal", "GET URL/: timed out after 1s looking the host up", false},
	}
	mute, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	bomb()
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			clients := a.trusting(t)
			var asked []net.Conn
			over := false
			var mu sync.Mutex
			slow := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, "udp", mute.LocalAddr().String())
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
				case over:
					_ = conn.Close()
				default:
					asked = append(asked, conn)
				}
				return conn, err
			}}
			defer func() { // the standard library waits on, on its own
				mu.Lock()
				defer mu.Unlock()
				over = true
				for _, conn := range asked {
					_ = conn.Close()
				}
			}()
			clients.Transport.DialContext = (&net.Dialer{Resolver: slow}).DialContext
			check := compile(t, clients, "{get: /, follow: true, expect: {body: {exists: true}}}")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			started := time.Now()
			_, err := within(t, target.want, check, askOf(target.url))
			took := time.Since(started)
			runtime.ReadMemStats(&after)
			ends(t, err, strings.ReplaceAll(target.want, "URL", target.url), target.failed)
			if took > timeFor(target.want)+slack {
				t.Errorf("it took %s", took)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > most {
				t.Errorf("it allocated %d MiB", used>>20)
			}
			if err != nil && strings.Contains(err.Error(), "stolen") {
				t.Error("it went elsewhere")
			}
		})
	}
}

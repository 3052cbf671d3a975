package checks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// A request arrives as it was written, with its variables filled in.
func TestRequests(t *testing.T) {
	tests := map[string]struct{ check, method, uri, header, body string }{
		"short":             {"{get: /a/b?x=1}", "GET", "/base/a/b?x=1", "", ""},
		"long":              {"{http: {method: put, url: /a, body: hello}}", "PUT", "/base/a", "Content-Type: text/plain; charset=utf-8", "hello"},
		"long scalar":       {"{http: /a}", "GET", "/base/a", "", ""},
		"query":             {`{get: "/a?x=1", query: {q: [a b, "&"], n: 3}}`, "GET", "/base/a?x=1&n=3&q=a+b&q=%26", "", ""},
		"json":              {`{post: /a, json: {n: $(vars.page), s: "p$(vars.page)", t: $(string vars.page), l: [1.50, null, true], r: $(run.id), "<": 1}}`, "POST", "/base/a", "Content-Type: application/json", `{"<":1,"l":[1.50,null,true],"n":7,"r":"run1","s":"p7","t":"7"}`},
		"typed capture":     {`{post: /a, json: {o: $(captures.object), id: $(captures.id)}}`, "POST", "/base/a", "", `{"id":12345678901234567890,"o":{"a":[1]}}`},
		"form":              {`{post: /a, form: {grant_type: x, "a b": "$(env.color)&"}}`, "POST", "/base/a", "Content-Type: application/x-www-form-urlencoded", "a+b=green%26&grant_type=x"},
		"own content type":  {`{post: /a, body: <a/>, headers: {content-type: text/xml}}`, "POST", "/base/a", "Content-Type: text/xml", "<a/>"},
		"headers":           {`{get: /a, headers: {X-Version: "$(release.version) on $(env.color)"}}`, "GET", "/base/a", "X-Version: 2026.11.3 on green", ""},
		"agent":             {`{get: /a}`, "GET", "/base/a", "User-Agent: plumbline", ""},
		"escaped path":      {`{get: /a/$(captures.odd)?q=$(captures.odd)}`, "GET", "/base/a/x%2F..%3Fy=1&z?q=x%2F..%3Fy%3D1%26z", "", ""},
		"absolute":          {`{get: $(env.url)/a}`, "GET", "/base/a", "", ""},
		"literal":           {`{get: "/a?x=$$(run.id)"}`, "GET", "/base/a?x=$(run.id)", "", ""},
		"site's own vars":   {`{get: /a/$(vars.page)}`, "GET", "/base/a/7", "", ""},
		"delete with body":  {`{delete: /a, json: [1]}`, "DELETE", "/base/a", "", "[1]"},
		"one pass":          {`{post: /a, body: "$(captures.template)"}`, "POST", "/base/a", "", "$(secrets.key)"},
		"post without body": {`{post: /a}`, "POST", "/base/a", "", ""},
		"options":           {`{options: /a}`, "OPTIONS", "/base/a", "", ""},
		"head":              {`{head: /a}`, "HEAD", "/base/a", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got *http.Request
			var body []byte
			url := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r; body, _ = io.ReadAll(r.Body) })
			ask := askOf(url + "/base/")
			ask.Captures = map[string]any{"id": jsonNumber("12345678901234567890"), "object": map[string]any{"a": []any{jsonNumber("1")}},
				"odd": "x/..?y=1&z", "template": "$(secrets.key)"}
			if _, err := probe(t, compile(t, clientsOf(t), test.check), ask); err != nil {
				t.Fatal(err)
			}
			if got.Method != test.method || got.RequestURI != test.uri {
				t.Errorf("got %s %s, want %s %s", got.Method, got.RequestURI, test.method, test.uri)
			}
			if key, want, _ := strings.Cut(test.header, ": "); key != "" && got.Header.Get(key) != want {
				t.Errorf("got %s: %s, want %s", key, got.Header.Get(key), want)
			}
			if string(body) != test.body {
				t.Errorf("got body %s, want %s", body, test.body)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	var got string
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("X") })
	clients := clientsOf(t)
	clients.Random = strings.NewReader(strings.Repeat("x", 64))
	clients.Now = func() time.Time { return time.Date(2026, 11, 3, 10, 0, 0, 0, time.FixedZone("", 3600)) }
	ask := askOf(url)
	ask.Site.Vars = map[string]any{"page": 9}
	for template, want := range map[string]string{
		"$(uuid)": "78787878-7878-4878-b878-787878787878", "$(now)": "2026-11-03T09:00:00Z", "$(env.url)": url,
		"$(release.digest)": "sha256:abc", "$(vars.page)": "9", "a$b$": "a$b$",
	} {
		if _, err := probe(t, compile(t, clients, "{get: /, headers: {X: "+template+"}}"), ask); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", template, got, err, want)
		}
	}
	ask.Release.Digest = ""
	for _, check := range []string{"{get: /, headers: {X: $(release.digest)}}", "{get: /$(captures.gone)}", "{get: /, expect: {body: $(captures.gone)}}"} {
		_, err := probe(t, compile(t, clients, check), ask)
		if err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "has no value") {
			t.Errorf("%s: got %v, want it errored for want of a value", check, err)
		}
	}
}

func TestCaptures(t *testing.T) {
	url := serve(t, answering(200, "application/json", shop))
	check := compile(t, clientsOf(t), `{get: /, capture: {id: "$.items[0].id", kinds: "$.items[*].kind", type: headers.content-type, code: status, none: $.none}}`)
	answer, err := probe(t, check, askOf(url))
	want := map[string]any{"id": jsonNumber("1"), "kinds": []any{"card", "card", "code"}, "type": "application/json", "code": jsonNumber("200"), "none": nil}
	if err != nil || fmt.Sprint(answer.Captures) != fmt.Sprint(want) {
		t.Errorf("got %v, %v, want %v", answer.Captures, err, want)
	}
	answer, err = probe(t, compile(t, clientsOf(t), `{get: /, capture: {id: $.missing}}`), askOf(url))
	if !errors.Is(err, plumbline.ErrFailed) || err.Error() != "capture id: nothing is at $.missing" || answer.Captures != nil {
		t.Errorf("got %v, %v", answer.Captures, err)
	}
	answer, err = probe(t, compile(t, clientsOf(t), `{get: /, expect: {$.status: 2}, capture: {id: $.status}}`), askOf(url))
	if err == nil || answer.Captures != nil {
		t.Errorf("a wrong answer was captured: %v, %v", answer.Captures, err)
	}
}

// What servers do to us, and what is said of it. "failed" answers came and are wrong; the others could not be asked.
func TestHostileAnswers(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat("x", 32<<10))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	hijacked := func(raw string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, raw)
		}
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		check   string
		failed  bool
		want    string
	}{
		"endless body":    {endless, "{get: /}", true, "body: got more than 64 KiB"},
		"announced":       {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99999999") }, "{get: /}", true, "body: got more than 64 KiB"},
		"gzip bomb":       {gzipped(8 << 20), "{get: /}", true, "body: got more than 64 KiB"},
		"honest gzip":     {gzipped(10), "{get: /, expect: {size: 10}}", false, ""},
		"endless headers": {hijacked("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n"), "{get: /}", true, "headers: got more than 64 KiB"},
		"slow headers": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "{get: /}", false,
			"GET URL/: timed out after 1s waiting for headers"},
		"slow body": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "{")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "{get: /}", false, "GET URL/: timed out after 1s reading the body"},
		"half a body":   {hijacked("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"), "{get: /, expect: {$: {eq: {}}}}", false, "GET URL/: connection closed reading the body"},
		"no answer":     {hijacked(""), "{post: /}", false, "POST URL/: connection closed waiting for headers"},
		"no HTTP":       {hijacked("SSH-2.0-OpenSSH\r\n"), "{get: /}", false, "GET URL/: waiting for headers: net/http: HTTP/1.x transport connection broken: malformed HTTP"},
		"query is kept": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, `{get: "/a?key=12345678"}`, false, "GET URL/a: timed out"},
		"redirect":      {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/b", http.StatusFound) }, "{get: /a}", true, "status: got 302, want 2xx"},
		"redirect wanted": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/b", http.StatusFound) },
			"{get: /a, expect: {status: 302, headers.Location: /b}}", false, ""},
		"redirect loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/a", http.StatusFound) }, "{get: /a, follow: true}", true, "redirected more than 10 times"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, test.handler)
			clients := clientsOf(t)
			clients.BodyLimit = 64 << 10
			_, err := within(t, test.want, compile(t, clients, test.check), askOf(url))
			ends(t, err, strings.ReplaceAll(test.want, "URL", url), test.failed)
			if strings.Contains(fmt.Sprint(err), "12345678") {
				t.Error("the query is in the reason")
			}
		})
	}
}

func gzipped(size int64) http.HandlerFunc {
	var small bytes.Buffer
	z, _ := gzip.NewWriterLevel(&small, gzip.BestSpeed)
	_, _ = io.CopyN(z, zeros{}, size)
	_ = z.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(small.Bytes())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestRedirects(t *testing.T) {
	var leaked atomic.Bool
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { leaked.Store(true) })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/near":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/far":
			http.Redirect(w, r, elsewhere+"/?steal=1", http.StatusTemporaryRedirect)
		}
	})
	clients := clientsOf(t)
	if _, err := probe(t, compile(t, clients, "{post: /near, follow: true, json: {a: 1}}"), askOf(url)); err != nil {
		t.Errorf("a redirect to the same origin: %v", err)
	}
	answer, err := probe(t, compile(t, clients, "{post: /far, follow: true, json: {a: 1}, headers: {X-Api-Key: k}}"), askOf(url))
	if want := "redirected to " + elsewhere + ", another origin, which is not followed"; !errors.Is(err, plumbline.ErrFailed) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if answer.Status != 307 || leaked.Load() {
		t.Errorf("status %d, leaked %v", answer.Status, leaked.Load())
	}
}

func TestUnreachable(t *testing.T) {
	closed := closedAddress(t)
	secure := httptest.NewUnstartedServer(answering(200, "", ""))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := serve(t, answering(200, "", ""))
	tests := map[string]string{
		"http://" + closed: "connection refused by " + closed,
		secure.URL:         "TLS: certificate signed by itself, which is not trusted",
		"https" + strings.TrimPrefix(plain, "http"): "TLS: the server doesn't speak TLS",
		"":                     "the environment has no URL",
		"http://u:p@127.0.0.1": "a URL with credentials in it",
	}
	for url, want := range tests {
		_, err := probe(t, compile(t, clientsOf(t), "{get: /}"), askOf(url))
		if err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", url, err, want)
		}
	}
	clients := clientsOf(t)
	clients.Transport.TLSClientConfig = &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
		Time: func() time.Time { return time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC) }, MinVersion: tls.VersionTLS12}
	if _, err := probe(t, compile(t, clients, "{get: /}"), askOf(secure.URL)); err == nil || !strings.Contains(err.Error(), "TLS: certificate is valid from 1970-01-01 to 2084-01-29") {
		t.Errorf("got %v, want the certificate's days", err)
	}
}

func TestCancelled(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := compile(t, clientsOf(t), "{get: /}").Probe(ctx, askOf(url))
	if !errors.Is(err, context.Canceled) || errors.Is(err, plumbline.ErrFailed) {
		t.Errorf("got %v, want what the caller did", err)
	}
}

func TestConnections(t *testing.T) {
	var dialled atomic.Int32
	server := httptest.NewUnstartedServer(answering(200, "", "ok"))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialled.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	clients := clientsOf(t)
	for _, test := range []struct {
		check string
		want  int32
	}{{"{get: /}", 1}, {"{get: /, connection: fresh}", 5}} {
		dialled.Store(0)
		check := compile(t, clients, test.check)
		for range 5 {
			if _, err := probe(t, check, askOf(server.URL)); err != nil {
				t.Fatal(err)
			}
		}
		if dialled.Load() != test.want {
			t.Errorf("%s: %d connections for 5 requests, want %d", test.check, dialled.Load(), test.want)
		}
	}
}

// A cookie of one check never reaches another.
func TestNoCookiesBetweenChecks(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Error("a cookie came back")
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "blue"})
	})
	check := compile(t, clientsOf(t), "{get: /}")
	for range 2 {
		if _, err := probe(t, check, askOf(url)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDetailHidesWhatIsDelicate(t *testing.T) {
	url := serve(t, answering(500, "application/json", `{"access_token":"abc.def","pin": "1234", "error":"no stock", "password":"x\"y"}`+strings.Repeat("z", 5000)))
	answer, err := probe(t, compile(t, clientsOf(t), "{get: /, through: acme-workday}"), askOf(url))
	if err == nil || err.Error() != "through acme-workday: status: got 500, want 2xx" || answer.Status != 500 {
		t.Errorf("got %v, status %d", err, answer.Status)
	}
	if leak := redact.Leaks(answer.Detail, "abc.def", "1234"); leak != "" || !strings.Contains(answer.Detail, "no stock") || len(answer.Detail) > 2048 {
		t.Errorf("got %s, %s", leak, answer.Detail)
	}
}

func TestSecrets(t *testing.T) {
	const key = "s3cr3t/key+value"
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "you sent %s and %s", r.Header.Get("X-Api-Key"), r.URL.RawQuery)
	})
	clients := clientsOf(t)
	hosts := []string{strings.TrimPrefix(url, "http://")}
	clients.Secret = func(name string) (checks.Secret, bool) {
		return checks.Secret{Value: key, Hosts: hosts}, name == "key"
	}
	check := compile(t, clients, "{get: /, headers: {X-Api-Key: $(secrets.key)}, query: {k: $(secrets.key)}, expect: {status: 200, body: {matches: '^x'}}}")
	answer, err := probe(t, check, askOf(url))
	if !errors.Is(err, plumbline.ErrFailed) || !strings.Contains(answer.Detail, "you sent [redacted]") {
		t.Errorf("got %v, %s", err, answer.Detail)
	}
	if leak := redact.Leaks(fmt.Sprintf("%v %+v", err, answer), key); leak != "" {
		t.Error(leak)
	}
	hosts = []string{"elsewhere.example"}
	if _, err := probe(t, check, askOf(url)); err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "is not for") {
		t.Errorf("got %v, want the secret kept back", err)
	}
}

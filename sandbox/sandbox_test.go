package sandbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/sandbox"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var client = sandbox.Client{ID: "plumbline", Secret: "correct horse battery staple"}

// start runs a sandbox for one test. What is left empty in the options is filled in.
func start(t *testing.T, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	options.Client, options.Rand = client, rand.Reader
	s, err := sandbox.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A caller is somebody who talks to one address, with a token or without.
type caller struct {
	t     *testing.T
	base  string
	token string
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

func (c caller) do(method, path, contentType, body string) answer {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	got, err := web.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{status: got.StatusCode, header: got.Header, text: string(text)}
	if err := json.Unmarshal(text, &a.body); err != nil {
		c.t.Fatalf("%s %s answered no JSON object: %s", method, path, text)
	}
	return a
}

// web keeps no connections, so that no test waits for another's.
var web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

func (c caller) get(path string) answer { c.t.Helper(); return c.do("GET", path, "", "") }
func (c caller) put(path, body string) answer {
	c.t.Helper()
	return c.do("PUT", path, "application/json", body)
}
func (c caller) post(path, body string) answer {
	c.t.Helper()
	return c.do("POST", path, "application/json", body)
}
func (c caller) form(v url.Values) answer {
	c.t.Helper()
	return c.do("POST", "/chef/v1/oauth/token", "application/x-www-form-urlencoded", v.Encode())
}
func (c caller) api(query, data string) answer {
	c.t.Helper()
	return c.post("/chef/v1/oauth/api", apiBody(query, data))
}
func (c caller) with(token string) caller  { c.token = token; return c }
func (c caller) at(base string) caller     { c.base = base; return c }
func (a answer) member(path ...string) any { return member(a.body, path...) }
func (a answer) of(query string, p ...string) any {
	return a.member(append([]string{"data", query[strings.LastIndexByte(query, '.')+1:], "data"}, p...)...)
}

func apiBody(query, data string) string {
	tag := "plumProAPI"
	if strings.HasPrefix(query, "storesAdmin") {
		tag = "storeAdmin"
	}
	return `{"query":"` + query + `","tag":"` + tag + `","variables":{"data":` + data + `}}`
}

func member(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func rightForm() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret}}
}

// login answers with a caller of an environment who has a token.
func login(t *testing.T, base string) caller {
	t.Helper()
	c := caller{t: t, base: base}
	a := c.form(rightForm())
	token, _ := a.member("access_token").(string)
	if a.status != 200 || token == "" {
		t.Fatalf("login answered %d %s", a.status, a.text)
	}
	return c.with(token)
}

func TestStartRefuses(t *testing.T) {
	whole := func(change func(o *sandbox.Options)) sandbox.Options {
		o := sandbox.Options{Client: client, Rand: rand.Reader}
		change(&o)
		return o
	}
	for name, test := range map[string]struct {
		options sandbox.Options
		want    string
	}{
		"no client":         {whole(func(o *sandbox.Options) { o.Client.Secret = "" }), "needs the id and the secret"},
		"no randomness":     {whole(func(o *sandbox.Options) { o.Rand = nil }), "needs randomness"},
		"broken randomness": {whole(func(o *sandbox.Options) { o.Rand = bytes.NewReader(nil) }), "randomness: EOF"},
		"no color":          {whole(func(o *sandbox.Options) { o.Live = "red" }), `unknown color "red"`},
		"release of red":    {whole(func(o *sandbox.Options) { o.Releases = map[plumbline.Color]plumbline.Release{"red": {}} }), `unknown color "red"`},
		"silly rate":        {whole(func(o *sandbox.Options) { o.Rate = -1 }), "rate is -1"},
		"no address":        {whole(func(o *sandbox.Options) { o.Control = "nowhere:never" }), "listen tcp"},
		"open control":      {whole(func(o *sandbox.Options) { o.Control = ":0" }), "beyond loopback: it needs a token"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sandbox.Start(t.Context(), test.options)
			if err == nil {
				s.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q, want it to say %q", err, test.want)
			}
		})
	}
}

func TestCloseTwiceAndAfterItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := sandbox.Start(ctx, sandbox.Options{Client: client, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := web.Get(s.SwitchURL); err == nil {
		t.Error("the switch still answers")
	}
}

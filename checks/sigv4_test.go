package checks_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// The key and the day of AWS's published test suite for Signature Version 4.
const (
	awsKeyID  = "AKIDEXAMPLE"
	awsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	awsToken  = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
)

func awsDay() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) }

func awsConnection(service string, token string) checks.Connection {
	return checks.Connection{Name: "aws", Kind: checks.SigV4, Secret: secretly(awsSecret),
		AWS: &checks.AWS{KeyID: secretly(awsKeyID), SessionToken: secretly(token), Region: "us-east-1", Service: service}}
}

// awsClients reach the test suite's host, which is a server of ours.
func awsClients(t *testing.T, handler http.HandlerFunc, connection checks.Connection) checks.Clients {
	server := strings.TrimPrefix(serve(t, handler), "http://")
	clients := clientsOf(t)
	clients.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "example.amazonaws.com:80" {
			t.Errorf("dialled %s", address)
		}
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}
	clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, awsDay)
	return clients
}

func TestSigV4SignsAsAWSPublished(t *testing.T) {
	tests := map[string]struct {
		check   string
		token   string
		headers string
		want    string
	}{
		"get-vanilla":                    {check: "get: /", want: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"get-vanilla-with-session-token": {check: "get: /", token: awsToken, headers: ";x-amz-security-token", want: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
		"get-vanilla-empty-query-key":    {check: "get: /?Param1=value1", want: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		"get-vanilla-query-order":        {check: `{get: "/?Param2=value2&Param1=value1"}`, want: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		"the same from a map":            {check: `{get: /, query: {Param2: value2, Param1: value1}}`, want: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		"get-vanilla-utf8-query":         {check: `{get: /, query: {ሴ: bar}}`, want: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		"get-unreserved":                 {check: "get: /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", want: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		"post-header-key-sort":           {check: `{post: /, headers: {My-Header1: value1}}`, headers: ";my-header1", want: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		"get-header-value-trim":          {check: `{get: /, headers: {My-Header1: " value1", My-Header2: '"a   b   c"'}}`, headers: ";my-header1;my-header2", want: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		"post-x-www-form-urlencoded": {check: `{post: /, form: {Param1: value1}, headers: {X-Amz-Content-Sha256: 9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e}}`,
			headers: ";content-length;content-type;x-amz-content-sha256", want: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got atomic.Value
			clients := awsClients(t, func(_ http.ResponseWriter, r *http.Request) { got.Store(r.Header.Clone()) }, awsConnection("service", test.token))
			ask := askOf("http://example.amazonaws.com")
			check := "{" + strings.TrimSuffix(strings.TrimPrefix(test.check, "{"), "}") + ", auth: aws}"
			if strings.HasSuffix(test.check, "}}") {
				check = strings.TrimSuffix(test.check, "}") + ", auth: aws}"
			}
			if _, err := probe(t, compile(t, clients, check), ask); err != nil {
				t.Fatal(err)
			}
			sent := got.Load().(http.Header)
			authorization := sent.Get("Authorization")
			if before, signature, _ := strings.Cut(authorization, ", Signature="); signature != test.want ||
				!strings.HasPrefix(before, "AWS4-HMAC-SHA256 Credential="+awsKeyID+"/20150830/us-east-1/service/aws4_request, SignedHeaders=") {
				t.Errorf("sent %q, want signature %s", authorization, test.want)
			}
			for header := range strings.SplitSeq(strings.TrimPrefix(test.headers, ";"), ";") {
				if !strings.Contains(authorization, header) {
					t.Errorf("%s isn't signed: %s", header, authorization)
				}
			}
			if sent.Get("X-Amz-Date") != "20150830T123600Z" || sent.Get("X-Amz-Security-Token") != test.token {
				t.Errorf("sent %v", sent)
			}
		})
	}
}

// A redirect that is followed is another request, and a signature is for one alone.
func TestSigV4SignsWhatARedirectAsks(t *testing.T) {
	var asked []string
	clients := awsClients(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		if got, want := r.Header.Get("Authorization"), signedBySDK(t, r, body); got != want {
			t.Errorf("%s: sent %s, want %s", asked, got, want)
		}
		switch r.URL.Path {
		case "/303":
			http.Redirect(w, r, "/to?a=1&b=2", http.StatusSeeOther)
		case "/307":
			http.Redirect(w, r, "/to", http.StatusTemporaryRedirect)
		}
	}, awsConnection("service", ""))
	for check, want := range map[string]string{
		"get: /303, follow: true":                 "GET /303 |GET /to?a=1&b=2 ",
		"post: /303, form: {a: b}, follow: true":  "POST /303 a=b|GET /to?a=1&b=2 ",
		"post: /307, form: {a: b}, follow: true":  "POST /307 a=b|POST /to a=b",
		"post: /307, json: {c: d}, follow: false": `POST /307 {"c":"d"}`,
		"steps: [{get: /307, follow: true}]":      "GET /307 |GET /to ",
	} {
		asked = nil
		check = strings.Replace(check, "follow", "auth: aws, expect: {status: {lt: 400}}, follow", 1)
		_, err := probe(t, compile(t, clients, "{"+check+"}"), askOf("http://example.amazonaws.com"))
		if got := strings.Join(asked, "|"); err != nil || got != want {
			t.Errorf("%s: %v, asked %q, want %q", check, err, got, want)
		}
	}
}

// signedBySDK is the header that AWS's SDK makes for a request as it arrived.
func signedBySDK(t *testing.T, r *http.Request, body []byte) string {
	_, names, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	names, _, _ = strings.Cut(names, ",")
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), strings.NewReader(string(body)))
	if err != nil {
		t.Error(err)
		return ""
	}
	for name := range strings.SplitSeq(names, ";") {
		if value := r.Header.Get(name); value != "" && name != "content-length" {
			again.Header.Set(name, value)
		}
	}
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: awsKeyID, SecretAccessKey: awsSecret}, again,
		fmt.Sprintf("%x", sha256.Sum256(body)), "service", "us-east-1", awsDay())
	if err != nil {
		t.Error(err)
	}
	return again.Header.Get("Authorization")
}

func TestSigV4OfS3NamesThePayloadAndTakesPathsAsTheyAre(t *testing.T) {
	var got http.Header
	clients := awsClients(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }, awsConnection("s3", awsToken))
	_, err := probe(t, compile(t, clients, `{put: "/a%20b", body: hello, auth: aws}`), askOf("http://example.amazonaws.com"))
	const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	if err != nil || got.Get("X-Amz-Content-Sha256") != hello || !strings.Contains(got.Get("Authorization"), "x-amz-content-sha256") {
		t.Errorf("%v, sent %v", err, got)
	}
}

func TestSigV4KeepsItsKeysToItself(t *testing.T) {
	clients := awsClients(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = r.Header.Write(w)
		_, _ = io.WriteString(w, url.QueryEscape(awsSecret))
	}, awsConnection("service", awsToken))
	answer, err := probe(t, compile(t, clients, `{get: /, auth: aws, expect: {body: {length: 1, eq: x}}}`), askOf("http://example.amazonaws.com"))
	if err == nil || !strings.Contains(answer.Detail, "Signature=") {
		t.Errorf("got %v, %+v", err, answer)
	}
	if leak := redact.Leaks(err.Error()+answer.Detail, awsSecret, awsToken); leak != "" {
		t.Error(leak)
	}
}

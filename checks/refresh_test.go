package checks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// A rotator replaces its refresh token whenever it is used, and takes all tokens back when an old one is used again.
type rotator struct {
	mu      sync.Mutex
	n       int
	valid   string // the refresh token of the day
	access  map[string]bool
	keeps   bool // never replaces it
	revoked bool
	slow    time.Duration
	begun   chan struct{} // if any, gets one for each login as it begins
}

func (s *rotator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth/token" {
		if s.begun != nil {
			s.begun <- struct{}{}
		}
		time.Sleep(s.slow)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path != "/oauth/token" {
		if !s.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"), s.valid)
		return
	}
	_ = r.ParseForm()
	w.Header().Set("Content-Type", "application/json")
	if r.PostForm.Get("grant_type") != "refresh_token" || r.PostForm.Get("refresh_token") != s.valid || s.revoked {
		s.revoked = true
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"%s"}`, r.PostForm.Get("refresh_token"))
		return
	}
	s.n++
	access, next := fmt.Sprintf("access-number-%d", s.n), ""
	s.access = map[string]bool{access: true}
	if !s.keeps {
		s.valid = fmt.Sprintf("refresh-number-%d", s.n)
		next = fmt.Sprintf(`,"refresh_token":%q`, s.valid)
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600%s}`, access, next)
}

func (s *rotator) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func refreshing(grant *checks.RefreshGrant) checks.Connection {
	return checks.Connection{Name: "acme", Kind: checks.OAuth2, Grant: checks.RefreshToken, TokenURL: "/oauth/token", ClientID: "plumbline",
		Secret: secretly(clientSecret), Refresh: grant}
}

// tokenFile keeps the first refresh token in a directory of its own.
func tokenFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("refresh-number-0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func keptIn(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	return strings.TrimSpace(string(data))
}

const getAcme = "{get: /, auth: acme}"

func TestARotatedRefreshTokenIsKept(t *testing.T) {
	s, file := &rotator{valid: "refresh-number-0"}, tokenFile(t)
	url := serve(t, s.ServeHTTP)
	for day := 1; day <= 3; day++ { // each a process of its own
		check := compile(t, connected(t, refreshing(&checks.RefreshGrant{File: file, Value: secretly("what it was at the start")})), getAcme)
		for range 3 {
			if _, err := probe(t, check, askOf(url)); err != nil {
				t.Fatal(err)
			}
		}
		if got := keptIn(t, file); got != fmt.Sprintf("refresh-number-%d", day) || s.n != day {
			t.Errorf("day %d: %s is kept after %d tokens", day, got, s.n)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	hidden, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*"))
	if err != nil || len(left)+len(hidden) != 2 { // the token and its lock
		t.Errorf("left behind: %v %v", left, hidden)
	}
}

// Several daemons, and both colors in each, use one refresh token: whoever refreshes begins with what the last one left.
func TestDaemonsDontDestroyEachOthersRefreshToken(t *testing.T) {
	s, file := &rotator{valid: "refresh-number-0", slow: 5 * time.Millisecond}, tokenFile(t)
	url := serve(t, s.ServeHTTP)
	done := sync.WaitGroup{}
	const daemons = 6
	for range daemons {
		clients := connected(t, refreshing(&checks.RefreshGrant{File: file}))
		check := compile(t, clients, "{get: /, auth: acme, expect: {status: {one_of: [200, 401]}}}") // only the last token is good
		for _, color := range plumbline.Colors() {
			for range 3 {
				done.Go(func() {
					ask := askOf(url)
					ask.Site.Color = color
					if _, err := probe(t, check, ask); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
	done.Wait()
	if s.revoked || s.n < 2*daemons || keptIn(t, file) != s.valid {
		t.Errorf("revoked: %v, %d tokens, kept %s, valid %s", s.revoked, s.n, keptIn(t, file), s.valid)
	}
}

func TestARotationThatCantBeKeptIsRefused(t *testing.T) {
	tests := map[string]struct {
		grant func(t *testing.T) *checks.RefreshGrant
		want  string
	}{
		"a variable": {func(*testing.T) *checks.RefreshGrant {
			return &checks.RefreshGrant{Value: secretly("refresh-number-0")}
		}, "an environment variable can't keep it, name it by {file: PATH}"},
		"a full place": {func(t *testing.T) *checks.RefreshGrant {
			file := tokenFile(t)
			if err := os.Mkdir(file+".lock", 0o700); err != nil { // so that it can't be locked, for root neither
				t.Fatal(err)
			}
			return &checks.RefreshGrant{File: file}
		}, ".lock: is a directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &rotator{valid: "refresh-number-0"}
			check := compile(t, connected(t, refreshing(test.grant(t))), getAcme)
			url := serve(t, s.ServeHTTP)
			for range 3 { // the token is used up, and isn't tried again
				_, err := probe(t, check, askOf(url))
				want := "auth acme: the token endpoint replaced the refresh token, and the new one is lost: "
				if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), test.want) || errors.Is(err, plumbline.ErrFailed) {
					t.Errorf("got %v, want %s…%s", err, want, test.want)
				}
				if leak := redact.Leaks(fmt.Sprint(err), "refresh-number-0", "refresh-number-1", "access-number-1", clientSecret); leak != "" {
					t.Error(leak)
				}
			}
			if s.n != 1 || s.revoked {
				t.Errorf("%d logins, revoked: %v", s.n, s.revoked)
			}
		})
	}
	// What isn't replaced needs no place to be kept.
	for name, test := range tests {
		s := &rotator{valid: "refresh-number-0", keeps: true}
		if _, err := probe(t, compile(t, connected(t, refreshing(test.grant(t))), getAcme), askOf(serve(t, s.ServeHTTP))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestANewTokenInTheFileEndsARefusal(t *testing.T) {
	s, file := &rotator{valid: "refresh-number-0"}, tokenFile(t)
	if err := os.Mkdir(file+".lock", 0o700); err != nil {
		t.Fatal(err)
	}
	check, url := compile(t, connected(t, refreshing(&checks.RefreshGrant{File: file})), getAcme), serve(t, s.ServeHTTP)
	if _, err := probe(t, check, askOf(url)); err == nil {
		t.Fatal("got no error")
	}
	if err := os.Remove(file + ".lock"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(s.valid), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := probe(t, check, askOf(url)); err != nil || keptIn(t, file) != "refresh-number-2" {
		t.Errorf("%v, kept %s", err, keptIn(t, file))
	}
}

func TestRefreshTokensThatWontDo(t *testing.T) {
	write := func(t *testing.T, text string, mode os.FileMode) *checks.RefreshGrant {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		return &checks.RefreshGrant{File: file}
	}
	tests := map[string]struct {
		grant  *checks.RefreshGrant
		want   string
		failed bool
	}{
		"gone":      {&checks.RefreshGrant{File: filepath.Join(t.TempDir(), "token")}, "token: no such file or directory", false},
		"none":      {&checks.RefreshGrant{Value: secretly("")}, "auth acme: its refresh token: there is none", false},
		"empty":     {write(t, " \n", 0o600), "token is empty", false},
		"open":      {write(t, "refresh-number-0", 0o644), "has mode 0644: others can read it (chmod 600 ", false},
		"large":     {write(t, strings.Repeat("x", 1<<17), 0o600), "has more than 65536 bytes", false},
		"a place":   {&checks.RefreshGrant{File: t.TempDir()}, "is no regular file", false},
		"not it":    {write(t, "refresh-number-9", 0o600), "auth acme: token endpoint /oauth/token answered 400, want 200: invalid_grant", true},
		"not it, 2": {&checks.RefreshGrant{Value: secretly("refresh-number-9")}, "auth acme: token endpoint /oauth/token answered 400, want 200: invalid_grant", true},
	}
	for name, test := range tests {
		s := &rotator{valid: "refresh-number-0"}
		_, err := probe(t, compile(t, connected(t, refreshing(test.grant)), getAcme), askOf(serve(t, s.ServeHTTP)))
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, plumbline.ErrFailed) != test.failed {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
		if leak := redact.Leaks(fmt.Sprint(err), "refresh-number-9", clientSecret); leak != "" {
			t.Errorf("%s: %s", name, leak)
		}
	}
}

func TestALinkToTheFileStaysALink(t *testing.T) {
	s, file := &rotator{valid: "refresh-number-0"}, tokenFile(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if _, err := probe(t, compile(t, connected(t, refreshing(&checks.RefreshGrant{File: link})), getAcme), askOf(serve(t, s.ServeHTTP))); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != file || keptIn(t, file) != "refresh-number-1" {
		t.Errorf("link to %q, %v, kept %s", to, err, keptIn(t, file))
	}
}

func TestALockThatIsHeldIsWaitedFor(t *testing.T) {
	s, file := &rotator{valid: "refresh-number-0"}, tokenFile(t)
	lock := flock.New(file + ".lock")
	if locked, err := lock.TryLock(); err != nil || !locked {
		t.Fatal(err)
	}
	check, url := compile(t, connected(t, refreshing(&checks.RefreshGrant{File: file})), getAcme), serve(t, s.ServeHTTP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := check.Probe(ctx, askOf(url))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waiting for the token endpoint of acme") || s.count() != 0 {
		t.Errorf("got %v after %d logins", err, s.count())
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := probe(t, check, askOf(url)); err != nil || s.count() != 1 {
		t.Errorf("got %v after %d logins", err, s.count())
	}
}

// A daemon that ends while a login is under way would lose the refresh token that replaces the one it used up.
func TestCloseWaitsForLogins(t *testing.T) {
	s, file := &rotator{valid: "refresh-number-0", slow: 200 * time.Millisecond, begun: make(chan struct{}, 1)}, tokenFile(t)
	clients := connected(t, refreshing(&checks.RefreshGrant{File: file}))
	check, url := compile(t, clients, getAcme), serve(t, s.ServeHTTP)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-s.begun; cancel() }()
	if _, err := check.Probe(ctx, askOf(url)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	clients.Connections.Close()
	if got := keptIn(t, file); got != "refresh-number-1" {
		t.Errorf("%s is kept", got)
	}
	var none *checks.Connections
	none.Close()
}

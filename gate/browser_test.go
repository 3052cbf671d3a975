package gate_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestBrowsersOfOtherSitesAreRefused(t *testing.T) {
	h := build(t)
	body := `{"metadata":{"version":"v2"}}`
	if status, text := h.ask(http.MethodPost, "/v1/gates/plum/green/confirm", body, "Sec-Fetch-Site", "cross-site"); status != 403 || !strings.Contains(text, "another site") {
		t.Errorf("answered %d %q, want 403", status, text)
	}
	if status, text := h.ask(http.MethodPost, "/v1/gates/plum/green/confirm", body, "Origin", "https://evil.example"); status != 403 {
		t.Errorf("answered %d %q, want 403", status, text)
	}
}

// What another site can't read is refused as well, unless everybody may know it or a person asks for it.
func TestReadersFromOtherSitesAreRefused(t *testing.T) {
	const site, mode, dest = "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"
	h := build(t)
	for _, path := range []string{"/v1/gates/plum/green", "/v1/services", "/v1/services/plum", "/v1/runs/" + run, "/metrics"} {
		for want, sent := range map[int][][]string{
			403: {{site, "cross-site"}, {site, "cross-site", mode, "no-cors", dest, "script"}, {site, "cross-site", mode, "navigate", dest, "iframe"}},
			200: {nil, {site, "none"}, {site, "same-origin"}, {site, "cross-site", mode, "navigate", dest, "document"}},
		} {
			for _, headers := range sent {
				if status, text := h.ask(http.MethodGet, path, "", headers...); status != want || want == 403 && !strings.Contains(text, "another site") {
					t.Errorf("%s with %q answered %d %q, want %d", path, headers, status, text, want)
				}
			}
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if status, text := h.ask(http.MethodGet, path, "", site, "cross-site", "Host", "evil.example"); status != 200 {
			t.Errorf("%s answered %d %q", path, status, text)
		}
	}
	link := []string{site, "cross-site", mode, "navigate", dest, "document"}
	if status, text := h.ask(http.MethodPost, "/v1/gates/plum/green/confirm", `{"metadata":{"version":"v2"}}`, link...); status != 403 {
		t.Errorf("a form of another site: %d %q, want 403", status, text)
	}
}

// A page may let its own name point to loopback, and is then read as if it were of this daemon.
func TestNamesOnLoopback(t *testing.T) {
	for host, status := range map[string]int{
		"127.0.0.1:8080": 200, "127.0.0.1": 200, "[::1]:8080": 200, "[::1]": 200, "10.1.2.3:80": 200,
		"localhost:8080": 200, "LOCALHOST": 200, "localhost.": 200, "plum.localhost:8080": 200,
		"plumbline.internal": 200, "Plumbline.Internal.:443": 200,
		"evil.example": 403, "evil.example:8080": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "evillocalhost": 403,
		"evil.plumbline.internal": 403, "plumbline": 403, "": 403, ":8080": 403,
	} {
		public := func(h *house) { h.options.PublicURL = func() string { return "https://plumbline.internal:8443/base" } }
		if status == 200 && strings.Contains(strings.ToLower(host), "internal") {
			if got, text := build(t).ask(http.MethodGet, "/v1/services", "", "Host", host); got != 403 || !strings.Contains(text, "public_url") {
				t.Errorf("%q without public_url answered %d %q, want 403", host, got, text)
			}
		}
		h := build(t, public)
		for _, path := range []string{"/v1/services", "/v1/gates/plum/green", "/metrics"} {
			if got, text := h.ask(http.MethodGet, path, "", "Host", host); got != status {
				t.Errorf("%s of %q answered %d %q, want %d", path, host, got, text, status)
			}
		}
		if got, text := h.ask(http.MethodPost, "/v1/gates/plum/green/confirm", `{"metadata":{"version":"v2"}}`, "Host", host); got != status {
			t.Errorf("confirm of %q answered %d %q, want %d", host, got, text, status)
		}
		if got, text := build(t, guarded).ask(http.MethodGet, "/v1/services", "", "Host", host, "Authorization", "Bearer s3cret-gate"); got != 200 {
			t.Errorf("%q beyond loopback answered %d %q", host, got, text)
		}
	}
}

package sandbox

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	plumbline "github.com/plumbline-dev/plumbline"
)

// login gives an access token for a refresh token, which is replaced, or for an assertion.
func (s *workdaySim) login(w http.ResponseWriter, r *http.Request) {
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	if user, password, is := r.BasicAuth(); is {
		id, secret = unescaped(user), unescaped(password)
	}
	signs := r.PostFormValue("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
	if signs {
		id = issuerOf(r.PostFormValue("assertion"))
	}
	color := s.find(func(c *workdayClient) bool { return id != "" && (id == c.ClientID || id == c.SigningID) })
	if s.amiss(w, r, color) {
		return
	}
	known := signs || color != "" && same(s.account(color).ClientSecret, secret) == 1
	switch fault := s.broken.of(color); {
	case fault == workdayBroken:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
	case color == "" || !known || fault == workdayInvalidClient:
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
	case signs && id == s.account(color).SigningID:
		s.signed(w, r, color)
	case r.PostFormValue("grant_type") == "refresh_token" && id == s.account(color).ClientID:
		s.refresh(w, r, color)
	default:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
	}
}

// unescaped is a client's id or secret in a header (RFC 6749, section 2.3.1).
func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// issuerOf is who an assertion says that it is of, which its signature has to prove yet.
func issuerOf(assertion string) string {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(assertion, claims); err != nil {
		return ""
	}
	issuer, err := claims.GetIssuer()
	if err != nil {
		return ""
	}
	return issuer
}

// refresh replaces the refresh token: the one that was used is good for nothing any more.
func (s *workdaySim) refresh(w http.ResponseWriter, r *http.Request, color plumbline.Color) {
	used, next := r.PostFormValue("refresh_token"), secretOf(s.random)
	refused := s.revoked(color)
	s.mu.Lock()
	right := s.refreshes[used]
	if refused || next == "" || right == nil || right.color != color || !s.clock().Before(right.ends) {
		s.mu.Unlock()
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	delete(s.refreshes, used)
	right.ends = s.clock().Add(workdayRefreshLife)
	s.refreshes[next] = right
	if right.plums {
		s.accounts[color].plum = next
	} else {
		s.accounts[color].RefreshToken = next
	}
	s.mu.Unlock()
	s.grant(w, color, map[string]any{"refresh_token": next})
}

// revoked says whether nothing is given out for what a color has.
func (s *workdaySim) revoked(color plumbline.Color) bool {
	fault := s.broken.of(color)
	return fault == workdayInvalidGrant || fault == workdayCredential
}

// signed takes an assertion that the client's key signed for its user.
func (s *workdaySim) signed(w http.ResponseWriter, r *http.Request, color plumbline.Color) {
	account := s.account(color)
	s.mu.Lock()
	public := s.accounts[color].public
	s.mu.Unlock()
	name, _, _ := strings.Cut(account.User, "@")
	_, err := jwt.Parse(r.PostFormValue("assertion"), func(*jwt.Token) (any, error) { return public, nil }, jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithTimeFunc(s.clock), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithAudience("wd"), jwt.WithIssuer(account.SigningID), jwt.WithSubject(name))
	if err != nil || s.revoked(color) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	s.grant(w, color, map[string]any{})
}

// grant gives out an access token.
func (s *workdaySim) grant(w http.ResponseWriter, color plumbline.Color, answer map[string]any) {
	token, now := secretOf(s.random), s.clock()
	if token == "" {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	s.mu.Lock()
	maps.DeleteFunc(s.tokens, func(_ string, t workdayToken) bool { return !now.Before(t.ends) })
	if len(s.tokens) >= workdayMaxTokens {
		clear(s.tokens)
	}
	s.tokens[token] = workdayToken{color: color, ends: now.Add(workdayTokenLife)}
	s.mu.Unlock()
	answer["access_token"], answer["token_type"], answer["expires_in"] = token, "Bearer", int(workdayTokenLife/time.Second)
	writeJSON(w, http.StatusOK, answer)
}

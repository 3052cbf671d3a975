package sandbox

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

// login gives out a token for client credentials in a form. The two keys of its errors are those of OAuth 2.0.
func (e *Environment) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		oauthError(w, "invalid_request", "the form can't be read")
		return
	}
	form, condition := r.PostForm, conditionOf(r)
	right := same(form.Get("client_id"), e.client.ID) & same(form.Get("client_secret"), e.client.Secret)
	switch {
	case form.Get("grant_type") == "":
		oauthError(w, "invalid_request", "grant_type is missing")
	case form.Get("grant_type") != "client_credentials":
		oauthError(w, "unsupported_grant_type", "want grant_type client_credentials")
	case right != 1 || condition.Faults.BrokenLogin:
		oauthError(w, "invalid_client", "the client is unknown or its secret is wrong")
	default:
		e.issue(w, time.Duration(condition.Config.orDefault().TokenTTL))
	}
}

// issue keeps the token in the shared store: one that blue gave out is good on green.
func (e *Environment) issue(w http.ResponseWriter, ttl time.Duration) {
	token, err := e.store.rand.hex(24)
	if err != nil {
		e.refuse(w, err)
		return
	}
	now := e.store.clock()
	e.store.tokens.put(token, now.Add(ttl), now)
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "bearer", "expires_in": int(ttl.Seconds())})
}

func same(a, b string) int { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) }

func oauthError(w http.ResponseWriter, code, text string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": text})
}

// bearer lets requests through whose token is good.
func (e *Environment) bearer(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if e.tokenLeft(r) <= 0 {
			e.refuse(w, errNoToken)
			return
		}
		next(w, r)
	}
}

func (e *Environment) tokenLeft(r *http.Request) time.Duration {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return 0
	}
	return e.store.tokens.left(token, e.store.clock())
}

// token says that the token it came with is good, and for how many seconds.
func (e *Environment) token(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"token_type": "bearer", "expires_in": int(e.tokenLeft(r).Seconds())})
}

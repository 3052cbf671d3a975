package gate

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// RoleGate lets a token ask gates. Every token may read the rest.
const RoleGate = "gate"

var (
	errNoToken    = errors.New("needs a token: Authorization: Bearer TOKEN")
	errWrongToken = errors.New("the token is not known")
	errRole       = errors.New("the token has no role gate")
)

// A Token lets somebody in. It keeps no secret, only its SHA-256. The zero Token lets nobody in.
type Token struct {
	Name  string
	Roles []string
	hash  [sha256.Size]byte
	set   bool
}

// NewToken makes a token of its secret. An empty secret lets nobody in.
func NewToken(name, secret string, roles ...string) Token {
	return Token{Name: name, Roles: roles, hash: sha256.Sum256([]byte(secret)), set: secret != ""}
}

// String is the name of the token.
func (t Token) String() string { return t.Name }

// GoString is the name of the token, too.
func (t Token) GoString() string { return t.Name }

// allowed says why a caller may not ask, or nothing. An empty role means that every known token will do.
func (g *Gate) allowed(secret, role string) error {
	if g.Loopback {
		return nil
	}
	if secret == "" {
		return errNoToken
	}
	var found *Token
	hash, tokens := sha256.Sum256([]byte(secret)), *g.tokens.Load()
	for i := range tokens { // all of them, whichever matches: time tells nothing
		if t := &tokens[i]; subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 && t.set {
			found = t
		}
	}
	switch {
	case found == nil:
		return errWrongToken
	case role != "" && !slices.Contains(found.Roles, role):
		return errRole
	}
	return nil
}

// secretOf is the bearer token of a request, or the password of a URL for clients that can't set headers.
func secretOf(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

func authStatus(err error) int {
	if errors.Is(err, errRole) {
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}
